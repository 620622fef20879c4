"""A server behind a real socket for one test, and what the test does with it from its own thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self
from weakref import WeakSet

from avtomatika_client._client import DEFAULT_TIMEOUT, Client
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_worker._definition import RunOptions
from avtomatika_worker._run import Run, running
from avtomatika_worker._settings import Target
from orchestrator_lite.app import Orchestrator
from orchestrator_lite.testing._around.background import Background
from orchestrator_lite.testing._errors import BlockedError, ClosedError, MisuseError
from orchestrator_lite.testing._orchestrator import TestSettings

if TYPE_CHECKING:
    from avtomatika_client._calls._retry import Retry
    from avtomatika_worker import Worker
    from orchestrator_lite.blueprint import Blueprint
    from orchestrator_lite.settings import Settings

GRACE: Final = 0.5
"""Seconds that open requests and running tasks get once their test is over."""
REGISTERED_WITHIN: Final = 2.0
"""Seconds the block of a worker waits for its registration before it begins all the same."""


class LiveOrchestrator:
    """A real server on a free port of this machine, by the real clock; may be used from any thread.

    Args:
        background: The thread it runs in.
        blueprints: What it serves; `add` takes more.
        settings: Default: nothing is read from the environment.

    Attributes:
        settings: Its settings.
        url: Where it listens.
        client_token: A token clients may send.
        worker_token: A token workers may send.
    """

    def __init__(
        self, background: Background, blueprints: Iterable[Blueprint] = (), *, settings: Settings | None = None
    ) -> None:
        self.settings: Settings = settings or TestSettings()
        self._background = background
        self._lite = Orchestrator(blueprints, settings=self.settings)
        self._stack = AsyncExitStack()
        self._clients: WeakSet[Client] = WeakSet()
        self._crews: list[Working] = []
        self._closed = False
        background.run(self._stack.enter_async_context(self._lite.listening(port=0, grace=GRACE)))
        self.url: str = self._lite.url
        self.client_token: str = self._lite.client_token
        self.worker_token: str = self._lite.worker_token

    def add(self, *blueprints: Blueprint) -> None:
        """Serve more blueprints from now on.

        Raises:
            BlueprintError: One is wrong in itself, or its name or endpoint is taken; file and line come first.
            ClosedError: The test it was for is over.
        """
        self._check_open()
        for blueprint in blueprints:
            self._background.call(lambda each=blueprint: self._lite.add(each))  # type: ignore[misc]

    def client(
        self,
        *,
        client_token: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        retries: int | Retry = 2,
    ) -> Client:
        """A client of this server, for a `with` block; left open, it ends with the test.

        Args:
            client_token: Default: the server's.
            timeout: Seconds a call may take in all; None: without end.
            retries: Repetitions of a failed call, or a policy.

        Raises:
            ClosedError: The test it was for is over.
        """
        self._check_open()
        client = Client(self.url, client_token=client_token or self.client_token, timeout=timeout, retries=retries)
        self._clients.add(client)
        return client

    def working(self, *workers: Worker) -> Working:
        """Run workers for this server in a `with` block, over real sockets and with their journals in memory.

        Raises:
            ClosedError: The test it was for is over.
            MisuseError: There is none, or something is no worker.
        """
        self._check_open()
        if not workers:
            raise MisuseError("live_orchestrator.working() needs a worker: live_orchestrator.working(worker)")
        for worker in workers:
            if not callable(getattr(worker, "definition", None)):
                raise MisuseError(f"live_orchestrator.working() runs a Worker, not {worker!r}")
        return Working(self._background, self._crews, workers, Target(self.url, self.worker_token))

    def close(self) -> list[str]:
        """End the server and everything that was left to it; what the test did wrong, one line each."""
        if self._closed:
            return []
        self._closed = True
        left = [
            f"{crew} was still running when the test ended: use `with live_orchestrator.working(worker):`"
            for crew in self._crews
        ]
        for client in self._clients:
            client.close()
        if not self._background.is_blocked:
            try:
                self._background.run(self._end())
            except BlockedError as error:
                left.append(str(error))
        if self._background.is_blocked:
            self._background.abandon(self._end())
        return left

    async def _end(self) -> None:
        for crew in list(self._crews):
            await crew.stop()
        await self._stack.aclose()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this orchestrator ended with its test: let each test ask for `live_orchestrator`")

    def __repr__(self) -> str:
        return f"<LiveOrchestrator {self.url}>"


class Working:
    """Workers that run until the end of a `with` block; `async with` will do as well."""

    def __init__(
        self, background: Background, crews: list[Working], workers: tuple[Worker, ...], target: Target
    ) -> None:
        self._background = background
        self._crews = crews
        self._workers = workers
        self._options = RunOptions(threads=False, fleeting=True, targets=(target,), grace=GRACE)
        self._stack: AsyncExitStack | None = None
        self._runs: list[Run] = []

    def __enter__(self) -> Self:
        """Run them.

        Raises:
            WorkerConfigError: Settings of a worker cannot work.
        """
        if self._stack is not None:
            raise MisuseError("these workers run already: call live_orchestrator.working() for each block")
        self._background.run(self._begin(), REGISTERED_WITHIN * len(self._workers) + GRACE)
        self._crews.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let running tasks end for a moment, and stop."""
        self.end()

    async def __aenter__(self) -> Self:
        """Run them; the server lives in another thread, so that waiting here holds up nothing it needs."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Stop them and wait for it; does nothing the second time.

        Raises:
            BlockedError: They do not stop.
        """
        if self in self._crews:
            self._background.run(self.stop())

    async def _begin(self) -> None:
        async with AsyncExitStack() as stack:
            for worker in self._workers:
                run = await stack.enter_async_context(running(worker.definition(), self._options))
                self._runs.append(run)
                await _registered(run)
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Stop them, in the server's thread."""
        stack, self._stack = self._stack, None
        if stack is None:
            return
        loop = asyncio.get_running_loop()
        hurries = [loop.call_later(GRACE, run.hurry) for run in self._runs]
        try:
            await stack.aclose()
        finally:
            self._crews.remove(self)
            for hurry in hurries:
                hurry.cancel()

    def __repr__(self) -> str:
        return " and ".join(f"worker {worker.worker_type!r}" for worker in self._workers)


async def _registered(run: Run) -> None:
    """Wait for a worker's registration, a while."""
    waits = [asyncio.ensure_future(link.session.ready.wait()) for link in run.hub.links.values()]
    try:
        for wait in waits:
            await SYSTEM_CLOCK.wait_any((wait,), REGISTERED_WITHIN)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
