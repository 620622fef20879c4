"""Fourth stage: wait for the code, for its deadline, or for the word that nobody waits any more."""

from __future__ import annotations

import asyncio
from typing import Final

from avtomatika_client.protocol.clock import Clock
from avtomatika_worker._cancel import Cancellation, Reason
from avtomatika_worker._executors import Outcome, outcome_of

LATE: Final = 2.0
"""Seconds code that was told to end at its deadline may still bring its value."""


async def execute(
    code: asyncio.Future[Outcome],
    given_up: asyncio.Future[None],
    cancellation: Cancellation,
    seconds: float | None,
    clock: Clock,
) -> Outcome | None:
    """How the code ended; None when it still runs but is not waited for any longer.

    Args:
        code: The running code.
        given_up: Done when the worker can wait no more.
        cancellation: Through which the code is told to end.
        seconds: Until its deadline.
        clock: The time.
    """
    if not await _any(code, given_up, seconds, clock):
        cancellation.request(Reason.TIMEOUT)
        # Code that had been cancelled before keeps that reason, and `cancelled` is only said when it is true.
        await _any(code, given_up, LATE if cancellation.reason is Reason.TIMEOUT else None, clock)
    return outcome_of(code) if code.done() else None


async def _any(
    code: asyncio.Future[Outcome], given_up: asyncio.Future[None], limit: float | None, clock: Clock
) -> bool:
    await clock.wait_any((code, given_up), limit)
    return code.done() or given_up.done()
