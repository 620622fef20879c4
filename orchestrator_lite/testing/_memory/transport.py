"""The transport without a network: an ASGI application, called in this process.

What the caller does and what happens to the application are two things, as with a real server: a caller that is
cancelled leaves, a caller whose time is up hangs up, and the application, in a task of its own, is told so by
`http.disconnect` and goes on to its own end.
"""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from avtomatika_client._exchange import Exchange
from avtomatika_client.errors import APIConnectionError, APITimeoutError
from orchestrator_lite.testing._faults.fault import Kind
from orchestrator_lite.testing._faults.faults import Faults, Strike
from orchestrator_lite.testing._memory.answer import answering
from orchestrator_lite.testing._memory.http import HttpConnection
from orchestrator_lite.testing._memory.scope import address_of, http_scope, socket_scope
from orchestrator_lite.testing._memory.websocket import SocketConnection

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Any

    from avtomatika_client._calls._flow import Reply, Request
    from avtomatika_client._seam import Socket
    from avtomatika_client.protocol.clock import Clock
    from orchestrator_lite.api._front import App
    from orchestrator_lite.testing._faults.fault import Fault

GRACE: Final = 2.0
"""Seconds an application may take to end by itself once the transport is closed."""
_THREADS: Final = 16
_MOMENT: Final = 0.001
"""Seconds that are not waited for: less than what rounding may leave of a wait would never end."""
_CLOSED: Final = "this client is closed"
_NO_STRIKE: Final = Strike(0.0, None)

_Connection: TypeAlias = HttpConnection | SocketConnection


