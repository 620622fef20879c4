"""One run of a worker, from claiming its identity to the last result delivered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final
from uuid import uuid4

from avtomatika_client._seam import AsyncTransport
from avtomatika_worker._cancel import Reason
from avtomatika_worker._definition import Definition, RunOptions
from avtomatika_worker._heartbeat import Heart
from avtomatika_worker._hub import Hub
from avtomatika_worker._identity import Identity, claim, fleeting
from avtomatika_worker._journal import Journal
from avtomatika_worker._link import Link
from avtomatika_worker._settings import Target, state_folder, targets
from avtomatika_worker._wire import Peer
from avtomatika_worker.errors import SupersededError

logger = logging.getLogger(__name__)

PATIENCE: Final = 5.0
"""Seconds code that was told to end is waited for."""
FLUSH: Final = 10.0
"""Seconds results are still being delivered; what is left stays in the journal."""
HURRY: Final = 1.0
"""What remains of each of these in a hurry."""


class Run:
    """One run of a worker; made on the loop it runs on."""

    def __init__(self, definition: Definition, options: RunOptions) -> None:
        self._definition = definition
        self._options = options
        self._clock = options.clock
        self._stop = asyncio.Event()
        self._hurried = asyncio.Event()
        self._fatal: SupersededError | None = None
        self.started = asyncio.Event()
        """Set once it has its identity and its loops run; it need not be registered yet."""
        self.ended = asyncio.Event()
        """Set when it goes down, for whatever reason."""
        self.worker_id: str | None = None
        self.hub: Hub

    def request_stop(self) -> None:
        """Drain and end."""
        self._stop.set()

    def hurry(self) -> None:
        """End now: hand back what runs, deliver what can be delivered in a moment."""
        self._stop.set()
        self._hurried.set()

    def signalled(self) -> None:
        """Drain at the first signal, hurry at the second."""
        if self._stop.is_set():
            self.hurry()
        self.request_stop()

    async def serve(self) -> None:
        """Work until stopped; cancelling it ends it in a hurry, with every result kept.

        Raises:
            WorkerConfigError: The settings cannot work, or another process has this identity.
            SupersededError: A newer start of this worker has taken over.
        """
        places = list(self._options.targets) or targets(self._definition.orchestrators, self._definition.token)
        identity = self._identify()
        self.worker_id = identity.worker_id
        journal = Journal(identity.journal)
        try:
            _warn_of_strangers(journal, places)
            await self._work(places, identity, journal)
        finally:
            self.ended.set()
            journal.close()
            identity.release()
        if self._fatal is not None:
            raise self._fatal

    def _identify(self) -> Identity:
        definition = self._definition
        if self._options.fleeting:
            return fleeting(definition.worker_type, definition.worker_id)
        return claim(
            definition.worker_type,
            definition.worker_id,
            definition.journal,
            durable=definition.durable,
            folder=state_folder(),
        )

    async def _work(self, places: list[Target], identity: Identity, journal: Journal) -> None:
        transport = self._options.transport or default_transport
        async with asyncio.TaskGroup() as group:
            self.hub = hub = Hub(self._definition, self._clock, journal, group, self._superseded)
            incarnation = uuid4().hex
            for target in places:
                hub.links[target.url] = Link(Peer(target, identity.worker_id, incarnation), transport(), hub)
            heart = Heart(list(hub.links), transport, hub.heard, self._clock, threads=self._options.threads)
            hub.heart = heart
            heart.start()
            for link in hub.links.values():
                link.start(hub.spawn)
            self.started.set()
            try:
                await self._until_told(hub, heart)
            finally:
                await heart.close()
                for link in hub.links.values():
                    await link.close()
                await hub.executors.close()
                await hub.cancel_background()

    async def _until_told(self, hub: Hub, heart: Heart) -> None:
        try:
            await self._stop.wait()
            await self._drain(hub, heart)
        except asyncio.CancelledError:
            self.hurry()
            await self._drain(hub, heart)
            raise

    def _superseded(self, error: SupersededError) -> None:
        if self._fatal is None:
            self._fatal = error
            logger.error("%s", error)
        self.hurry()

    async def _drain(self, hub: Hub, heart: Heart) -> None:
        """Draining, polls answered, tasks run out, results delivered, offline; heartbeats live through it all."""
        logger.info("Draining: %d tasks run", len(hub.running))
        hub.announce("draining")
        heart.beat()
        for execution in hub.running:
            if not execution.started:
                execution.cancellation.request(Reason.INTERRUPTED)
        polls = asyncio.gather(*(link.drain() for link in hub.links.values()))
        if not await self._within(hub.running.idle.wait(), self._options.grace):
            await self._interrupt(hub)
        if not await self._within(asyncio.shield(polls), None):
            for link in hub.links.values():
                link.abandon_poll()
        await polls
        # The last poll may have brought a task; it is handed back at once.
        await self._within(hub.running.idle.wait(), PATIENCE)
        await self._flush(hub)
        hub.announce("offline")
        await heart.stop()

    async def _interrupt(self, hub: Hub) -> None:
        for execution in hub.running:
            execution.cancellation.request(Reason.INTERRUPTED)
        if await self._within(hub.running.idle.wait(), PATIENCE, HURRY):
            return
        for execution in hub.running:
            logger.warning("Skill %r does not end; its task is handed back", execution.task.type)
            execution.give_up()
        await hub.running.idle.wait()

    async def _flush(self, hub: Hub) -> None:
        for link in hub.links.values():
            if not await self._within(link.delivery.empty.wait(), FLUSH, HURRY):
                kept = "stay in the journal" if hub.journal.durable else "are lost: there is no journal"
                logger.warning("%d results for %s %s", len(link.delivery.owed), link.server, kept)

    async def _within(self, event: Awaitable[object], seconds: float | None, hurried: float = 0.0) -> bool:
        """Whether something came within so many seconds; after a hurry, within `hurried` seconds more."""
        waiting = asyncio.ensure_future(event)
        hurry = asyncio.ensure_future(self._hurried.wait())
        try:
            async with self._clock.timeout(seconds):
                await asyncio.wait((waiting, hurry), return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                async with self._clock.timeout(hurried):
                    await asyncio.wait((waiting,))
        except TimeoutError:
            pass
        finally:
            done = waiting.done()
            for future in (waiting, hurry):
                future.cancel()
            await asyncio.wait((waiting, hurry))
        return done


def _warn_of_strangers(journal: Journal, places: list[Target]) -> None:
    for url in {entry.server for entry in journal} - {target.url for target in places}:
        count = len(journal.owed_to(url))
        logger.warning("The journal holds %d results for %s, which this run does not work for", count, url)


def default_transport() -> AsyncTransport:
    """The network, by aiohttp where the extra `[fast]` is installed."""
    from avtomatika_client import _websocket  # noqa: F401 - here, not when it is first connected to
    from avtomatika_client._transport import HttpxTransport

    return HttpxTransport(fast=True)


class running:  # noqa: N801 - it reads as what it does
    """Run a worker beside the caller's own code: `async with running(…) as run:`; it is drained at the end.

    Raises:
        WorkerConfigError: The settings cannot work, or another process has this identity.
        SupersededError: A newer start of this worker has taken over.
    """

    # A class, not an async generator: one that is left open must not be closed by the loop behind its owner's back.
    def __init__(self, definition: Definition, options: RunOptions) -> None:
        self._definition = definition
        self._options = options
        self._run: Run
        self._serving: asyncio.Task[None]

    async def __aenter__(self) -> Run:
        self._run = run = Run(self._definition, self._options)
        self._serving = asyncio.create_task(run.serve())
        started = asyncio.create_task(run.started.wait())
        try:
            await asyncio.wait((self._serving, started), return_when=asyncio.FIRST_COMPLETED)
            if self._serving.done():
                await self._serving
        except BaseException:
            await self.__aexit__()
            raise
        finally:
            started.cancel()
        return run

    async def __aexit__(self, *_: object) -> None:
        self._run.request_stop()
        await self._serving
