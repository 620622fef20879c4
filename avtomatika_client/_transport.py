"""httpx behind one door: gates, pools and what is known when an exchange fails.

httpx 0.28 has two traps. Its pool stays poisoned after cancelled requests, and its CPU per request grows with the
requests in flight. Both are cured by a gate in front of each pool and by giving every async exchange a task of its
own: cancelling a caller detaches it, the exchange runs on to its end or deadline. Short and long exchanges have gates
and pools of their own, so that a long-poll never takes a short call's place.

Bodies in pieces share the long ones' gate and go through connections of our own, whatever carries the rest: those
notice an answer that comes before the body was sent. Cancelling such an exchange ends it: it may have no deadline.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

import httpcore
import httpx

from avtomatika_client._calls._flow import Reply, Request
from avtomatika_client._deadline import DeadlineBackend, WatchedBackend, answered
from avtomatika_client._drivers import run_async, run_sync
from avtomatika_client._exchange import Exchange
from avtomatika_client._lane import Gate, Lane, Pool, Route
from avtomatika_client._transfer import (
    AsyncBody,
    BrokenBodyError,
    SyncBody,
    Threads,
    reply_of,
    taken,
    taken_async,
)
from avtomatika_client.errors import APIConnectionError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from avtomatika_client._seam import Socket
    from avtomatika_client._websocket import WebSocket

__all__ = ["HttpxSyncTransport", "HttpxTransport", "run_async", "run_sync"]

SHORT_PLACES = 8
LONG_PLACES = 64
KEEPALIVE_EXPIRY = 4.0
"""Seconds an idle connection is kept: less than the 5 s after which uvicorn closes it under a request's feet."""
CONNECT_TIMEOUT = 10.0
_POOL_TIMEOUT = 1.0
_CLOSED = "this client is closed"
_CUT_OFF = "the client was closed before the reply came"
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)
_AIOHTTP_NOT_SENT = frozenset({"ClientConnectorError", "ConnectionTimeoutError", "InvalidURL"})

HttpClient: TypeAlias = httpx.Client
AsyncHttpClient: TypeAlias = httpx.AsyncClient
AsyncLane: TypeAlias = Lane[httpx.AsyncClient, asyncio.Semaphore]
SyncLane: TypeAlias = Lane[httpx.Client, threading.Semaphore]

_abandoned: list[object] = []
"""Pools inherited through a fork: closing them, or letting them be collected, would disturb the parent's sockets."""


