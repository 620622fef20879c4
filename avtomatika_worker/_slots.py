"""How many tasks may run at once, over all orchestrators.

A slot is held by a name, not counted, so it cannot leak: it is free when nobody is on the list. A poll takes no slot
while it waits (an idle orchestrator would starve the others); a task that arrives when all are taken queues for one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable


class Slots:
    """A fair, named semaphore that also says when a place is free.

    Attributes:
        limit: How many there are.
        lent: Tasks that have begun and wait without a place.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.lent = 0
        self._held: set[Hashable] = set()
        self._queue: deque[tuple[Hashable, asyncio.Future[None]]] = deque()
        self._watchers: list[asyncio.Future[None]] = []

    @property
    def taken(self) -> int:
        """Slots whose code is not out yet."""
        return len(self._held)

    @property
    def free(self) -> bool:
        """Whether a task could start at once."""
        return self.places > 0

    @property
    def places(self) -> int:
        """How many tasks could start at once."""
        return 0 if self._queue else self.limit - len(self._held)

    def holds(self, holder: Hashable) -> bool:
        """Whether this holder has a slot."""
        return holder in self._held

    def take_now(self, holder: Hashable) -> bool:
        """Take a slot if that needs no waiting."""
        if self.free:
            self._held.add(holder)
            return True
        return False

    def force(self, holder: Hashable) -> None:
        """Take a slot even where none is free: the holder's code runs, so the slot is taken."""
        self._held.add(holder)

    async def take(self, holder: Hashable, *, first: bool = False) -> None:
        """Take a slot, in the order of asking; cancelling the caller leaves the queue.

        Args:
            holder: Who.
            first: Before everybody who waits.
        """
        if self.take_now(holder):
            return
        place = asyncio.get_running_loop().create_future()
        if first:
            self._queue.appendleft((holder, place))
        else:
            self._queue.append((holder, place))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.release(holder)
            else:
                self._queue = deque(item for item in self._queue if item[1] is not place)
                self._wake()
            raise

    def release(self, holder: Hashable) -> None:
        """Give a slot back; does nothing for a holder that has none."""
        self._held.discard(holder)
        while self._queue and len(self._held) < self.limit:
            next_holder, place = self._queue.popleft()
            if not place.done():
                self._held.add(next_holder)
                place.set_result(None)
        self._wake()

    async def until_free(self) -> None:
        """Wait until a task could start at once."""
        while not self.free:
            watcher = asyncio.get_running_loop().create_future()
            self._watchers.append(watcher)
            try:
                await watcher
            finally:
                if watcher in self._watchers:
                    self._watchers.remove(watcher)

    def _wake(self) -> None:
        if self.free:
            watchers, self._watchers = self._watchers, []
            for watcher in watchers:
                if not watcher.done():
                    watcher.set_result(None)
