"""What our own connections can do beyond httpcore's: keep a total deadline, notice an early answer.

httpx's own timeouts start anew with every byte, so a server that drips could hold a thread for ever. Here every wait
on a blocking socket gets what is left of the exchange's time and no more.

A server may answer while a body is still being sent (too large, no such token). Then the rest is in vain, and a
server that does not read on would have us wait until the time is up.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator
    from typing import Any

    from avtomatika_client.protocol.clock import Clock


class _Exchange(threading.local):
    moment: float | None = None
    stream: _DeadlineStream | None = None


class DeadlineBackend(httpcore.SyncBackend):
    """httpcore's blocking network with one deadline per thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._current = _Exchange()

    @contextmanager
    def within(self, seconds: float | None) -> Iterator[None]:
        """What this thread does on the network inside the block ends after `seconds` (None: never)."""
        self._current.moment = None if seconds is None else self._clock.monotonic() + seconds
        try:
            yield
        finally:
            self._current.moment = self._current.stream = None

    @property
    def is_over(self) -> bool:
        """Whether this thread's deadline has passed."""
        return self._current.moment is not None and self._clock.monotonic() >= self._current.moment

    def answered(self) -> bool:
        """Whether the server this thread sends to has answered already."""
        return self._current.stream is not None and _is_readable(self._current.stream.inner)

    def sends(self, stream: _DeadlineStream) -> None:
        """This thread sends through this stream."""
        self._current.stream = stream

    def left(self, timeout: float | None, error: type[httpcore.TimeoutException]) -> float | None:
        """The seconds an operation may take; raises `error` when none is left."""
        if self._current.moment is None:
            return timeout
        left = self._current.moment - self._clock.monotonic()
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
        self.inner = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.inner.read(max_bytes, self._backend.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._backend.sends(self)
        try:
            self.inner.write(buffer, self._backend.left(timeout, httpcore.WriteTimeout))
        except httpcore.WriteTimeout:
            _unless_answered(self.inner)

    def close(self) -> None:
        # Closing alone wakes no other thread that reads from it.
        with suppress(OSError):
            socket.socket.shutdown(self.inner.get_extra_info("socket"), socket.SHUT_RDWR)
        self.inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        within = self._backend.left(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self.inner.start_tls(ssl_context, server_hostname, within), self._backend)

    def get_extra_info(self, info: str) -> Any:  # httpcore's signature
        return self.inner.get_extra_info(info)


_sending: ContextVar[httpcore.AsyncNetworkStream | None] = ContextVar("_sending", default=None)


def answered() -> bool:
    """Whether the server this task sends to, over a `WatchedBackend`, has answered already."""
    stream = _sending.get()
    return stream is not None and _is_readable(stream)


class WatchedBackend(httpcore.AnyIOBackend):
    """httpcore's async network, whose streams are known to the tasks that send through them."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,  # httpcore's own union of socket option tuples
    ) -> httpcore.AsyncNetworkStream:
        """Open a connection."""
        return _WatchedStream(await super().connect_tcp(host, port, timeout, local_address, socket_options))


class _WatchedStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._inner = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        _sending.set(self._inner)
        try:
            await self._inner.write(buffer, timeout)
        except httpcore.WriteTimeout:
            _unless_answered(self._inner)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _WatchedStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:  # httpcore's signature
        return self._inner.get_extra_info(info)


def _unless_answered(stream: httpcore.NetworkStream | httpcore.AsyncNetworkStream) -> None:
    """Raise the error at hand, or where there is an answer the one that makes httpcore read it."""
    if _is_readable(stream):
        raise httpcore.WriteError("answered before the body was sent") from None
    raise  # only called while that error is handled


def _is_readable(stream: httpcore.NetworkStream | httpcore.AsyncNetworkStream) -> bool:
    # TLS has words of its own to say (session tickets), which are no answer.
    return not stream.get_extra_info("ssl_object") and bool(stream.get_extra_info("is_readable"))
