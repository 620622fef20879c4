"""One event loop in a thread of its own, for the servers of a session."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import FrameType
from typing import Any, Final, TypeVar

from orchestrator_lite.testing._around.awaits import DEPTH
from orchestrator_lite.testing._errors import BlockedError
from orchestrator_lite.testing._places import is_ours, is_python

T = TypeVar("T")

BOUND: Final = 2.5
"""Seconds a test waits for the thread."""


class Background:
    """A thread with an event loop. A daemon: blocked code in it does not keep the session from ending.

    Attributes:
        is_blocked: Whether it has stopped answering; then it is of no more use.
    """

    def __init__(self) -> None:
        self.is_blocked = False
        self._late: list[Future[Any]] = []
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._stop: asyncio.Event
        self._thread = threading.Thread(target=self._main, name="live-orchestrator", daemon=True)
        self._thread.start()
        self._loop = self._started.result(BOUND)

    def run(self, coroutine: Coroutine[Any, Any, T], seconds: float = BOUND) -> T:
        """Run a coroutine there and wait for it here.

        Args:
            coroutine: What to run.
            seconds: How long to wait.

        Raises:
            BlockedError: It did not end in time; the message says what blocks.
        """
        running = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return running.result(seconds)
        except TimeoutError:
            if running.done():
                raise
            self.is_blocked = True
            self._late.append(running)
            raise BlockedError(self._diagnosis(seconds)) from None
        except BaseException:  # Ctrl-C
            running.cancel()
            raise

    def call(self, function: Callable[[], T]) -> T:
        """Call a function there; what it raises is raised here."""

        async def calling() -> T:
            return function()

        return self.run(calling())

    def stop(self) -> None:
        """End the thread, if it answers."""
        if not self.is_blocked:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(BOUND)

    def abandon(self, last: Coroutine[Any, Any, None]) -> None:
        """Should it ever come to itself, let it finish what it was told, then run `last`, and end."""

        async def ending() -> None:
            try:
                await asyncio.wait([asyncio.wrap_future(each) for each in self._late])
                await last
            finally:
                self._stop.set()

        asyncio.run_coroutine_threadsafe(ending(), self._loop)

    def _main(self) -> None:
        sys.set_coroutine_origin_tracking_depth(DEPTH)  # each thread has its own
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop, debug=False) as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._stop = asyncio.Event()
        self._started.set_result(asyncio.get_running_loop())
        await self._stop.wait()

    def _diagnosis(self, seconds: float) -> str:
        frame = sys._current_frames().get(self._thread.ident or 0)  # noqa: SLF001 - documented, for debuggers
        while frame is not None and not _is_users(frame):
            frame = frame.f_back
        if frame is None:
            return f"live_orchestrator did not stop within {seconds:g} s"
        code = frame.f_code
        return (
            f"{code.co_filename}:{frame.f_lineno}: {code.co_name}() has blocked the event loop of live_orchestrator "
            f"for {seconds:g} s: await in it, or make it a plain `def` skill"
        )


def _is_users(frame: FrameType) -> bool:
    return not (is_ours(frame.f_code.co_filename) or is_python(frame.f_code.co_filename))
