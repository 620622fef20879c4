"""The one token through which a running task learns that it should end, and why."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum


class Reason(Enum):
    """Why a task should end before it is done."""

    CANCELLED = "cancelled"
    """The orchestrator asked for it."""
    TIMEOUT = "timeout"
    """Its deadline passed."""
    INTERRUPTED = "interrupted"
    """The worker is going down."""


class Cancellation:
    """Set once, on the worker's loop; may be read from any thread."""

    __slots__ = ("_stop", "_watchers", "reason")

    def __init__(self) -> None:
        self.reason: Reason | None = None
        self._stop: Callable[[], object] | None = None
        self._watchers: list[Callable[[], object]] = []

    @property
    def requested(self) -> bool:
        """Whether the task should end."""
        return self.reason is not None

    def request(self, reason: Reason) -> None:
        """Ask the task to end; the first reason stays."""
        if self.reason is None:
            self.reason = reason
            if self._stop is not None:
                self._stop()
            for watcher in self._watchers:
                watcher()

    def bind(self, stop: Callable[[], object]) -> None:
        """Call `stop` when the task should end; at once when that has already been said."""
        self._stop = stop
        if self.reason is not None:
            stop()

    def watch(self, stop: Callable[[], object]) -> None:
        """Call `stop`, too, when the task should end; at once when that has already been said."""
        self._watchers.append(stop)
        if self.reason is not None:
            stop()
