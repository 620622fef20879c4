"""Keeps one version of the files running, and replaces it when they are saved."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite.dev.develop._crew import BrokenError, Crew
from orchestrator_lite.dev.develop._door import Door
from orchestrator_lite.dev.develop._orders import Ready
from orchestrator_lite.dev.develop._screen import Running, Screen
from orchestrator_lite.dev.develop._server_options import ServerOptions
from orchestrator_lite.dev.develop._spawn import Spawned, spawn_both
from orchestrator_lite.dev.develop._watch import Watch

QUICK_SECONDS: Final = 5.0
"""A process that ends by itself sooner than this is not started again before the next save."""


class Supervisor:
    """The loop of `dev`.

    Args:
        options: What the command was told.
        spawned: The first pair of processes, which have been started already.
    """

    def __init__(self, options: ServerOptions, spawned: tuple[Spawned, Spawned]) -> None:
        self._options = options
        self._spawned: tuple[Spawned, Spawned] | None = spawned
        self._watch = Watch(options.files)
        self._door = Door()
        self._screen = Screen()
        self._current: Crew | None = None
        self._draining: set[asyncio.Task[None]] = set()
        self._crews: set[Crew] = set()
        self._changed: list[str] = []
        self._shown: Running | None = None
        self._began = SYSTEM_CLOCK.monotonic()
        self._ready_at = self._began

    async def run(self) -> None:
        """Serve until cancelled; every process has ended then.

        Raises:
            AvtomatikaError: It cannot begin: address, store or settings.
        """
        try:
            while True:
                self._changed = self._watch.changed()
                self._began = SYSTEM_CLOCK.monotonic()
                self._watch.mark()
                await self._replace()
                await self._until_due()
        finally:
            await self._end()

    def hurry(self) -> None:
        """End every process now."""
        for crew in self._crews:
            crew.server.kill()
            crew.workers.kill()

    async def _replace(self) -> None:
        """Load what is there, and serve it if it can be."""
        crew = await Crew.of(self._spawned or spawn_both(self._options))
        self._spawned = None
        self._crews.add(crew)
        try:
            if await self._loaded(crew):
                await self._switch(crew)
        except BrokenError as error:
            self._watch.follow(error.folders)
            self._tell_broken(str(error))
        except AvtomatikaError as error:
            if self._shown is None:
                raise
            self._tell_broken(str(error))
        finally:
            if self._current is not crew:
                await self._discard(crew)

    async def _loaded(self, crew: Crew) -> bool:
        """Whether it has loaded before the next save."""
        loading = asyncio.ensure_future(crew.loaded())
        saved = asyncio.ensure_future(self._watch.wait())
        try:
            await SYSTEM_CLOCK.wait_any((loading, saved), None)
            if not loading.done():
                return False
            loading.result()
        finally:
            await _cancelled(loading, saved)
        self._watch.follow(crew.folders)
        return True

    async def _switch(self, crew: Crew) -> None:
        """The new server takes the place of the old one; connections wait meanwhile."""
        old, self._current = self._current, None
        try:
            if old is not None:
                self._draining.add(asyncio.create_task(self._retire(old)))
                await old.stop_server()
            ready = await crew.go(self._door)
            registered = await crew.registered()
        except BaseException:
            self._door.close()
            raise
        self._current = crew
        self._ready_at = SYSTEM_CLOCK.monotonic()
        self._tell(crew, ready)
        if not registered:
            self._screen.note("the workers are not registered yet; they go on trying")

    async def _retire(self, crew: Crew) -> None:
        await crew.drain_workers()
        await self._discard(crew)

    async def _discard(self, crew: Crew) -> None:
        await crew.kill()
        self._crews.discard(crew)

    def _tell_broken(self, text: str) -> None:
        """What is wrong, and whether there is still a server; where there is none, connections are refused."""
        serving = self._current is not None and not self._current.server.ended.done()
        if not serving:
            self._door.close()
        self._screen.broken(text, serving=serving)

    def _tell(self, crew: Crew, ready: Ready) -> None:
        running = Running(self._door.url, crew.of_server, crew.of_workers, ready)
        if self._shown is None:
            self._screen.started(running, self._options.files, forgets=self._forgets(ready))
        else:
            self._screen.reloaded(self._changed, self._ready_at - self._began)
            if running.names != self._shown.names:
                self._screen.details(running, forgets=self._forgets(ready))
        self._shown = running

    def _forgets(self, ready: Ready) -> bool:
        return self._options.scratch in ready.store

    async def _until_due(self) -> None:
        """Wait for the next save, or for a process to end by itself after it has run for a while."""
        saved = asyncio.ensure_future(self._watch.wait())
        try:
            while not saved.done():
                missed = {} if self._current is None else self._current.missed
                await SYSTEM_CLOCK.wait_any([saved, *missed], None)
                lost = [missed[end].mourned() for end in missed if end.done()]
                if any(self._worth_a_restart(what) for what in lost):
                    return
        finally:
            await _cancelled(saved)

    def _worth_a_restart(self, what: str) -> bool:
        if SYSTEM_CLOCK.monotonic() - self._ready_at >= QUICK_SECONDS:
            self._screen.note(f"{what}; starting it again")
            return True
        self._tell_broken(what)
        return False

    async def _end(self) -> None:
        """The workers first: the server takes back what they hand back."""
        crews = list(self._crews)
        await asyncio.gather(*(crew.stop_workers() for crew in crews))
        await asyncio.gather(*(crew.stop_server() for crew in crews))
        await asyncio.gather(*self._draining, *(crew.kill() for crew in crews))
        self._door.close()


async def _cancelled(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
