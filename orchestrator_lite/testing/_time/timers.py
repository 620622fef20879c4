"""The timers of an event loop, told apart: work that will be done, and upkeep that goes on for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

_UPKEEP: Final[ContextVar[bool]] = ContextVar("orchestrator_lite_upkeep", default=False)
"""Set while a timer is being made: a timer keeps the context it was made in."""


@contextmanager
def marked(flag: bool) -> Iterator[None]:
    """Timers made in this block are upkeep, or are not."""
    if not flag:
        yield
        return
    token = _UPKEEP.set(True)
    try:
        yield
    finally:
        _UPKEEP.reset(token)


class UpkeepTimeout(asyncio.Timeout):  # type: ignore[misc]  # final for good reasons; only its timer is marked here
    """A timeout whose timer is upkeep; what its block starts is not."""

    def reschedule(self, when: float | None) -> None:
        """Move the deadline."""
        with marked(True):
            super().reschedule(when)


def is_upkeep(handle: asyncio.TimerHandle) -> bool:
    """Whether a timer was made as upkeep."""
    context: Any = handle._context  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio shows it nowhere else
    return bool(context.get(_UPKEEP, False))


class Rounds:
    """Tells when waiting is in vain: only upkeep is left, and all of it has come round twice without an effect."""

    NEEDED: Final = 2

    def __init__(self) -> None:
        self._mark: object = None
        self._ends = 0.0
        self._done = -1

    def in_vain(self, timers: list[asyncio.TimerHandle], mark: object) -> bool:
        """Whether nothing will come of the timers that are left.

        Args:
            timers: All timers that are pending.
            mark: Anything that differs from the last time's when there was an effect since.
        """
        if not timers:
            return True
        if mark != self._mark or not all(is_upkeep(timer) for timer in timers):
            self._mark, self._done = mark, -1
            if not all(is_upkeep(timer) for timer in timers):
                return False
        if self._done < 0 or min(timer.when() for timer in timers) > self._ends:
            self._done += 1
            self._ends = max(timer.when() for timer in timers)
        return self._done >= self.NEEDED
