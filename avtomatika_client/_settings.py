"""Where a client gets its settings: explicit argument, else environment, else default. Only here is it read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from avtomatika_client._loopback import is_loopback
from avtomatika_client.protocol.headers import DEFAULT_URL, DEV_CLIENT_TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

URL_VARIABLE = "AVTOMATIKA_URL"
CLIENT_TOKEN_VARIABLE = "AVTOMATIKA_CLIENT_TOKEN"  # noqa: S105  # the variable's name


def resolve_url(url: str | None, environ: Mapping[str, str] | None = None) -> str:
    """The orchestrator's URL, without a slash at its end.

    Raises:
        ValueError: It is no http or https URL, or it holds a user or password, a query or a fragment.
    """
    found = url or _variable(URL_VARIABLE, environ) or DEFAULT_URL
    parts = urlsplit(found.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("the URL of an orchestrator begins with http:// or https:// and names a host")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("the URL of an orchestrator holds no user, password, query or fragment")
    return parts.geturl().rstrip("/")


def resolve_client_token(token: str | None, url: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The client's token; towards this very machine the development token is the default.

    Raises:
        ValueError: It cannot be sent in a header.
    """
    found = token or _variable(CLIENT_TOKEN_VARIABLE, environ)
    if found is None:
        return DEV_CLIENT_TOKEN if is_loopback(urlsplit(url).hostname or "") else None
    return checked_token(found)


def checked_token(token: str) -> str:
    """A token without the white space that files and shells leave around it.

    Raises:
        ValueError: It cannot be sent in a header; the message does not tell it.
    """
    stripped = token.strip()
    if not stripped or not stripped.isascii() or not stripped.isprintable():
        raise ValueError("a token is made of printable ASCII characters")
    return stripped


def _variable(name: str, environ: Mapping[str, str] | None) -> str | None:
    return (os.environ if environ is None else environ).get(name) or None
