"""What a URL really names: one host in one spelling, one port. What may be read in two ways is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import SplitResult, urlsplit

import idna

from orchestrator_lite.egress.errors import EgressRefused

PORTS: Final = {"http": 80, "https": 443}

LONGEST: Final = 2048
"""Characters of a URL."""

_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f\\]")
"""Readers of URLs disagree on these: a backslash is a slash to some, and some drop tabs and newlines."""

_AUTHORITY: Final = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<host>[^\[\]:]*))(?::(?P<port>[0-9]{0,5}))?")

_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")

_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that makes old readers take a name for an IPv4 address."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes.

    Attributes:
        scheme: `http` or `https`.
        host: Its name in ASCII and small letters without a dot at its end, or its address in its usual form.
        port: Its port.
        path: Path and query, as they were written.
        is_address: Whether `host` is an address and no name.
    """

    scheme: str
    host: str
    port: int
    path: str
    is_address: bool

    @property
    def authority(self) -> str:
        """Host and port as a URL and the header Host have them."""
        host = bracketed(self.host)
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """What credentials belong to."""
        return self.scheme, self.host, self.port


def target_of(url: str) -> Target:
    """Read a URL.

    Args:
        url: An http or https URL; what stands behind `#` is left out.

    Raises:
        EgressRefused: It is none, or not written plainly; the text says what is wrong and never repeats the URL.
    """
    parts = _split(url)
    if parts.scheme not in PORTS:
        raise EgressRefused("the URL must begin with http:// or https://")
    if "@" in parts.netloc:
        raise EgressRefused("the URL must not hold a user name or password")
    found = _AUTHORITY.fullmatch(parts.netloc)
    if found is None:
        raise EgressRefused("the URL names no valid host")
    port = int(found["port"] or PORTS[parts.scheme])
    if not 0 < port < 65536:
        raise EgressRefused("the URL names no valid port")
    host, is_address = host_of(found["v6"] or found["host"] or "", bracketed=found["v6"] is not None)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path, is_address)


def host_of(text: str, *, bracketed: bool = False) -> tuple[str, bool]:
    """A host in the one spelling it is compared in, and whether it is an address.

    Args:
        text: As it was written, without the brackets of an IPv6 address.
        bracketed: Whether it stood in brackets.

    Raises:
        EgressRefused: It is no plainly written name or address.
    """
    if bracketed:
        return _v6(text), True
    if "%" in text:
        raise EgressRefused("the host must be written without %")
    name = _ascii(text).removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return _v4(name), True
    if not _NAME.fullmatch(name) or len(name) > 253:
        raise EgressRefused("the URL names no valid host")
    return name, False


def bracketed(host: str) -> str:
    """A host as URLs have it: IPv6 addresses stand in brackets."""
    return f"[{host}]" if ":" in host else host


def _split(url: str) -> SplitResult:
    if len(url) > LONGEST:
        raise EgressRefused(f"the URL is longer than {LONGEST} characters")
    if _FORBIDDEN.search(url):
        raise EgressRefused("the URL must not hold spaces, control characters or backslashes")
    try:
        url.encode()
        return urlsplit(url)
    except ValueError as error:
        raise EgressRefused("the URL cannot be read") from error


def _ascii(text: str) -> str:
    if text.isascii():
        return text.lower()
    try:
        return idna.encode(text, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise EgressRefused("the URL names no valid host") from error


def _v4(text: str) -> str:
    try:
        return str(IPv4Address(text))  # refuses short, octal and hexadecimal forms
    except ValueError as error:
        raise EgressRefused("an IPv4 address must be written as four decimal numbers") from error


def _v6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError as error:
        raise EgressRefused("the URL names no valid host") from error
    if address.scope_id is not None:
        raise EgressRefused("the host must be written without %")
    return str(address)
