"""A request as an ASGI server would present it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, unquote

from orchestrator_lite.access import is_loopback
from orchestrator_lite.api._site import INSIDE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from avtomatika_client._calls._flow import Request

HOST: Final = "127.0.0.1"
"""What every request comes to: in development mode the server answers requests to this very machine only."""

_CLIENT: Final = (HOST, 54321)
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_SECURE: Final = frozenset({"https", "wss"})
_SCHEMES: Final = frozenset({"http", "ws"}) | _SECURE
_SAFE: Final = "/%:@!$&'()*+,;=~"
_SET_HERE: Final = frozenset({"host", "content-length", "transfer-encoding"})
_UNSENDABLE: Final = "a header holds what cannot be sent"  # neither name nor value is told: it may be a token
_HANDSHAKE: Final = [
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
]


class Address(NamedTuple):
    """A URL in the parts a server knows.

    Attributes:
        secure: Whether it is https or wss.
        authority: The header Host.
        path: Decoded.
        raw_path: As it was sent.
        query: As it was sent.
    """

    secure: bool
    authority: str
    path: str
    raw_path: bytes
    query: bytes


def address_of(url: str) -> Address:
    """The parts of a URL.

    Raises:
        ValueError: It is no absolute URL of http or ws.
    """
    scheme, mark, rest = url.partition("#")[0].partition("://")
    if not mark or scheme not in _SCHEMES:
        raise ValueError("the URL is not absolute, or not of http or ws")
    target, _, query = rest.partition("?")
    authority, _, tail = target.partition("/")
    raw = _sendable("/" + tail)
    path = unquote(raw) if "%" in raw else raw
    return Address(
        scheme in _SECURE, _authority(authority), path, raw.encode("ascii"), _sendable(query).encode("ascii")
    )


def http_scope(request: Request, address: Address) -> dict[str, Any]:
    """The scope of an HTTP exchange.

    Raises:
        ValueError: A header cannot be sent.
    """
    headers = _headers(request.headers, address.authority)
    if request.upload is not None:
        size = request.upload.size
        headers.append((b"transfer-encoding", b"chunked") if size is None else (b"content-length", b"%d" % size))
    elif request.content is not None or request.method in _WITH_BODY:
        headers.append((b"content-length", b"%d" % len(request.content or b"")))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": request.method,
        "scheme": "https" if address.secure else "http",
        INSIDE: True,
        **_common(address, headers),
    }


def socket_scope(headers: Mapping[str, str], address: Address) -> dict[str, Any]:
    """The scope of a WebSocket.

    Raises:
        ValueError: A header cannot be sent.
    """
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "scheme": "wss" if address.secure else "ws",
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
        **_common(address, _headers(headers, address.authority) + _HANDSHAKE),
    }


def _common(address: Address, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "http_version": "1.1",
        "server": (HOST, _port(address)),
        "client": _CLIENT,
        "root_path": "",
        "path": address.path,
        "raw_path": address.raw_path,
        "query_string": address.query,
        "headers": headers,
        "state": {},
    }


def _headers(given: Mapping[str, str], authority: str) -> list[tuple[bytes, bytes]]:
    headers = [(b"host", authority.encode("ascii"))]
    for name, value in given.items():
        if "\n" in value or "\r" in value or "\0" in value:
            raise ValueError(_UNSENDABLE)
        key = name.lower()
        if key not in _SET_HERE:
            headers.append((_encoded(key), _encoded(value)))
    return headers


def _encoded(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(_UNSENDABLE) from None


def _authority(text: str) -> str:
    """The URL's own host and port where they name this machine, so that links the server makes lead back."""
    text = text.rpartition("@")[2]
    name = text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]
    return text if text == HOST or (text.isascii() and is_loopback(name)) else HOST


def _port(address: Address) -> int:
    port = address.authority.rpartition(":")[2]
    return int(port) if port.isdecimal() and ":" in address.authority else 443 if address.secure else 80


def _sendable(text: str) -> str:
    return text if text.isascii() and " " not in text else quote(text, safe=_SAFE + "?")
