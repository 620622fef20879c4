"""Binds the address a server listens on; a process may also be lent a socket that another one has bound."""

from __future__ import annotations

import socket
from typing import Final

from avtomatika_client.protocol.errors import AvtomatikaError

BACKLOG: Final = 2048
"""Connections that wait to be accepted."""

_lent: dict[tuple[str, int], socket.socket] = {}


class ListenError(AvtomatikaError):
    """The address cannot be bound; the message says what to do."""


def lend(host: str, port: int, bound: socket.socket) -> None:
    """Let the next server of this process at `host` and `port` listen on a socket that is bound already.

    Args:
        host: The address, as the server will be told.
        port: The port it is bound to.
        bound: The socket; the server closes it.
    """
    _lent[host, port] = bound


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to an address: the one that was lent for it, else a new one.

    Args:
        host: Address.
        port: Port; 0 takes a free one.

    Raises:
        ListenError: The address is taken or not this machine's.
    """
    lent = _lent.pop((host, port), None)
    return _bound(host, port) if lent is None else lent


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with its protocol named, accepted sockets get TCP_NODELAY from asyncio; else each reply waits 40 ms for an ACK
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ListenError(f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port") from error
    return bound


def url_of(bound: socket.socket) -> str:
    """The URL of what listens on a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
