"""Watches what time brings: timers of jobs, leases that end. It sleeps until the next of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf, isfinite

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.store import Due, Store, StoreError

log = logging.getLogger(__name__)

LATEST = 60.0
"""Seconds after which it looks again even when nothing is expected: another process may have written."""

SHORTEST = 0.01
"""Seconds between two looks."""

OVERSLEPT = 2.0
"""Seconds by which waking late means that this process was held up: others were not silent, it did not listen."""


class Timekeeper:
    """One loop over `Store.due`.

    Args:
        store: Where timers and leases lie.
        clock: The time.
        before: Awaited before each look: renewals that were noted in memory are written.
        answer: What to do about what is due; every timer and lease in it must be ended by a commit, or it comes
            again.
        overslept: Awaited when this process was held up (stopped, starved, blocked by a handler), before leases are
            judged by a silence that may have been its own.
        latest: Seconds after which it looks again in any case; without end where nobody else can write.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        before: Callable[[], Awaitable[None]],
        answer: Callable[[Due], Awaitable[None]],
        overslept: Callable[[], Awaitable[None]],
        latest: float = LATEST,
    ) -> None:
        self._store = store
        self._clock = clock
        self._before = before
        self._answer = answer
        self._overslept = overslept
        self._latest = latest
        self._poke = asyncio.Event()
        self._poked_at = inf
        self._wake_at = 0.0

    def expect(self, at: float | None) -> None:
        """Something will be due at `at` (UTC seconds)."""
        if at is not None and at < self._wake_at:
            self._wake_at = at
            if not self._poke.is_set():
                self._poked_at = asyncio.get_running_loop().time()
                self._poke.set()

    async def run(self) -> None:
        """Watch until cancelled; whatever fails is tried again, for nobody else watches."""
        late = False
        while True:
            try:
                if late:
                    await self._overslept()
                await self._look()
            except StoreError as error:
                log.warning("timers wait: %s", error)
                self._wake_at = self._clock.now() + 1.0
            except Exception:
                log.exception("timers wait: an answer failed")
                self._wake_at = self._clock.now() + 1.0
            late = await self._rest()

    async def _look(self) -> None:
        self._wake_at = inf
        await self._before()
        due = await self._store.due(self._clock.now())
        if due.timers or due.lapsed:
            await self._answer(due)
        now = self._clock.now()
        latest = now + self._latest if due.next_at is None else min(due.next_at, now + self._latest)
        self._wake_at = min(self._wake_at, latest)

    async def _rest(self) -> bool:
        """Until the next thing is due; a short pause at least, so that what cannot be answered does not spin.

        Returns:
            Whether it woke much later than it should have. That is measured by the loop's own time: a clock that is set
            forward makes nobody late.
        """
        loop = asyncio.get_running_loop()
        planned = loop.time() + SHORTEST
        await self._clock.sleep(SHORTEST, upkeep=True)
        late = loop.time() > planned + OVERSLEPT
        while (pause := self._wake_at - self._clock.now()) > 0:
            self._poke.clear()
            self._poked_at = inf
            planned = loop.time() + pause
            with suppress(TimeoutError):
                async with self._clock.timeout(pause if isfinite(pause) else None, upkeep=True):
                    await self._poke.wait()
            late = late or loop.time() > min(planned, self._poked_at) + OVERSLEPT
        return late
