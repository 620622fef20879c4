"""Where a request comes from: this very machine or another, and whether development mode may answer it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from orchestrator_lite.access._errors import AccessError, Refused
from orchestrator_lite.settings import Settings

FORWARDING = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"via"}
)
"""Headers a proxy adds: a request that came through one did not come from this machine."""

_HOST = re.compile(r"(?:\[([^\]]*)\]|([^:]*))(?::[0-9]*)?")
"""An address or a name, and a port: what follows could lead elsewhere where the header becomes part of a URL."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=4096)
def sender(address: str | None) -> str | None:
    """Whom an address counts for; None: this machine.

    An IPv6 sender has a whole /64 of them, so the network counts; an address mapped from IPv4 is that one.

    Args:
        address: Of the other end of the connection; None: a socket of this machine's files.
    """
    if address is None:
        return None
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is None:
            return None if found.is_loopback else f"{IPv6Address(int(found) >> 64 << 64)}/64"
        found = found.ipv4_mapped
    return None if found.is_loopback else str(found)


def check_origin(sent: Iterable[tuple[bytes, bytes]]) -> None:
    """In development mode only this machine is answered: no other name, no proxy between, no page from elsewhere.

    A browser lets any page send a POST to this machine; it only keeps the answer from it. Its `Origin` tells.

    Args:
        sent: The request's headers.

    Raises:
        Refused: 403.
    """
    for name, value in sent:
        if name == b"host" and not _names_loopback(value):
            raise Refused(403, "development mode answers only requests to a loopback host")
        if name == b"origin" and not _names_loopback(value.partition(b"://")[2]):
            raise Refused(403, "development mode answers no pages of other hosts")
        if name in FORWARDING:
            raise Refused(403, "development mode answers no forwarded requests")


def is_development(settings: Settings, *, loopback: bool | None) -> bool:
    """Whether development mode is on: asked for, or bound to loopback and no credentials of any kind configured.

    Args:
        settings: Where credentials would be.
        loopback: Whether the server is bound to a loopback address; None where that is not known (`.asgi`).

    Raises:
        AccessError: It is asked for where others could come, or nobody could be let in.
    """
    if settings.development and loopback is False:
        raise AccessError("development mode is for this machine alone: listen on 127.0.0.1, or set tokens instead")
    if settings.development is not None:
        return settings.development
    if _configured(settings):
        return False
    if loopback:
        return True
    raise AccessError(
        "no credentials are set: set ORCHESTRATOR_LITE_CLIENT_TOKEN and ORCHESTRATOR_LITE_WORKER_TOKEN, or listen on"
        " 127.0.0.1" + (", or pass Settings(development=True)" if loopback is None else "")
    )


def _configured(settings: Settings) -> bool:
    given = (settings.client_token, settings.worker_token, settings.clients_file, settings.workers_file)
    return bool(settings.users) or any(one is not None for one in given)


@lru_cache(maxsize=64)
def _names_loopback(host: bytes) -> bool:
    """Whether a Host header means this machine."""
    found = _HOST.fullmatch(host.decode("latin-1").strip().lower())
    return found is not None and is_loopback(found[1] or found[2])
