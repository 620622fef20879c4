"""A clock that runs as the machine's does, and jumps ahead when a test says so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from collections.abc import Iterable


class JumpingClock(Clock):
    """Real time plus what was jumped; whatever waits on it wakes when a jump passes its deadline.

    A jump must keep a second's distance from the moment it is about, because real time goes on under it. One loop
    only.
    """

    def __init__(self) -> None:
        self._ahead = 0.0
        self._jumps: set[asyncio.Future[None]] = set()
        self._timeouts: WeakKeyDictionary[asyncio.Timeout, float] = WeakKeyDictionary()

    def jump(self, seconds: float) -> None:
        """Let `seconds` pass at once."""
        self._ahead += seconds
        for waiter in self._jumps:
            if not waiter.done():
                waiter.set_result(None)
        self._jumps.clear()
        loop = asyncio.get_running_loop()
        for timeout, deadline in list(self._timeouts.items()):
            try:
                timeout.reschedule(loop.time() + max(deadline - self.monotonic(), 0.0))
            except RuntimeError:  # it has not been entered, or has ended
                continue

    def now(self) -> float:
        """UTC wall time, with the jumps."""
        return SYSTEM_CLOCK.now() + self._ahead

    def monotonic(self) -> float:
        """Monotonic time, with the jumps."""
        return SYSTEM_CLOCK.monotonic() + self._ahead

    async def sleep(self, seconds: float, *, upkeep: bool = False) -> None:
        """Let `seconds` pass, or be jumped over."""
        if seconds <= 0:
            await SYSTEM_CLOCK.sleep(0)
        else:
            await self.wait_any((), seconds)

    def timeout(self, seconds: float | None, *, upkeep: bool = False) -> asyncio.Timeout:
        """A timeout that a jump brings nearer."""
        timeout = SYSTEM_CLOCK.timeout(seconds)
        if seconds is not None:
            self._timeouts[timeout] = self.monotonic() + seconds
        return timeout

    async def wait_any(
        self, futures: Iterable[asyncio.Future[Any]], seconds: float | None, *, upkeep: bool = False
    ) -> None:
        """Wait until a future is done, or `seconds` have passed or been jumped over."""
        wanted = set(futures)
        until = None if seconds is None else self.monotonic() + seconds
        while True:
            left = None if until is None else max(until - self.monotonic(), 0.0)
            jumped = asyncio.get_running_loop().create_future()
            self._jumps.add(jumped)
            try:
                await SYSTEM_CLOCK.wait_any({*wanted, jumped}, left)
            finally:
                self._jumps.discard(jumped)
            if any(future.done() for future in wanted) or (until is not None and until <= self.monotonic()):
                return
