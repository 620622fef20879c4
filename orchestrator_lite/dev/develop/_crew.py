"""The two processes of one version of the files: the server and its workers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite.dev.develop._child import Child
from orchestrator_lite.dev.develop._door import Door
from orchestrator_lite.dev.develop._orders import Broken, Drain, Fatal, Go, Loaded, Message, Ready, Stop
from orchestrator_lite.dev.develop._spawn import Spawned

SERVER_SECONDS: Final = 6.0
WORKERS_SECONDS: Final = 6.0
DRAIN_SECONDS: Final = 60.0
REGISTRATION_SECONDS: Final = 5.0
"""How long the workers' registration is waited for before it is told that they are late."""


class BrokenError(Exception):
    """The files cannot be loaded, or what they define cannot run.

    Attributes:
        folders: Where their modules lie, as far as they were loaded.
    """

    def __init__(self, text: str, folders: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.folders = folders


class FatalError(AvtomatikaError):
    """Saving the files again will not help."""


class Crew:
    """Both processes, from their start to their end."""

    def __init__(self, server: Child, workers: Child) -> None:
        self.server = server
        self.workers = workers
        self.of_server = Loaded([])
        self.of_workers = Loaded([])

    @classmethod
    async def of(cls, spawned: tuple[Spawned, Spawned]) -> Crew:
        """Two processes that have been started."""
        return cls(*[await Child.of(one) for one in spawned])

    @property
    def folders(self) -> list[str]:
        """Where the user's modules lie."""
        return [*self.of_server.folders, *self.of_workers.folders]

    async def loaded(self) -> None:
        """Wait until both have loaded the files.

        Raises:
            BrokenError: The files cannot be loaded.
            FatalError: The settings make no sense, or the store's place.
        """
        self.of_server, self.of_workers = await _both(_loaded(self.server), _loaded(self.workers))

    async def go(self, door: Door) -> Ready:
        """Have them serve and work; returns when the server answers and the workers are registered.

        Raises:
            BrokenError: One of them ended.
            FatalError: The store or the address cannot be used.
        """
        bound = door.opened(self.of_server.host, self.of_server.port)
        self.server.tell(Go(door.url), bound)
        if self.of_workers.workers:
            self.workers.tell(Go(door.url, self.of_server.token, self.of_server.state))
        ready = _checked(await self.server.next())
        if not isinstance(ready, Ready):
            await asyncio.shield(self.server.ended)
            raise BrokenError(self.server.told_end())
        return ready

    async def registered(self) -> bool:
        """Whether the workers are registered within a few seconds.

        Raises:
            BrokenError: They ended.
        """
        if not self.of_workers.workers:
            return True
        try:
            async with SYSTEM_CLOCK.timeout(REGISTRATION_SECONDS):
                answer = await self.workers.next()
        except TimeoutError:
            return False
        if isinstance(answer, Fatal):
            raise BrokenError(answer.text)
        if answer is None:
            await asyncio.shield(self.workers.ended)
            raise BrokenError(self.workers.told_end())
        return True

    @property
    def missed(self) -> dict[asyncio.Future[int], Child]:
        """Those that should be running, by their end; one whose end has been told is not missed again."""
        running = [self.server, *([self.workers] if self.of_workers.workers else [])]
        return {child.ended: child for child in running if not child.is_mourned}

    async def drain_workers(self) -> None:
        """Let running tasks finish; the process ends then."""
        await self.workers.end(Drain(), DRAIN_SECONDS)

    async def stop_server(self) -> None:
        """End the server; what it accepted is stored."""
        await self.server.end(Stop(), SERVER_SECONDS)

    async def stop_workers(self) -> None:
        """End the workers within seconds: what they cannot finish they hand back."""
        await self.workers.end(Stop(), WORKERS_SECONDS)

    async def kill(self) -> None:
        """End both now."""
        self.server.kill()
        self.workers.kill()
        await self.server.kill_and_wait()
        await self.workers.kill_and_wait()


async def _both(first: Coroutine[Any, Any, Loaded], second: Coroutine[Any, Any, Loaded]) -> list[Loaded]:
    """What both return; the first error of one ends the other."""
    tasks = [asyncio.ensure_future(first), asyncio.ensure_future(second)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _loaded(child: Child) -> Loaded:
    answer = _checked(await child.next())
    if isinstance(answer, Loaded):
        return answer
    if isinstance(answer, Broken):
        raise BrokenError(answer.text, answer.folders)
    await asyncio.shield(child.ended)
    raise BrokenError(f"{child.told_end()} while it loaded the files")


def _checked(answer: Message | None) -> Message | None:
    if isinstance(answer, Fatal):
        raise FatalError(answer.text)
    return answer
