"""A total deadline for blocking sockets.

httpx's own timeouts start anew with every byte, so a server that drips could hold a thread for ever. Here every wait
on the socket gets what is left of the exchange's time and no more.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator
    from typing import Any

    from avtomatika_client.protocol.clock import Clock


class _Until(threading.local):
    moment: float | None = None


class DeadlineBackend(httpcore.SyncBackend):
    """httpcore's blocking network with one deadline per thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = _Until()

    @contextmanager
    def within(self, seconds: float | None) -> Iterator[None]:
        """What this thread does on the network inside the block ends after `seconds` (None: never)."""
        self._until.moment = None if seconds is None else self._clock.monotonic() + seconds
        try:
            yield
        finally:
            self._until.moment = None

    def left(self, timeout: float | None, error: type[httpcore.TimeoutException]) -> float | None:
        """The seconds an operation may take; raises `error` when none is left."""
        if self._until.moment is None:
            return timeout
        left = self._until.moment - self._clock.monotonic()
        if left <= 0:
            raise error
        return left if timeout is None else min(left, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,  # httpcore's own union of socket option tuples
    ) -> httpcore.NetworkStream:
        """Open a connection within the deadline."""
        within = self.left(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(super().connect_tcp(host, port, within, local_address, socket_options), self)


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, backend: DeadlineBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._backend.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._backend.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        within = self._backend.left(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, within), self._backend)

    def get_extra_info(self, info: str) -> Any:  # httpcore's signature
        return self._stream.get_extra_info(info)
