"""Ends code that blocks the event loop of a test, such as a `time.sleep` in an async skill.

A thread looks on; what blocks is in the main thread, where only a signal reaches it. The signal is SIGURG, which by
default does nothing: one that comes too late does no harm.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, Protocol

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.testing._errors import NeverEndsError
from orchestrator_lite.testing._places import is_ours, is_python

LOOKS_EVERY: Final = 0.25
"""Real seconds."""
_SIGNAL: Final = getattr(signal, "SIGURG", None)  # not on Windows
_DEBUGGERS: Final = ("bdb", "pdb", "pydevd", "debugpy")


class Turning(Protocol):
    """A loop that can be looked at from another thread."""

    turn_began: float | None
    """When its present turn began, by the machine's monotonic clock; None while it waits."""
    patience: float
    """Real seconds a turn may take."""
    task: asyncio.Task[Any] | None
    """The test's."""
    blocked: str | None
    """What has blocked it, told by the sentinel."""


class Sentinel:
    """Looks after the loops of tests, one at a time or one inside the other; one per process."""

    def __init__(self) -> None:
        self._watched: list[Turning] = []
        self._needed = threading.Event()
        self._thread: threading.Thread | None = None
        self._before: Any = None

    def watch(self, loop: Turning) -> Callable[[], None]:
        """Look after a loop of the main thread, until what is returned is called."""
        if _SIGNAL is None or threading.current_thread() is not threading.main_thread():
            return _nothing
        if not self._watched:
            self._before = signal.signal(_SIGNAL, self._struck)
        self._watched.append(loop)
        self._needed.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look, name="orchestrator-lite-sentinel", daemon=True)
            self._thread.start()
        return lambda: self._leave(loop)

    def _leave(self, loop: Turning) -> None:
        if loop not in self._watched:
            return
        self._watched.remove(loop)
        if not self._watched:
            self._needed.clear()
            if _SIGNAL is not None and threading.current_thread() is threading.main_thread():
                signal.signal(_SIGNAL, self._before)

    def _look(self) -> None:
        main = threading.main_thread().ident
        while main is not None and _SIGNAL is not None:
            self._needed.wait()
            SYSTEM_CLOCK.sleep_blocking(LOOKS_EVERY)
            if any(_is_blocked(loop) for loop in list(self._watched)):
                signal.pthread_kill(main, _SIGNAL)

    def _struck(self, _: int, frame: FrameType | None) -> None:
        for loop in self._watched:
            if not _is_blocked(loop):
                continue
            loop.turn_began = SYSTEM_CLOCK.monotonic()
            if _is_debugged(frame):
                return
            told = f"{_place(frame)} has blocked the event loop for {loop.patience:g} real seconds: await in it, or "
            told += "make it a plain `def` skill"
            if _current_task() is not loop.task:
                loop.blocked = told
            raise NeverEndsError(told)


SENTINEL: Final = Sentinel()


def _is_blocked(loop: Turning) -> bool:
    began = loop.turn_began
    return began is not None and SYSTEM_CLOCK.monotonic() - began > loop.patience


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _is_debugged(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in _DEBUGGERS:
            return True
        frame = frame.f_back
    return False


def _place(frame: FrameType | None) -> str:
    while frame is not None and (is_ours(frame.f_code.co_filename) or is_python(frame.f_code.co_filename)):
        frame = frame.f_back
    return "something" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}: {frame.f_code.co_name}()"


def _nothing() -> None:
    """There is nobody to look after."""
