"""Sees to it that what is due begins, once.

A run's job is created together with the key `schedule:<id>:<due>`; the schedule's own document is written after it. Who
is killed between finds the key at the next start: nothing runs twice, and nothing is left out.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf, isfinite
from typing import Final

from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite.schedules._book import PREFIX, Book, GoneError
from orchestrator_lite.schedules._entry import Entry, Run
from orchestrator_lite.store import Store, StoreError

log = logging.getLogger(__name__)

AT_ONCE: Final = 50
"""Schedules that are seen to at the same time."""

AGAIN: Final = 1.0
"""Seconds until what failed is tried again."""

KEY_LASTS: Final = 30 * 86_400.0
"""Seconds a run's key is kept; it is looked at again at the next start, before any is forgotten."""


class NoBlueprintError(AvtomatikaError):
    """No such blueprint is loaded."""


Begin = Callable[[Entry, float | None, str | None], Awaitable[str]]
"""Creates the job of a run that was due then (None: asked for) under a key: its id, or that of the key's first job.

Raises NoBlueprintError, StoreError.
"""


class Keeper:
    """Runs the schedules of a book.

    Args:
        book: The schedules.
        store: Where keys lie.
        clock: The time.
        begin: Creates a job.
        is_running: Whether a job has not ended.
        latest: Seconds after which the clock is looked at in any case; it may have been set.
    """

    def __init__(
        self,
        book: Book,
        store: Store,
        clock: Clock,
        *,
        begin: Begin,
        is_running: Callable[[str], Awaitable[bool]],
        latest: float,
    ) -> None:
        self._book = book
        self._store = store
        self._clock = clock
        self._begin = begin
        self._is_running = is_running
        self._latest = latest
        self._failed: dict[str, float] = {}
        self.fires = 0
        """How often something was due."""

    async def recover(self) -> None:
        """Find runs that had begun when the server was killed, before anybody forgets their keys.

        Raises:
            StoreError: The store does not answer.
        """
        now = self._clock.now()
        for entry in self._book.all():
            for due in reversed(entry.missed(now)) if entry.is_due(now) else ():
                taken = await self._store.key(key_of(entry, due))
                if taken is not None:
                    entry.ran(Run(due=due, at=now, job_id=taken.job_id))
                    entry.last_due = due
                    entry.plan(due)
                    await self._book.write(entry)
                    break

    async def run(self) -> None:
        """See to what is due until cancelled; whatever fails is tried again."""
        while True:
            self._book.changed.clear()
            await self._look()
            await self._rest()

    async def run_now(self, entry: Entry) -> str:
        """Begin a job of a schedule now, whatever its times say; they stay as they are.

        Returns:
            The job's id.

        Raises:
            NoBlueprintError: Its blueprint is not loaded.
            StoreError: The job could not be stored.
        """
        job_id = await self._begin(entry, None, None)
        with suppress(StoreError, GoneError):  # the job has begun; only its mention is missing
            async with self._book.turn(entry) as current:
                changed = copy.copy(current)
                changed.ran(Run(due=None, at=self._clock.now(), job_id=job_id))
                await self._book.write(changed)
        return job_id

    async def _look(self) -> None:
        now = self._clock.now()
        for entry in self._book.all():
            if entry.last_due is not None and entry.last_due > now:
                entry.last_due = now  # the clock was set back; what ran already is known by its key
                entry.plan(now)
        due = [entry for entry in self._book.all() if entry.is_due(now) and self._patience(entry, now) <= 0]
        for start in range(0, len(due), AT_ONCE):
            await asyncio.gather(*(self._serve(entry) for entry in due[start : start + AT_ONCE]))

    async def _serve(self, entry: Entry) -> None:
        self._failed.pop(entry.id, None)
        try:
            async with self._book.turn(entry) as current:
                now = self._clock.now()
                if current.is_due(now):
                    await self._see_to(current, now)
        except GoneError:
            return
        except StoreError as error:
            log.warning("schedule %s waits: %s", entry.id, error)
            self._failed[entry.id] = self._clock.now()
        except Exception:
            log.exception("schedule %s waits: it failed", entry.id)
            self._failed[entry.id] = self._clock.now()

    async def _see_to(self, entry: Entry, now: float) -> None:
        """Begin what is due, then write down that it has begun."""
        changed = copy.copy(entry)
        for due in entry.missed(now):
            changed.ran(await self._one_run(changed, due))
            changed.last_due = due
        self.fires += 1
        changed.plan(now)
        await self._book.write(changed)

    async def _one_run(self, entry: Entry, due: float) -> Run:
        now = self._clock.now()
        last = entry.last_job
        if entry.definition.overlap == "skip" and last is not None and await self._is_running(last):
            return Run(due=due, at=now, skipped=f"job {last} of an earlier run is still running")
        try:
            job_id = await self._begin(entry, due, key_of(entry, due))
        except NoBlueprintError as error:
            log.error("schedule %s: %s", entry.id, error)
            return Run(due=due, at=now, skipped=str(error))
        return Run(due=due, at=now, job_id=job_id)

    def _patience(self, entry: Entry, now: float) -> float:
        """Seconds until one that failed is tried again."""
        return AGAIN - abs(now - self._failed[entry.id]) if entry.id in self._failed else 0.0

    async def _rest(self) -> None:
        """Until something is due, or has been changed, or the clock should be looked at."""
        wait = self._latest
        while not self._book.changed.is_set() and (pause := min(wait, self._pause())) > 0:
            with suppress(TimeoutError):
                async with self._clock.timeout(pause if isfinite(pause) else None, upkeep=True):
                    await self._book.changed.wait()
            wait -= pause

    def _pause(self) -> float:
        """Seconds until something is due."""
        now = self._clock.now()
        waits = (
            max(entry.next_at - now, self._patience(entry, now))
            for entry in self._book.all()
            if entry.next_at is not None and not entry.paused
        )
        return min(waits, default=inf)


def key_of(entry: Entry, due: float) -> str:
    """The key of a run's job: there is one job of it at most."""
    return f"{PREFIX}{entry.id}:{due:.3f}"
