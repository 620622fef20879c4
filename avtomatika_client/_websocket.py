"""A WebSocket that carries text frames, over the `websockets` library (it answers pings in the background)."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from avtomatika_client.errors import APIConnectionError, APITimeoutError, ForkedClientError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

    from websockets.asyncio.client import ClientConnection

    from avtomatika_client.protocol.clock import Clock

MAX_FRAME = 16 * 1024 * 1024
_CLOSE_TIMEOUT = 2.0

_logger = logging.getLogger(__name__)
# The library writes every header, tokens too, to its logger at level DEBUG.
_logger.setLevel(logging.INFO)


class WebSocket:
    """An open WebSocket; belongs to the loop and the process that opened it."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._pid = os.getpid()

    async def send(self, text: str) -> None:
        """Send one frame; raises APIConnectionError once the socket is closed."""
        self._check_process()
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def recv(self) -> str:
        """The next frame; raises APIConnectionError once the socket is closed."""
        self._check_process()
        try:
            return await self._connection.recv(decode=True)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def close(self) -> None:
        """Close the socket; does nothing the second time, and nothing in a forked child."""
        if self._pid == os.getpid():
            await self._connection.close()

    async def __aiter__(self) -> AsyncIterator[str]:
        """The frames until the socket is closed, without an error at its end."""
        while True:
            try:
                frame = await self.recv()
            except APIConnectionError:
                return
            yield frame

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise ForkedClientError


async def open_websocket(
    url: str, *, headers: Mapping[str, str], timeout: float, clock: Clock, tls: ssl.SSLContext | None
) -> WebSocket:
    """Open a WebSocket.

    Args:
        url: http, https, ws or wss.
        headers: Sent with the handshake, to this host only: a redirect to another one is refused.
        timeout: Seconds for connecting and the handshake.
        clock: Whose seconds.
        tls: For wss; None for ws.

    Raises:
        APITimeoutError: The handshake took longer than `timeout`.
        APIConnectionError: There is no connection, or the server refused it (`status` says how).
    """
    parts = urlsplit(url)
    secure = parts.scheme in {"https", "wss"}
    address = parts._replace(scheme="wss" if secure else "ws").geturl()
    # Naming host and port makes the library refuse redirects to any other.
    options: dict[str, Any] = {"host": parts.hostname, "port": parts.port or (443 if secure else 80)}
    if secure:
        options["ssl"] = tls
    try:
        async with clock.timeout(timeout):
            connection = await connect(
                address,
                additional_headers=dict(headers),
                max_size=MAX_FRAME,
                open_timeout=None,
                close_timeout=_CLOSE_TIMEOUT,
                proxy=None,
                logger=_logger,
                **options,
            )
    except TimeoutError as error:
        message = f"no WebSocket within {timeout:.3f} s"
        raise APITimeoutError(message, sent=False, method="GET", path=parts.path) from error
    except InvalidStatus as error:
        status = error.response.status_code
        message = f"the server refused the WebSocket with status {status}"
        raise APIConnectionError(message, status=status, method="GET", path=parts.path) from error
    except (OSError, EOFError, ValueError, WebSocketException) as error:
        message = f"no WebSocket: {error}"
        raise APIConnectionError(message, sent=False, method="GET", path=parts.path) from error
    return WebSocket(connection)


async def close_all(sockets: list[WebSocket]) -> None:
    """Close several sockets at once."""
    await asyncio.gather(*(socket.close() for socket in sockets), return_exceptions=True)


def _closed(error: ConnectionClosed) -> APIConnectionError:
    return APIConnectionError(f"the WebSocket is closed: {error}")
