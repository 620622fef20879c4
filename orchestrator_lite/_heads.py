"""Requests whose head never ends: uvicorn keeps what came, for as long as it comes; here it is bounded."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST: Final = 64 * 1024
"""Bytes of a request's line and headers that are waited on; what arrives at once may be more, by one read."""

PATIENCE: Final = 30.0
"""Seconds a new connection, and any request's head after its first byte, may take to be whole."""

_ANSWER: Final = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"


class Requests(HttpToolsProtocol):
    """A connection of which nobody knows yet who it is from: credentials come with the whole head."""

    _in_head = False
    _head = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Someone has connected."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """They have gone."""
        self._heard()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something came."""
        super().data_received(data)
        if not self._in_head:
            return
        self._head += len(data)
        if self._head > LARGEST:
            self._refuse(b"431 Request Header Fields Too Large", b'{"error":"The request\'s headers are too large"}')
        elif self._timer is None:
            self._wait()

    def on_message_begin(self) -> None:
        """The first byte of a request came."""
        super().on_message_begin()
        self._in_head, self._head = True, 0

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._in_head = False
        if self._timer is not None:
            self._heard()
        super().on_headers_complete()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(PATIENCE, self._late)

    def _heard(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self._in_head:
            self._refuse(b"408 Request Timeout", b'{"error":"The request\'s headers came too slowly"}')
        else:
            self.transport.close()

    def _refuse(self, status: bytes, body: bytes) -> None:
        self._heard()
        if not self.transport.is_closing():
            self.transport.write(_ANSWER % (status, len(body), body))
            self.transport.close()
