"""A socket with uvicorn behind it, started and stopped inside a running loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from orchestrator_lite._binding import BACKLOG, ListenError, bind, url_of

GRACE = 3
"""Seconds open connections get when the server stops; held polls are answered before."""


class _Sockets(WebSocketsSansIOProtocol):
    """WebSockets without their debug log: it shows every header, tokens too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn.debug = False


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: who runs the loop decides what a signal means."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


@asynccontextmanager
async def listening(app: Any, host: str, port: int, *, before_stop: Callable[[], None]) -> AsyncIterator[str]:
    """Serve an ASGI application until the end of the block; gives its URL.

    Args:
        app: The application.
        host: Address.
        port: Port; 0 takes a free one.
        before_stop: Called when the server is about to stop, to answer whoever is being held.

    Raises:
        ListenError: The address is taken or not this machine's.
    """
    bound = bind(host, port)
    config = uvicorn.Config(
        app,
        ws=_Sockets,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
        backlog=BACKLOG,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[bound]), name="uvicorn")
    try:
        await _started(server, serving)
        yield url_of(bound)
    finally:
        before_stop()
        server.should_exit = True
        await asyncio.wait({serving})
        bound.close()


async def _started(server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    while not server.started:
        if serving.done():
            serving.result()
            raise ListenError("the server stopped before it began to serve")
        await asyncio.wait({serving}, timeout=0.005)
