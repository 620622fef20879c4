"""The virtual clock: an hour passes in a moment, and everything that was due in it has happened in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock
from orchestrator_lite.testing._errors import ClockError, NeverEndsError
from orchestrator_lite.testing._time.loop import VirtualLoop
from orchestrator_lite.testing._time.timers import Rounds, UpkeepTimeout, marked

PATIENCE: Final = 10.0
"""Real seconds a wait may take."""

AGAIN: Final = 1.0
"""Real seconds what comes after may take, such as a clean-up, once patience has run out."""

_SLICE: Final = 1.0
"""The most that one turn of the loop counts: a turn that takes longer blocks, or stands in a debugger; none waits."""

_STEP: Final = 0.5
"""Real seconds after which a step of the test is the end of a wait for something real, and counts as progress."""

GRAIN: Final = 1e-8
"""The shortest time that is waited: a loop takes a timer that is due within its own resolution, a tenth of this, for
due now, and whoever waits again for what is left then would do so for ever, because no time passes."""

InVain = Callable[[str | None], None]
"""Told that a wait cannot end; the text says why, where it is not that nothing is left to happen."""


class VirtualClock(Clock):
    """A clock that the event loop follows: while it is installed, every timer of that loop does.

    It stands still while the test runs. When the test waits and everything has settled, it jumps to the next timer,
    so that waiting for a job costs no real time. `advance` lets an hour pass, timer by timer.

    Args:
        start: UTC wall time it begins with, seconds since 1970; default: the real time.
    """

    def __init__(self, start: float | None = None) -> None:
        self._start = SYSTEM_CLOCK.now() if start is None else start
        self._elapsed = 0.0
        self._guide: _Guide | None = None

    def now(self) -> float:
        """UTC wall time in seconds since 1970."""
        return self._start + self.elapsed

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        return self.elapsed

    @property
    def elapsed(self) -> float:
        """Seconds that have passed on this clock."""
        return self._elapsed if self._guide is None else self._guide.elapsed

    async def advance(
        self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0
    ) -> None:
        """Let time pass, firing every timer of server, worker, client and test in order; all of it has settled then.

        Args:
            seconds: The arguments add up.
            minutes: Sixty seconds each.
            hours: Sixty minutes each.
            days: Twenty-four hours each.

        Raises:
            ClockError: Time would go back, or the clock is not in use yet.
        """
        distance = seconds + 60 * (minutes + 60 * (hours + 24 * days))
        if not 0 <= distance < float("inf"):
            raise ClockError(f"time cannot be moved by {distance:g} s: it only goes forward")
        await self._installed().travel(distance)

    async def sleep(self, seconds: float, *, upkeep: bool = False) -> None:
        """Let `seconds` pass on the running loop."""
        with marked(upkeep):
            await SYSTEM_CLOCK.sleep(_grained(seconds))

    def timeout(self, seconds: float | None, *, upkeep: bool = False) -> asyncio.Timeout:
        """An async context that raises `TimeoutError` when its body takes longer than `seconds` (None: never)."""
        if not upkeep or seconds is None:
            return SYSTEM_CLOCK.timeout(seconds)
        return UpkeepTimeout(asyncio.get_running_loop().time() + seconds)

    async def wait_any(
        self, futures: Iterable[asyncio.Future[Any]], seconds: float | None, *, upkeep: bool = False
    ) -> None:
        """Wait until one of `futures` is done or `seconds` have passed (None: without end); none is cancelled."""
        with marked(upkeep):
            await SYSTEM_CLOCK.wait_any(futures, None if seconds is None else _grained(seconds))

    def ends_within(self, seconds: float | None) -> AbstractContextManager[None]:
        """Wraps a wait made of upkeep that is given up after `seconds`: it does end."""
        return nullcontext() if seconds is None else _pending(seconds)

    def hold(self) -> AbstractContextManager[None]:
        """Wraps what ends outside the event loop: time stands still until it has."""
        return nullcontext() if self._guide is None else self._guide.loop.holding()

    def install(self, task: asyncio.Task[Any] | None, *, effects: Callable[[], object], in_vain: InVain) -> None:
        """Take over the running loop.

        Args:
            task: The test's.
            effects: Something that is another whenever something has happened, such as a count of commits.
            in_vain: Told of a wait that cannot end.

        Raises:
            ClockError: The loop cannot follow.
        """
        self._guide = _Guide(asyncio.get_running_loop(), task, effects, in_vain, self._elapsed)

    def uninstall(self) -> None:
        """Give the loop its own clock back; this one stands still from now on."""
        guide, self._guide = self._guide, None
        if guide is not None:
            self._elapsed = guide.elapsed
            guide.loop.release()

    def attend(self, task: asyncio.Task[Any] | None) -> None:
        """From now on this task is the test, whose steps count as progress."""
        if self._guide is not None:
            self._guide.loop.task = task

    @property
    def is_installed(self) -> bool:
        """Whether a loop follows it."""
        return self._guide is not None

    def _installed(self) -> _Guide:
        if self._guide is None:
            raise ClockError("this clock is not in use: it belongs to an orchestrator that has ended or not begun")
        return self._guide


class _Guide:
    """Decides where the time of one loop goes."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        task: asyncio.Task[Any] | None,
        effects: Callable[[], object],
        in_vain: InVain,
        elapsed: float,
    ) -> None:
        self.loop = VirtualLoop(loop, self, task, PATIENCE)
        self._effects = effects
        self._in_vain = in_vain
        self._zero = self.loop.time - elapsed
        self._rounds = Rounds()
        self._target: float | None = None
        self._arrived: asyncio.Future[None] | None = None
        self._spent = 0.0
        self._since_step = 0.0
        self._doubted_at: int | None = None
        self._seen: tuple[object, int] = (None, 0)
        self.is_hopeless = False

    @property
    def elapsed(self) -> float:
        """Seconds since the clock's beginning."""
        return round(self.loop.time - self._zero, 9)

    async def travel(self, distance: float) -> None:
        """Move time on by so much, and no farther."""
        if self._arrived is not None:
            raise ClockError("time is being moved already: await one advance() before the next")
        self._spent = 0.0
        self._target = self.loop.time + distance
        self._arrived = asyncio.get_running_loop().create_future()
        try:
            await self._arrived
        finally:
            self._target = self._arrived = None

    def settled(self, timers: list[asyncio.TimerHandle]) -> float | None:
        """Jump to the next timer; with a target, not beyond it; never in vain."""
        due = min((timer.when() for timer in timers), default=None)
        if self._arrived is not None and self._target is not None:
            if due is not None and due <= self._target:
                return due
            if not self._arrived.done():
                self._arrived.set_result(None)
            return self._target
        if due is None or self._rounds.in_vain(timers, self._effects()):
            if self._doubted_at != self.loop.wakes:
                self._doubted_at = self.loop.wakes
                self.loop.linger()
                return None
            self._doubted_at = None
            self._rounds = Rounds()
            self._in_vain(None)
            return None
        return due

    def waited(self, seconds: float) -> bool:
        """Count the real time the test waits without any effect; beyond the patience that is in vain, too."""
        if self._has_progressed():
            self._spent = 0.0
        counted = min(seconds, _SLICE)
        self._spent += counted
        self._since_step += counted
        if self._spent < (AGAIN if self.is_hopeless else PATIENCE):
            return False
        self._spent = 0.0
        self.is_hopeless = True
        left = (self._target or 0.0) - self.loop.time
        far = f"advance() has {left:g} s to go after {PATIENCE:g} real seconds: move time in smaller steps"
        self._given_up(f"nothing came of it in {PATIENCE:g} real seconds", far)
        return True

    def blocked(self, by: str) -> None:
        """What blocked the loop was ended; what waits for it is in vain."""
        self._given_up(by, by)

    def _given_up(self, waiting: str, moving: str) -> None:
        if self._arrived is None or self._arrived.done():
            self._in_vain(waiting)
        else:
            self._arrived.set_exception(NeverEndsError(moving))

    def _has_progressed(self) -> bool:
        """Whether there was an effect since the last time, or the test went on after a wait for something real."""
        (seen, waiter), self._seen = self._seen, (self._effects(), id(getattr(self.loop.task, "_fut_waiter", None)))
        if waiter == self._seen[1]:
            return seen != self._seen[0]
        waited, self._since_step = self._since_step, 0.0
        return seen != self._seen[0] or waited > _STEP


@contextmanager
def _pending(seconds: float) -> Iterator[None]:
    timer = asyncio.get_running_loop().call_later(seconds, _nothing)
    try:
        yield
    finally:
        timer.cancel()


def _grained(seconds: float) -> float:
    return max(seconds, GRAIN) if seconds > 0 else seconds


def _nothing() -> None:
    """A timer that only stands for a deadline."""