class AsgiTransport:
    """An `AsyncTransport` that calls an ASGI application. Close it: what still runs is awaited then.

    Args:
        app: The application; its lifespan is not run.
        clock: Whose seconds all deadlines and delays are.
        faults: What goes wrong on the way; may be shared by transports.
    """

    def __init__(self, app: App, clock: Clock, *, faults: Faults | None = None) -> None:
        self._app = app
        self._clock = clock
        self._faults = Faults() if faults is None else faults
        self._connections: set[_Connection] = set()
        self._watchers: set[asyncio.Task[None]] = set()
        self._closed = False
        self._threads = ThreadPoolExecutor(_THREADS, "avtomatika-file")  # starts none before it is used
        # A server does not know its callers' context variables.
        self._context = contextvars.copy_context()

    async def send(self, request: Request, *, timeout: float | None) -> Reply:
        """Exchange one request; `timeout` is total, in seconds. Cancelled, it leaves the exchange to its own end.

        Raises:
            APITimeoutError: The time was up.
            APIConnectionError: There was no reply.
        """
        if self._closed:
            raise Exchange(request, 0.0).failed(_CLOSED, sent=False)
        if timeout is not None and timeout <= 0:
            raise Exchange(request, 0.0).timed_out(timeout)
        connection = self._begun(request)
        started = self._clock.monotonic()
        try:
            async with self._clock.timeout(timeout, upkeep=request.long):
                await self._over(connection)
        except TimeoutError:
            if connection.reply is None:
                connection.hang_up(_sent(request).timed_out(timeout))
        except asyncio.CancelledError:
            await self._leave(connection, None if timeout is None else started + timeout)
            raise
        if connection.pieces is not None:
            await connection.stop_pieces()
        return connection.outcome()

    async def connect(self, url: str, *, headers: Mapping[str, str], timeout: float) -> Socket:
        """Open a WebSocket (`url` starts with http or ws).

        Raises:
            APITimeoutError: The handshake took longer than `timeout` seconds.
            APIConnectionError: There is no connection, or the server refused it (`status` says how).
        """
        if self._closed:
            raise APIConnectionError(_CLOSED, sent=False, method="GET")
        try:
            scope = socket_scope(headers, address_of(url))
        except ValueError as error:
            raise APIConnectionError(f"no WebSocket: {error}", sent=False, method="GET") from error
        socket = SocketConnection(scope, self._faults.closed)
        strike = self._faults.meet("GET", socket.path, handshake=True) or _NO_STRIKE
        self._start(socket, self._serve(socket, strike, upkeep=True))
        try:
            async with self._clock.timeout(timeout):
                await socket.answered()
        except TimeoutError as error:
            socket.cut()
            message = f"no WebSocket within {timeout:.3f} s"
            raise APITimeoutError(message, sent=False, method="GET", path=socket.path) from error
        except BaseException:
            socket.cut()
            raise
        if not socket.is_accepted:
            raise _refused(socket)
        if not socket.is_ended:
            self._faults.opened(socket)
        return socket

    def give_up(self, error: BaseException) -> int:
        """Raise `error` in every caller that waits for a reply, a handshake or a frame; returns how many there are."""
        count = 0
        for connection in list(self._connections):
            if isinstance(connection, SocketConnection):
                count += connection.give_up(error)
            elif connection.is_awaited and not connection.is_left:
                connection.hang_up(error)
                count += 1
        return count

    async def aclose(self) -> None:
        """Hang up everywhere and wait until nothing runs; what has not ended within two seconds is cancelled."""
        self._closed = True
        for connection in list(self._connections):
            if isinstance(connection, SocketConnection):
                await connection.close()
            else:
                connection.cut(connection.failure("the client was closed before the reply came"))
            if connection.task is not None and not connection.is_begun:
                connection.task.cancel()
        tasks = {connection.task for connection in self._connections if connection.task is not None} | self._watchers
        if tasks:
            await self._ended(tasks)
        self._connections.clear()
        self._threads.shutdown(wait=False)

    async def _ended(self, tasks: set[asyncio.Task[None]]) -> None:
        try:
            with suppress(TimeoutError):
                async with self._clock.timeout(GRACE):
                    await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begun(self, request: Request) -> HttpConnection:
        try:
            address = address_of(request.url)
            scope = http_scope(request, address)
        except ValueError as error:
            raise Exchange(request, 0.0).failed(f"the request is malformed: {error}", sent=False) from error
        strike = self._faults.meet(request.method, address.path) or _NO_STRIKE
        kind = strike.fault.kind if strike.fault is not None else None
        connection = HttpConnection(request, scope, self._clock, self._threads, is_lost=kind is Kind.DROP_RESPONSE)
        if kind is Kind.DUPLICATE:
            again = http_scope(request, address)
            connection.twin = twin = HttpConnection(request, again, self._clock, self._threads, is_lost=True)
            self._start(twin, self._serve(twin, strike, upkeep=request.long))
        self._start(connection, self._serve(connection, strike, upkeep=request.long))
        return connection

    def _start(self, connection: _Connection, serving: Coroutine[Any, Any, None]) -> None:
        self._connections.add(connection)
        connection.task = asyncio.get_running_loop().create_task(serving, context=self._context.copy())

    async def _serve(self, connection: _Connection, strike: Strike, *, upkeep: bool) -> None:
        try:
            if strike.delay:
                await self._clock.sleep(strike.delay, upkeep=upkeep)
            if isinstance(connection, HttpConnection):
                await connection.turn()
            await connection.run(self._served_by(strike.fault))
        finally:
            self._connections.discard(connection)

    def _served_by(self, fault: Fault | None) -> App | None:
        if fault is not None and fault.kind is Kind.DROP_REQUEST:
            return None
        if fault is not None and fault.kind is Kind.STATUS:
            return answering(fault)
        return self._app

    async def _over(self, connection: HttpConnection) -> None:
        """Wait until it is over, or has stood still too long."""
        stall, pieces = connection.request.stall, connection.pieces
        if stall is None or pieces is None:
            await connection.ended()
            return
        while not connection.is_over:
            left = pieces.moved + stall - self._clock.monotonic()
            if left <= _MOMENT:
                connection.hang_up(_sent(connection.request).stalled())
                return
            with suppress(TimeoutError):
                async with self._clock.timeout(left, upkeep=connection.request.long):
                    await connection.ended()

    async def _leave(self, connection: HttpConnection, deadline: float | None) -> None:
        """The caller was cancelled: the exchange goes on, unless it needs the caller's own streams."""
        if connection.request.in_pieces:
            connection.hang_up()
            await connection.stop_pieces()
        connection.is_left = True
        if not connection.is_over and deadline is not None:
            watcher = asyncio.get_running_loop().create_task(self._watch(connection, deadline))
            self._watchers.add(watcher)
            watcher.add_done_callback(self._watchers.discard)

    async def _watch(self, connection: HttpConnection, deadline: float) -> None:
        with suppress(TimeoutError):
            left = max(deadline - self._clock.monotonic(), 0.0)
            async with self._clock.timeout(left, upkeep=connection.request.long):
                await connection.ended()
        connection.hang_up()


def _sent(request: Request) -> Exchange:
    exchange = Exchange(request, 0.0)
    exchange.sent = True
    return exchange


def _refused(socket: SocketConnection) -> APIConnectionError:
    if socket.refusal:
        message = f"the server refused the WebSocket with status {socket.refusal}"
        return APIConnectionError(message, status=socket.refusal, method="GET", path=socket.path)
    return APIConnectionError("no WebSocket: the connection was lost", sent=False, method="GET", path=socket.path)
