"""Loops that do not end: whatever an iteration raises, the next one comes, after a pause."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from avtomatika_worker._backoff import Backoff

logger = logging.getLogger(__name__)


async def supervise(
    name: str, step: Callable[[], Awaitable[bool]], pause: Callable[[float], Awaitable[object]]
) -> None:
    """Repeat `step` until it says False or this task is cancelled; nothing it raises ends the loop.

    Args:
        name: What the loop is, for the log; the same error is told once until the loop works again.
        step: One iteration.
        pause: Waits so many seconds.
    """
    backoff = Backoff()
    told: str | None = None
    while True:
        try:
            if not await step():
                return
        except asyncio.CancelledError as error:
            if _cancelled_from_outside():
                raise
            problem: BaseException = error
        except Exception as error:
            problem = error
        else:
            backoff.reset()
            told = None
            continue
        if told != repr(problem):
            told = repr(problem)
            logger.error("The %s loop failed and goes on", name, exc_info=problem)
        await pause(backoff.next())


def _cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
