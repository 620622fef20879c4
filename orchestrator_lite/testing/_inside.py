"""Clients and workers inside the server's process: they speak to its ASGI interface, no socket is opened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from avtomatika_client._client import DEFAULT_TIMEOUT, AsyncClient
from avtomatika_client.protocol.clock import Clock
from avtomatika_worker._definition import RunOptions
from avtomatika_worker._run import Run, running
from avtomatika_worker._settings import Target
from orchestrator_lite.testing._errors import MisuseError

if TYPE_CHECKING:
    from avtomatika_client._calls._retry import Retry
    from avtomatika_client._seam import AsyncTransport
    from avtomatika_worker import Worker

URL: Final = "http://127.0.0.1"
"""Where the server is, for those inside; development mode answers loopback names only."""
GRACE: Final = 5.0
"""Seconds tasks may still run when their worker's block ends."""
REGISTERED_WITHIN: Final = 5.0
"""Seconds the block of a worker waits for its registration before it begins all the same."""


class Host(Protocol):
    """What those inside need of their server."""

    @property
    def client_token(self) -> str:
        """A token clients may send."""

    @property
    def worker_token(self) -> str:
        """A token workers may send."""

    async def ready(self) -> Clock:
        """Start if need be; the time everybody goes by."""

    def connect(self) -> AsyncTransport:
        """A connection to it."""

    guests: dict[InsideClient | InsideWorkers, None]
    """Those who are inside, in the order they came."""


class InsideClient:
    """`async with orchestrator.client() as client:` gives an `AsyncClient` of the server in this process."""

    def __init__(
        self,
        host: Host,
        *,
        client_token: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        retries: int | Retry = 2,
    ) -> None:
        self._host = host
        self._token = client_token
        self._timeout = timeout
        self._retries = retries
        self._client: AsyncClient | None = None
        self._transport: AsyncTransport | None = None

    async def __aenter__(self) -> AsyncClient:
        if self._client is not None:
            raise MisuseError("this client is open already: call orchestrator.client() for each one")
        clock = await self._host.ready()
        self._transport = self._host.connect()
        self._client = AsyncClient(
            URL,
            client_token=self._token or self._host.client_token,
            timeout=self._timeout,
            retries=self._retries,
            transport=self._transport,
            clock=clock,
        )
        self._host.guests[self] = None
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._host.guests.pop(self, None)
        client, transport = self._client, self._transport
        self._client = self._transport = None
        if client is not None and transport is not None:
            await client.close()
            await transport.aclose()

    def give_up(self, error: BaseException) -> int:
        """End what it waits for with `error`; how many exchanges that were."""
        end: Callable[[BaseException], int] | None = getattr(self._transport, "give_up", None)
        return 0 if end is None else end(error)

    def __enter__(self) -> NoReturn:
        raise MisuseError("write `async with orchestrator.client() as client:`, with `async` in front")

    def __exit__(self, *_: object) -> None:
        """Never reached; here so that `with` finds a context manager and says what is wrong."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        raise MisuseError(
            f"orchestrator.client() is not open: write `async with orchestrator.client() as client:` "
            f"and then client.{name}"
        )

    def __repr__(self) -> str:
        return "a client"


class InsideWorkers:
    """`async with orchestrator.working(worker):` runs workers for the server in this process, without threads."""

    def __init__(self, host: Host, *workers: Worker, grace: float = GRACE) -> None:
        if not workers:
            raise MisuseError("orchestrator.working() needs a worker: orchestrator.working(worker)")
        for worker in workers:
            if not callable(getattr(worker, "definition", None)):
                raise MisuseError(f"orchestrator.working() runs a Worker, not {worker!r}")
        self._host = host
        self._workers = workers
        self._grace = grace
        self._stack: AsyncExitStack | None = None

    async def __aenter__(self) -> None:
        if self._stack is not None:
            raise MisuseError("these workers run already: call orchestrator.working() for each block")
        clock = await self._host.ready()
        async with AsyncExitStack() as stack:
            for worker in self._workers:
                run = await stack.enter_async_context(running(worker.definition(), self._options(clock)))
                await _registered(run, clock)
            self._stack = stack.pop_all()
        self._host.guests[self] = None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._host.guests.pop(self, None)
        stack, self._stack = self._stack, None
        if stack is not None:
            await stack.aclose()

    def _options(self, clock: Clock) -> RunOptions:
        return RunOptions(
            clock=clock,
            transport=self._host.connect,
            threads=False,
            fleeting=True,
            targets=(Target(URL, self._host.worker_token),),
            grace=self._grace,
        )

    def __enter__(self) -> NoReturn:
        raise MisuseError("write `async with orchestrator.working(worker):`, with `async` in front")

    def __exit__(self, *_: object) -> None:
        """Never reached; here so that `with` finds a context manager and says what is wrong."""

    def __repr__(self) -> str:
        return " and ".join(f"worker {worker.worker_type!r}" for worker in self._workers)


async def _registered(run: Run, clock: Clock) -> None:
    """Wait for a worker's registration, a while; one that the server refuses goes on trying inside the block."""
    waits = [asyncio.ensure_future(link.session.ready.wait()) for link in run.hub.links.values()]
    try:
        for wait in waits:
            await clock.wait_any((wait,), REGISTERED_WITHIN, upkeep=True)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
