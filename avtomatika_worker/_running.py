"""The tasks that are ours just now: what heartbeats name and cancels reach."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from avtomatika_client.protocol.worker import Task
from avtomatika_worker._cancel import Cancellation, Reason


class Execution:
    """One task from its receipt to its result.

    Attributes:
        task: The task; replaced when it is handed out again while it still runs here.
        server: Where it came from.
        cancellation: Through which it is told to end.
        given_up: Done when its code is not waited for any longer.
        started: Whether its code has begun.
    """

    __slots__ = ("cancellation", "given_up", "server", "started", "task")

    def __init__(self, task: Task, server: str) -> None:
        self.task = task
        self.server = server
        self.cancellation = Cancellation()
        self.started = False
        self.given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def give_up(self) -> None:
        """Wait for its code no longer."""
        if not self.given_up.done():
            self.given_up.set_result(None)


class Running:
    """The executions of all orchestrators."""

    def __init__(self) -> None:
        self._by_task: dict[tuple[str, str], Execution] = {}
        self.idle = asyncio.Event()
        self.idle.set()

    def adopt(self, task: Task, server: str) -> Execution | None:
        """Start an execution; None when the task runs here already: its result then answers this hand-out."""
        known = self._by_task.get((server, task.task_id))
        if known is not None:
            if task.attempt >= known.task.attempt:
                known.task = task
            return None
        execution = Execution(task, server)
        self._by_task[server, task.task_id] = execution
        self.idle.clear()
        return execution

    def end(self, execution: Execution) -> None:
        """The execution has its result."""
        self._by_task.pop((execution.server, execution.task.task_id), None)
        if not self._by_task:
            self.idle.set()

    def cancel(self, server: str, task_or_job: str, attempt: int | None = None) -> bool:
        """Cancel a task, or the tasks of a job; an `attempt` that is not the running one changes nothing."""
        found = [
            execution
            for execution in self
            if execution.server == server
            and task_or_job in (execution.task.task_id, execution.task.job_id)
            and attempt in (None, execution.task.attempt)
        ]
        for execution in found:
            execution.cancellation.request(Reason.CANCELLED)
        return bool(found)

    def of(self, server: str) -> list[str]:
        """The ids of one orchestrator's tasks."""
        return [task_id for owner, task_id in self._by_task if owner == server]

    def __iter__(self) -> Iterator[Execution]:
        return iter(list(self._by_task.values()))

    def __len__(self) -> int:
        return len(self._by_task)
