"""Our own seam to the network: what a transport must be able to do, in words that name no library.

`_transport.py` puts httpx and websockets behind it; a test transport may put an in-memory ASGI application there.
Errors raised through it are `APIConnectionError` and `APITimeoutError` of `avtomatika_client.errors` and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from avtomatika_client._calls._flow import Reply, Request


class Socket(Protocol):
    """An open WebSocket that carries text frames."""

    async def send(self, text: str) -> None:
        """Send one frame; raises APIConnectionError once the socket is closed."""

    async def recv(self) -> str:
        """The next frame; raises APIConnectionError once the socket is closed."""

    async def close(self) -> None:
        """Close the socket; does nothing the second time."""

    def __aiter__(self) -> AsyncIterator[str]:
        """The frames until the socket is closed, without an error at its end."""


class AsyncTransport(Protocol):
    """What the async client and the worker need of a network."""

    async def send(self, request: Request, *, timeout: float | None) -> Reply:
        """Exchange one request; `timeout` is total, in seconds.

        Cancelling the caller detaches it; the exchange itself runs on to its end or deadline.
        """

    async def connect(self, url: str, *, headers: Mapping[str, str], timeout: float) -> Socket:
        """Open a WebSocket (`url` starts with http or ws)."""

    async def aclose(self) -> None:
        """Close what is open; exchanges that still run are cancelled and awaited."""


class SyncTransport(Protocol):
    """What the sync client needs of a network; may be shared by threads."""

    def send(self, request: Request, *, timeout: float | None) -> Reply:
        """Exchange one request; `timeout` is total, in seconds."""

    def close(self) -> None:
        """Close what is open."""
