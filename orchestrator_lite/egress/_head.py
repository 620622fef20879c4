"""Connections that bound what comes before an answer's body: headers, and interim answers without end.

The library passes over interim answers (1xx) as long as they come, and parsing them takes the loop's time: who is sent
webhooks could slow the server for everybody.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any, Final

import httpcore

LARGEST: Final = 32 * 1024
"""Bytes before the body; proxies take 8 KiB as a rule."""


class Head(httpcore.AsyncNetworkBackend):
    """Makes the connections of one exchange, and counts what they bring until `over`."""

    def __init__(self) -> None:
        self._backend = httpcore.AnyIOBackend()
        self._left: int | None = LARGEST

    def over(self) -> None:
        """What comes now is the body, which has bounds of its own."""
        self._left = None

    def most(self, asked: int) -> int:
        """How much may be read at once.

        Raises:
            httpcore.RemoteProtocolError: Nothing more.
        """
        if self._left is None:
            return asked
        if self._left <= 0:
            raise httpcore.RemoteProtocolError("the head of the answer is too large")
        return min(asked, self._left)

    def came(self, size: int) -> None:
        """Count what has been read."""
        if self._left is not None:
            self._left -= size

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection that is counted."""
        return _Counted(self, await self._backend.connect_tcp(host, port, timeout, local_address, socket_options))


class _Counted(httpcore.AsyncNetworkStream):
    def __init__(self, head: Head, stream: httpcore.AsyncNetworkStream) -> None:
        self._head = head
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._stream.read(self._head.most(max_bytes), timeout)
        self._head.came(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _Counted(self._head, await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
