"""A socket with uvicorn behind it, started and stopped inside a running loop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite._binding import BACKLOG, ListenError, bind, url_of
from orchestrator_lite._heads import Requests

log = logging.getLogger(__name__)

NEWCOMER_SECONDS = 0.5
"""Seconds a connection that has not sent a request yet may take to do so when the server stops."""
_LOOK_SECONDS = 0.01
_HEAR_SECONDS = 0.2

LARGEST_FRAME = 1024 * 1024
"""Bytes of a frame that a worker sends over its socket; with a larger one it is closed."""

GRACE = 3.0
"""Seconds open requests get when the server stops; held polls are answered before."""


class _Sockets(WebSocketsSansIOProtocol):
    """WebSockets without their debug log: it shows every header, tokens too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn.debug = False


class _Connections(set[Any]):
    """The open connections; tells when the last one is gone, which uvicorn would look for ten times a second."""

    def __init__(self, gone: asyncio.Event) -> None:
        super().__init__()
        self._gone = gone

    def discard(self, connection: Any) -> None:
        """Forget a connection."""
        super().discard(connection)
        if not self:
            self._gone.set()

    def remove(self, connection: Any) -> None:
        """Forget a WebSocket: these are removed."""
        self.discard(connection)


class _Server(uvicorn.Server):
    """uvicorn without signal handlers (who runs the loop decides what a signal means) and without ticks.

    uvicorn looks ten times a second whether it is to stop and whether it has stopped: 0.3 s for a server that nobody
    uses. Here both are told.
    """

    def __init__(self, config: uvicorn.Config, grace: float) -> None:
        super().__init__(config)
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self._told: asyncio.Future[None] = loop.create_future()
        self._grace = grace
        self.is_cutting = False
        """Whether requests that would not end are being ended."""
        self._gone = asyncio.Event()
        self.server_state.connections = _Connections(self._gone)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    def stop(self) -> None:
        """Stop soon."""
        self.should_exit = True
        if not self._told.done():
            self._told.set_result(None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        if not self.ready.done():
            self.ready.set_result(None)

    async def main_loop(self) -> None:
        """Renew the Date header each second, until told to stop."""
        while not await self.on_tick(0):
            await SYSTEM_CLOCK.wait_any((self._told,), 1.0, upkeep=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let open requests end, for as long as grace lasts; then end them."""
        state = self.server_state
        for server in self.servers:
            server.close()
        for bound in sockets or ():
            bound.close()
        await self._newcomers_heard()
        for connection in list(state.connections):
            connection.shutdown()
        try:
            async with SYSTEM_CLOCK.timeout(self._grace):
                await self._quiet()
        except TimeoutError:
            log.warning("%d requests did not end within %g s; they are cut off", len(state.tasks), self._grace)
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:  # who reads from a connection or writes to it hears of its end
            await asyncio.wait(set(state.tasks), timeout=_HEAR_SECONDS)
        if left := set(state.tasks):
            self.is_cutting = True
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=self._grace)

    async def _newcomers_heard(self) -> None:
        """Let who was let in last say what they came for: closing on them would lose a request that was not refused."""
        await SYSTEM_CLOCK.sleep(0)  # asyncio's own loop makes a connection in the turn after it has accepted it
        for _ in range(round(NEWCOMER_SECONDS / _LOOK_SECONDS)):
            await SYSTEM_CLOCK.sleep(0)
            if not any(getattr(one, "cycle", one) is None for one in self.server_state.connections):
                return
            await SYSTEM_CLOCK.sleep(_LOOK_SECONDS)

    async def _quiet(self) -> None:
        """Every connection is closed, every request done."""
        state = self.server_state
        while state.connections or state.tasks:
            if state.connections:
                self._gone.clear()
                await self._gone.wait()
            if state.tasks:
                await asyncio.wait(set(state.tasks))


@asynccontextmanager
async def listening(
    app: Any, host: str, port: int, *, before_stop: Callable[[], None], grace: float = GRACE
) -> AsyncIterator[str]:
    """Serve an ASGI application until the end of the block; gives its URL.

    Args:
        app: The application.
        host: Address.
        port: Port; 0 takes a free one.
        before_stop: Called when the server is about to stop, to answer whoever is being held.
        grace: Seconds open requests get to end by themselves once it stops.

    Raises:
        ListenError: The address is taken or not this machine's.
    """
    bound = bind(host, port)

    async def until_cut(scope: Any, receive: Any, send: Any) -> None:
        """Nobody is left to hear of what is cut off, so uvicorn need not show where that was."""
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if not server.is_cutting:
                raise

    config = uvicorn.Config(
        until_cut,
        http=Requests,
        ws=_Sockets,
        ws_max_size=LARGEST_FRAME,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
    )
    server = _Server(config, grace)
    serving = asyncio.create_task(server.serve(sockets=[bound]), name="uvicorn")
    try:
        await SYSTEM_CLOCK.wait_any((server.ready, serving), None)
        if serving.done():
            serving.result()
            raise ListenError("the server stopped before it began to serve")
        yield url_of(bound)
    finally:
        before_stop()
        server.stop()
        await asyncio.wait({serving})
        bound.close()
