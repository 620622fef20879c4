"""Progress on its way to the socket: the latest word of each task, and no queue behind it."""

from __future__ import annotations

import asyncio
import contextlib

from avtomatika_client.protocol.worker import Task
from avtomatika_worker._wire import progress_frame


class Progress:
    """What one orchestrator should be told next about its running tasks; `put` may be called from any thread."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[Task, float, str | None]] = {}
        self._loop = asyncio.get_running_loop()
        self._told = False
        self.arrived = asyncio.Event()

    def put(self, task: Task, fraction: float, message: str | None) -> None:
        """Replace what was to be told of this task."""
        self._latest[task.task_id] = (task, fraction, message)
        if not self._told:
            self._told = True
            # A function may outlive its worker's loop in its thread.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.arrived.set)

    def forget(self, task_id: str) -> None:
        """The task has its result."""
        self._latest.pop(task_id, None)

    def take(self) -> list[str]:
        """The frames to send now."""
        # In this order: a word that comes in between sets the flag again.
        self._told = False
        self.arrived.clear()
        frames = []
        for task_id in list(self._latest):
            if (item := self._latest.pop(task_id, None)) is not None:
                task, fraction, message = item
                frames.append(progress_frame(task.task_id, task.job_id, task.attempt, fraction, message))
        return frames
