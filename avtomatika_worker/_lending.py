"""A task that only waits for its calls gives its places to others, and takes them back before it goes on.

So an agent and the tools it calls get along on one worker with a single slot. A task waits while any of its calls
does: code that goes on after one of several calls goes on without a place, which is better than to wait for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

CROWD: Final = 16
"""Tasks that may wait without a place, for each slot, before more are taken only slowly."""


def restraint(lent: int, limit: int) -> float:
    """Seconds to hold back before the next task is asked for.

    A worker whose tools run elsewhere would begin every agent in the queue. It never stops asking, since what its
    tasks wait for may need this very worker, and tasks of calls come first; but the more wait, the slower it asks.

    Args:
        lent: Tasks that wait without a place.
        limit: The worker's slots.
    """
    crowd = lent / (CROWD * limit)
    return crowd * crowd if crowd >= 1 else 0.0


@dataclass(frozen=True, slots=True)
class Places:
    """The places of one running task.

    Attributes:
        leave: Gives them back.
        take: Waits for them, before those that have not begun.
        force: Takes them even where there are none: its code runs.
        aside: Held while its thread, if it has one, only waits.
        lent: Told by how many the tasks that wait without a place have become more.
    """

    leave: Callable[[], None]
    take: Callable[[], Awaitable[None]]
    force: Callable[[], None]
    aside: Callable[[], AbstractContextManager[None]] = nullcontext
    lent: Callable[[int], None] = lambda _: None


class Lending:
    """The places of one task while its calls wait."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._waits = 0
        self._held = True
        self._over = False
        self._taking = asyncio.Lock()
        self._aside: AbstractContextManager[None] | None = None

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Around a wait for a call; at its end the task has its places again, unless other calls of it wait."""
        self._begin()
        cancelled = False
        try:
            yield
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            self._waits -= 1
            await self._resume(cancelled=cancelled)

    def over(self) -> None:
        """The task's code is out: nothing is taken for it any more."""
        if not (self._held or self._over):
            self._places.lent(-1)
        self._over = True

    def _begin(self) -> None:
        self._waits += 1
        if self._held and not self._over:
            self._lend()

    def _lend(self) -> None:
        self._held = False
        self._aside = self._places.aside()
        self._aside.__enter__()
        self._places.lent(1)
        self._places.leave()

    async def _resume(self, *, cancelled: bool) -> None:
        """Take the places back; code that was cancelled goes on at once, if only to end."""
        try:
            if not cancelled:
                await self._take_back()
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            if cancelled and self._wanted:
                self._places.force()
                self._hold()

    async def _take_back(self) -> None:
        async with self._taking:
            while self._wanted:
                await self._places.take()
                if self._over:
                    self._places.leave()
                    return
                self._hold()
                if self._waits:
                    self._lend()

    @property
    def _wanted(self) -> bool:
        return not (self._held or self._waits or self._over)

    def _hold(self) -> None:
        self._held = True
        self._places.lent(-1)
        if self._aside is not None:
            self._aside.__exit__(None, None, None)
            self._aside = None
