"""Lets an alarm, which is how pytest-timeout ends a test, strike the test and not whatever the loop is just doing.

What a signal's handler raises comes up in the code that it finds running. In an event loop that is rarely the test:
it would be some task of the server, which takes it for a failure of its own, or the loop itself.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

AGAIN: Final = 5.0
"""Seconds after which an alarm strikes in place, for the loop did not come to it."""


@contextmanager
def alarms_strike(task: asyncio.Task[Any]) -> Iterator[list[BaseException]]:
    """Until the end of the block an alarm cancels `task`; what its handler has raised is in the list then."""
    raised: list[BaseException] = []
    number = getattr(signal, "SIGALRM", None)  # not on Windows
    handler = None if number is None else signal.getsignal(number)
    if number is None or not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield raised
        return
    loop = task.get_loop()

    def strike(number: int, frame: FrameType | None) -> None:
        if raised or asyncio.current_task(loop) is task:
            handler(number, frame)
            return
        try:
            handler(number, frame)
        except BaseException as error:
            raised.append(error)
            loop.call_soon_threadsafe(task.cancel)
            signal.setitimer(signal.ITIMER_REAL, AGAIN)

    signal.signal(number, strike)
    try:
        yield raised
    finally:
        signal.signal(number, handler)