class HttpxTransport:
    """The async transport: httpx for HTTP, `websockets` for sockets. Belongs to the loop that first uses it.

    Args:
        clock: Whose seconds all timeouts are.
        fast: Use aiohttp under httpx where the extra `[fast]` is installed.
        short: Short exchanges at a time.
        long: Long exchanges at a time.
        http_client: The caller's own httpx client, used for every exchange and never closed here.
    """

    def __init__(
        self,
        *,
        clock: Clock = SYSTEM_CLOCK,
        fast: bool = False,
        short: int = SHORT_PLACES,
        long: int = LONG_PLACES,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        self._clock = clock
        self._fast = fast = fast and http_client is None and find_spec("httpx_aiohttp") is not None
        if fast:
            import httpx_aiohttp  # noqa: F401 - here, not inside the first request
        self._places = (short, long)
        self._given = http_client
        self._blind = fast or http_client is not None
        self._closed = False
        # The deadline ends the whole exchange; only what may well end earlier has a limit of its own.
        pool_timeout = None if self._blind else _POOL_TIMEOUT
        self._timeouts = httpx.Timeout(None, connect=CONNECT_TIMEOUT, pool=pool_timeout)
        self._running: set[asyncio.Task[Reply]] = set()
        self._sockets: weakref.WeakSet[WebSocket] = weakref.WeakSet()
        self._open_lanes()

    async def send(self, request: Request, *, timeout: float | None) -> Reply:
        """Exchange one request; `timeout` is total, in seconds, the wait for a free place included.

        Raises:
            APITimeoutError: The time was up.
            APIConnectionError: There was no reply.
        """
        self._check_process()
        lane = self._lanes[None if request.in_pieces else request.long]
        started = self._clock.monotonic()
        await self._enter(lane.gate, request, timeout)
        queued = self._clock.monotonic() - started
        exchange = Exchange(request, queued, blind=self._is_blind(request))
        if self._closed or (timeout is not None and queued >= timeout):
            lane.gate.release()
            raise exchange.failed(_CLOSED, sent=False) if self._closed else exchange.timed_out(timeout)
        task = asyncio.create_task(self._bounded(lane, exchange, timeout))
        self._running.add(task)
        task.add_done_callback(partial(self._leave, lane.gate))
        return await (self._until_out(task) if request.in_pieces else asyncio.shield(task))

    async def connect(self, url: str, *, headers: Mapping[str, str], timeout: float) -> Socket:
        """Open a WebSocket (`url` starts with http or ws).

        Raises:
            APITimeoutError: The handshake took longer than `timeout` seconds.
            APIConnectionError: There is no connection, or the server refused it (`status` says how).
        """
        from avtomatika_client._websocket import open_websocket

        tls = _tls() if url.startswith(("https", "wss")) else None
        socket = await open_websocket(url, headers=headers, timeout=timeout, clock=self._clock, tls=tls)
        self._sockets.add(socket)
        return socket

    async def aclose(self) -> None:
        """Close what is open; exchanges that still run are cancelled and awaited."""
        self._check_process()
        self._closed = True
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.gather(*(socket.close() for socket in self._sockets), return_exceptions=True)
        for lane in self._lanes.values():
            for pool in lane.pools():
                if pool is not self._given:
                    await pool.aclose()
        self._threads.shutdown(wait=False)

    def _open_lanes(self) -> None:
        self._pid = os.getpid()
        short, long = (Lane(places, asyncio.Semaphore(places), self._open_pool) for places in self._places)
        pieces = Lane(self._places[1], long.gate, self._open_watched_pool)
        self._lanes = {False: short, True: long, None: pieces}
        self._threads = ThreadPoolExecutor(self._places[1], "avtomatika-file")  # starts none before it is used

    def _open_pool(self, route: Route, places: int) -> httpx.AsyncClient:
        if self._given is not None:
            return self._given
        transport = _aiohttp_transport(route, places) if self._fast else None
        return httpx.AsyncClient(**_pool_options(route, places), transport=transport)

    def _open_watched_pool(self, route: Route, places: int) -> httpx.AsyncClient:
        if self._given is not None:
            return self._given
        watched = _WatchedTransport(_context(route), _limits(places)) if route.direct else None
        return httpx.AsyncClient(**_pool_options(route, places), transport=watched)

    def _is_blind(self, request: Request) -> bool:
        return self._given is not None or (self._fast and not request.in_pieces)

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            _abandoned.append((self._lanes, self._running, self._sockets))
            self._running, self._sockets = set(), weakref.WeakSet()
            self._open_lanes()

    async def _until_out(self, task: asyncio.Task[Reply]) -> Reply:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait((task,))
            raise
        except BrokenBodyError as broken:
            raise broken.cause from None

    async def _enter(self, gate: asyncio.Semaphore, request: Request, timeout: float | None) -> None:
        if not gate.locked():
            await gate.acquire()
            return
        started = self._clock.monotonic()
        try:
            async with self._clock.timeout(timeout):
                await gate.acquire()
        except TimeoutError:
            raise Exchange(request, self._clock.monotonic() - started).timed_out(timeout) from None

    def _leave(self, gate: asyncio.Semaphore, task: asyncio.Task[Reply]) -> None:
        self._running.discard(task)
        gate.release()
        if not task.cancelled():
            task.exception()  # a detached caller no longer asks for it

    async def _bounded(self, lane: AsyncLane, exchange: Exchange, timeout: float | None) -> Reply:
        try:
            async with self._clock.timeout(None if timeout is None else timeout - exchange.queued):
                return await self._exchanged(lane, exchange)
        except TimeoutError:
            raise exchange.timed_out(timeout) from None
        except asyncio.CancelledError:
            if self._closed:
                raise exchange.failed(_CUT_OFF) from None
            raise

    async def _exchanged(self, lane: AsyncLane, exchange: Exchange) -> Reply:
        last = False
        exchanged = self._in_pieces if exchange.request.in_pieces else self._whole
        while True:
            pool = lane.pool(exchange.request.url)
            exchange.begin()
            try:
                return await exchanged(pool, exchange)
            except (httpx.RequestError, httpx.InvalidURL) as error:
                if last or not _again_at_once(error, exchange, lane, pool):
                    raise _failure(error, exchange) from error
                last = True

    async def _whole(self, pool: httpx.AsyncClient, exchange: Exchange) -> Reply:
        message = _message(pool, exchange, exchange.note_async, self._timeouts)
        return reply_of(await pool.send(message, follow_redirects=False))

    async def _in_pieces(self, pool: httpx.AsyncClient, exchange: Exchange) -> Reply:
        request, threads = exchange.request, Threads(self._threads, self._clock)
        pool_timeout = _POOL_TIMEOUT if self._given is None else None
        timeouts = httpx.Timeout(request.stall, connect=CONNECT_TIMEOUT, pool=pool_timeout)
        body = None if request.upload is None else AsyncBody(request.upload, threads, answered)
        try:
            message = _message_in_pieces(pool, exchange, exchange.note_async, timeouts, body, ours=self._given is None)
            response = await pool.send(message, follow_redirects=False, stream=True)
            try:
                return await taken_async(response, request.sink, threads)
            finally:
                await response.aclose()
        finally:
            if body is not None:
                body.close()


class HttpxSyncTransport:
    """The blocking transport; may be shared by threads.

    Args:
        clock: Whose seconds all timeouts are.
        short: Short exchanges at a time.
        long: Long exchanges at a time.
        http_client: The caller's own httpx client, used for every exchange and never closed here.
    """

    def __init__(
        self,
        *,
        clock: Clock = SYSTEM_CLOCK,
        short: int = SHORT_PLACES,
        long: int = LONG_PLACES,
        http_client: httpx.Client | None = None,
    ) -> None:
        self._clock = clock
        self._places = (short, long)
        self._given = http_client
        self._backend = DeadlineBackend(clock)
        self._closed = False
        self._open_lanes()

    def send(self, request: Request, *, timeout: float | None) -> Reply:
        """Exchange one request; `timeout` is total, in seconds, the wait for a free place included.

        Raises:
            APITimeoutError: The time was up.
            APIConnectionError: There was no reply.
        """
        if self._pid != os.getpid():
            _abandoned.append(self._lanes)
            self._open_lanes()
        lane = self._lanes[request.long or request.in_pieces]
        started = self._clock.monotonic()
        entered = lane.gate.acquire(timeout=timeout)
        exchange = Exchange(request, self._clock.monotonic() - started, blind=self._given is not None)
        if not entered:
            raise exchange.timed_out(timeout)
        try:
            return self._exchanged(lane, exchange, timeout)
        except BrokenBodyError as broken:
            raise broken.cause from None
        finally:
            lane.gate.release()

    def close(self) -> None:
        """Close what is open."""
        self._closed = True
        for lane in self._lanes.values():
            for pool in lane.pools():
                if pool is not self._given:
                    pool.close()

    def _open_lanes(self) -> None:
        self._pid = os.getpid()
        short, long = (Lane(places, threading.Semaphore(places), self._open_pool) for places in self._places)
        self._lanes = {False: short, True: long}

    def _open_pool(self, route: Route, places: int) -> httpx.Client:
        if self._given is not None:
            return self._given
        direct = _DeadlineTransport(self._backend, _context(route), _limits(places)) if route.direct else None
        return httpx.Client(**_pool_options(route, places), transport=direct)

    def _exchanged(self, lane: SyncLane, exchange: Exchange, timeout: float | None) -> Reply:
        last = False
        left = None if timeout is None else timeout - exchange.queued
        timeouts = self._timeouts(left, exchange.request.stall)
        exchanged = self._in_pieces if exchange.request.in_pieces else self._whole
        with self._backend.within(left):
            while True:
                if self._closed:
                    raise exchange.failed(_CLOSED, sent=False)
                pool = lane.pool(exchange.request.url)
                exchange.begin()
                try:
                    return exchanged(pool, exchange, timeouts)
                except (httpx.RequestError, httpx.InvalidURL) as error:
                    if self._closed:
                        raise exchange.failed(_CUT_OFF) from None
                    if last or not _again_at_once(error, exchange, lane, pool):
                        raise _failure(error, exchange, timeout, over=self._backend.is_over) from error
                    last = True

    def _whole(self, pool: httpx.Client, exchange: Exchange, timeouts: httpx.Timeout) -> Reply:
        message = _message(pool, exchange, exchange.note_sync, timeouts)
        return reply_of(pool.send(message, follow_redirects=False))

    def _in_pieces(self, pool: httpx.Client, exchange: Exchange, timeouts: httpx.Timeout) -> Reply:
        request = exchange.request
        body = None if request.upload is None else SyncBody(request.upload, self._backend.answered)
        try:
            message = _message_in_pieces(pool, exchange, exchange.note_sync, timeouts, body, ours=self._given is None)
            response = pool.send(message, follow_redirects=False, stream=True)
            try:
                return taken(response, request.sink)
            finally:
                response.close()
        finally:
            if body is not None:
                body.close()

    def _timeouts(self, left: float | None, stall: float | None) -> httpx.Timeout:
        connect = CONNECT_TIMEOUT if left is None else min(left, CONNECT_TIMEOUT)
        each = left if stall is None else stall if left is None else min(left, stall)
        return httpx.Timeout(each, connect=connect, pool=left if self._given is not None else _POOL_TIMEOUT)


class _DeadlineTransport(httpx.HTTPTransport):
    """httpx's own transport on sockets that know the exchange's deadline."""

    def __init__(self, backend: DeadlineBackend, tls: ssl.SSLContext, limits: httpx.Limits) -> None:
        super().__init__(verify=tls, limits=limits, trust_env=False)
        self._pool = httpcore.ConnectionPool(ssl_context=tls, network_backend=backend, **_bounds(limits))


class _WatchedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport on connections that notice an early answer."""

    def __init__(self, tls: ssl.SSLContext, limits: httpx.Limits) -> None:
        super().__init__(verify=tls, limits=limits, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(ssl_context=tls, network_backend=WatchedBackend(), **_bounds(limits))


def _bounds(limits: httpx.Limits) -> dict[str, Any]:
    return {
        "max_connections": limits.max_connections,
        "max_keepalive_connections": limits.max_keepalive_connections,
        "keepalive_expiry": limits.keepalive_expiry,
    }


def _aiohttp_transport(route: Route, places: int) -> httpx.AsyncBaseTransport | None:
    if not route.direct:
        return None
    from httpx_aiohttp import AiohttpTransport

    return AiohttpTransport(verify=_context(route), limits=_limits(places), trust_env=False)


def _pool_options(route: Route, places: int) -> dict[str, Any]:
    return {"verify": _context(route), "trust_env": not route.direct, "limits": _limits(places)}


def _limits(places: int) -> httpx.Limits:
    return httpx.Limits(max_connections=places, max_keepalive_connections=places, keepalive_expiry=KEEPALIVE_EXPIRY)


def _context(route: Route) -> ssl.SSLContext:
    return _plain() if route.direct and not route.secure else _tls()


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@lru_cache(maxsize=1)
def _plain() -> ssl.SSLContext:
    import ssl

    # httpx wants a context even where TLS is never spoken; one without certificates costs next to nothing.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _message(
    pool: httpx.Client | httpx.AsyncClient, exchange: Exchange, trace: Callable[..., object], timeouts: httpx.Timeout
) -> httpx.Request:
    request = exchange.request
    return pool.build_request(
        request.method,
        request.url,
        headers=dict(request.headers),
        content=request.content,
        timeout=timeouts,
        extensions={"trace": trace},
    )


def _message_in_pieces(
    pool: httpx.Client | httpx.AsyncClient,
    exchange: Exchange,
    trace: Callable[..., object],
    timeouts: httpx.Timeout,
    body: SyncBody | AsyncBody | None,
    *,
    ours: bool,
) -> httpx.Request:
    request = exchange.request
    size = None if request.upload is None else request.upload.size
    url = httpx.URL(request.url)
    extensions: dict[str, object] = {"trace": trace}
    if ours and url.query:
        # httpx logs URLs, and the query of this one may be the permission that a signed URL is.
        extensions["target"] = url.raw_path
        url = url.copy_with(query=None)
    return pool.build_request(
        request.method,
        url,
        headers={**request.headers, **({} if size is None else {"content-length": str(size)})},
        content=request.content if body is None else body,
        timeout=timeouts,
        extensions=extensions,
    )


def _again_at_once(error: Exception, exchange: Exchange, lane: Lane[Pool, Gate], pool: Pool) -> bool:
    if isinstance(error, httpx.PoolTimeout) and not exchange.blind:
        lane.retire(pool)
        return True
    return isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError) and exchange.died_on_a_used_connection


def _failure(
    error: Exception, exchange: Exchange, timeout: float | None = None, *, over: bool = False
) -> APIConnectionError:
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
        stalled = exchange.request.stall is not None and not over
        return exchange.stalled() if stalled else exchange.timed_out(timeout)
    if isinstance(error, httpx.ConnectTimeout) and not _is_mistaken(error):
        if timeout is not None and timeout - exchange.queued <= CONNECT_TIMEOUT:
            return exchange.timed_out(timeout)
        return exchange.failed(f"no connection within {CONNECT_TIMEOUT:.0f} s", sent=_was_sent(error, exchange))
    if isinstance(error, httpx.LocalProtocolError):
        return exchange.failed("the request is malformed", sent=False)  # its text may quote a header
    return exchange.failed(str(error) or type(error).__name__, sent=_was_sent(error, exchange))


def _is_mistaken(error: httpx.ConnectTimeout) -> bool:
    """Whether no time ran out: httpx-aiohttp calls every refused, unknown or cut connection a `ConnectTimeout`."""
    cause = error.__cause__
    return type(cause).__module__.startswith("aiohttp") and not isinstance(cause, TimeoutError)


def _was_sent(error: Exception, exchange: Exchange) -> bool:
    if exchange.sent or not exchange.maybe_sent:
        return exchange.sent
    cause = type(error.__cause__)
    if cause.__module__.startswith("aiohttp"):
        return not any(base.__name__ in _AIOHTTP_NOT_SENT for base in cause.__mro__)
    return not isinstance(error, _NOT_SENT)
