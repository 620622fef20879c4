"""Time is injected: whatever waits in client, worker or server waits on a `Clock`.

Only this module names `time.time`, `asyncio.sleep` and their kin (a lint rule holds the others to it), so that a
virtual clock can stand in for all of them at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any


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

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass on the running loop."""
        await asyncio.sleep(seconds)

    def sleep_blocking(self, seconds: float) -> None:
        """Let `seconds` pass in the calling thread."""
        time.sleep(seconds)

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        """An async context that raises `TimeoutError` when its body takes longer than `seconds` (None: never)."""
        return asyncio.timeout(seconds)

    async def wait_any(self, futures: Iterable[asyncio.Future[Any]], seconds: float | None) -> None:
        """Wait until one of `futures` is done or `seconds` have passed (None: without end); none is cancelled."""
        await asyncio.wait(set(futures), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def hold(self) -> AbstractContextManager[None]:
        """Wraps what ends outside the event loop (threads, processes), so that a virtual clock waits for it."""
        return nullcontext()


SYSTEM_CLOCK = Clock()
