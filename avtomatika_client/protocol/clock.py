"""Time is injected: whatever waits in client, worker or server waits on a `Clock`.

Only this module names `time.time`, `asyncio.sleep` and their kin (a lint rule holds the others to it), so that a
virtual clock can stand in for all of them at once.

Waits are of two kinds. *Work* is what a job waits for: timeouts, retries, delays. *Upkeep* goes on for ever whether
anything happens or not: heartbeats, held polls, asking again. A virtual clock that has only upkeep left knows that
nothing will ever happen; the machine's own clock makes no difference.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

HOLD: Final = "avtomatika_hold"
"""The attribute by which an event loop on virtual time offers what `Clock.hold` gives."""


class Clock:
    """The machine's own clock.

    `now` is UTC wall time and is what may be stored; `monotonic` never jumps and is what in-memory deadlines use.
    """

    def now(self) -> float:
        """UTC wall time in seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float, *, upkeep: bool = False) -> None:  # noqa: ARG002 - for virtual clocks
        """Let `seconds` pass on the running loop."""
        await asyncio.sleep(seconds)

    def sleep_blocking(self, seconds: float) -> None:
        """Let `seconds` pass in the calling thread."""
        time.sleep(seconds)

    def timeout(self, seconds: float | None, *, upkeep: bool = False) -> asyncio.Timeout:  # noqa: ARG002
        """An async context that raises `TimeoutError` when its body takes longer than `seconds` (None: never)."""
        return asyncio.timeout(seconds)

    async def wait_any(
        self,
        futures: Iterable[asyncio.Future[Any]],
        seconds: float | None,
        *,
        upkeep: bool = False,  # noqa: ARG002
    ) -> None:
        """Wait until one of `futures` is done or `seconds` have passed (None: without end); none is cancelled."""
        await asyncio.wait(set(futures), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def ends_within(self, seconds: float | None) -> AbstractContextManager[None]:  # noqa: ARG002
        """Wraps a wait made of upkeep that is given up after `seconds` (None: never): a virtual clock lets it."""
        return nullcontext()

    def hold(self) -> AbstractContextManager[None]:
        """Wraps what ends outside the event loop (threads, processes), so that a virtual clock waits for it.

        The one that counts is the running loop's: whoever goes by another clock there is waited for as well.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return nullcontext()
        held: AbstractContextManager[None] = getattr(loop, HOLD, nullcontext)()
        return held


SYSTEM_CLOCK = Clock()
