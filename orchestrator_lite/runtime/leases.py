"""The live leases of this process: signs of life are noted here and written down together.

The store holds who has a task; this book holds what the last seconds brought: acknowledgements, progress, missed
heartbeats, cancel wishes. What is lost with the process is made good by the fresh window leases get at its start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from pydantic_core import from_json

from orchestrator_lite.runtime.workers import Worker
from orchestrator_lite.store import Renewal, TaskRow

OVERDUE = 15.0
"""Seconds a worker has to end a task by itself whose time is over; official workers let it run."""

MISSES = 2
"""Heartbeats that do not name a task before it counts as not there."""


@dataclass(slots=True)
class Lease:
    """A task a worker has.

    Attributes:
        row: The task as it was handed out.
        started: Whether there was evidence that it arrived.
        misses: Heartbeats since then, or since the last evidence, that did not name it.
        cancel: Whether the worker is to stop it.
        progress: 0 to 1, as the worker last said.
        message: What it said with it.
        taken_at: When it was handed out, UTC seconds.
        overdue_at: When its worker should long have ended it, by its `timeout_seconds`.
        report: The number of its latest word on its progress; each is greater than all before it. 0: none yet.
    """

    row: TaskRow
    taken_at: float
    started: bool = False
    misses: int = 0
    cancel: bool = False
    progress: float | None = None
    message: str | None = None
    overdue_at: float | None = None
    report: int = 0


class LeaseBook:
    """Leases by task and by worker, and renewals that wait to be written."""

    def __init__(self) -> None:
        self._by_task: dict[str, Lease] = {}
        self._by_worker: dict[str, dict[str, Lease]] = {}
        self._renewals: dict[str, Renewal] = {}
        self.freed: Callable[[str], None] | None = None
        """Told of each worker that has a task less."""
        self._reports = 0
        self.reported: Callable[[str, str], None] | None = None
        """Told the job's and the task's id when a task has told of its progress."""

    def took(self, row: TaskRow, now: float, *, started: bool = False, cancel: bool = False) -> None:
        """A worker has been given a task."""
        self.ended(row.task_id)
        lease = Lease(row, now, started=started, cancel=cancel, overdue_at=_overdue_at(row, now))
        self._by_task[row.task_id] = lease
        self._by_worker.setdefault(row.worker_id or "", {})[row.task_id] = lease

    def ended(self, task_id: str) -> None:
        """A task is with no worker any more."""
        self._renewals.pop(task_id, None)
        lease = self._by_task.pop(task_id, None)
        if lease is None:
            return
        worker_id = lease.row.worker_id or ""
        held = self._by_worker[worker_id]
        del held[task_id]
        if not held:
            del self._by_worker[worker_id]
        if self.freed is not None:
            self.freed(worker_id)

    def get(self, task_id: str) -> Lease | None:
        """A live lease."""
        return self._by_task.get(task_id)

    def of(self, worker_id: str) -> list[Lease]:
        """What a worker has."""
        return list(self._by_worker.get(worker_id, {}).values())

    def count(self, worker_id: str) -> int:
        """How many tasks a worker has."""
        return len(self._by_worker.get(worker_id, ()))

    def all(self) -> list[Lease]:
        """Every live lease."""
        return list(self._by_task.values())

    def __len__(self) -> int:
        return len(self._by_task)

    def sign(self, worker: Worker, task_id: str, attempt: int | None, now: float) -> bool:
        """Evidence that `worker` has a task; False when it is not known to have it."""
        lease = self._by_task.get(task_id)
        if lease is None or lease.row.worker_id != worker.worker_id:
            return False
        if attempt is not None and attempt != lease.row.attempt:
            return False
        lease.started, lease.misses = True, 0
        self._renewals[task_id] = Renewal(
            task_id=task_id, attempt=lease.row.attempt, worker_id=worker.worker_id, until=now + worker.window
        )
        return True

    def alive(self, worker: Worker, now: float) -> None:
        """A sign of life that names no task renews those known to have started, or all where none is ever named."""
        for lease in self.of(worker.worker_id):
            if lease.started or not worker.is_ours:
                self.sign(worker, lease.row.task_id, None, now)

    def heard(self, worker: Worker, named: Collection[str], now: float) -> list[Lease]:
        """A heartbeat that names its tasks (by task or job id); returns leases it has now missed too often."""
        lost = []
        for lease in self.of(worker.worker_id):
            if lease.row.task_id in named or lease.row.job_id in named:
                self.sign(worker, lease.row.task_id, None, now)
                continue
            lease.misses += 1
            if lease.misses >= MISSES:
                lost.append(lease)
        return lost

    def report(self, task_id: str, progress: float | None, message: str | None, now: float) -> None:
        """Keep a task's latest progress."""
        lease = self._by_task.get(task_id)
        if lease is not None:
            # Numbers that go by the time are greater than those of an earlier start of the server, too.
            self._reports = max(self._reports + 1, int(now * 1e6))
            lease.progress, lease.message, lease.report = progress, message, self._reports
            if self.reported is not None:
                self.reported(lease.row.job_id, task_id)

    def ask_cancel(self, task_ids: Iterable[str]) -> list[Lease]:
        """Mark tasks to be stopped; returns their leases."""
        asked = [lease for task_id in task_ids if (lease := self._by_task.get(task_id)) is not None]
        for lease in asked:
            lease.cancel = True
        return asked

    def to_cancel(self, worker_id: str) -> list[Lease]:
        """Tasks a worker is to stop."""
        return [lease for lease in self.of(worker_id) if lease.cancel]

    def take_renewals(self) -> list[Renewal]:
        """The renewals noted since the last call."""
        renewals = list(self._renewals.values())
        self._renewals.clear()
        return renewals

    def clear(self) -> None:
        """Forget everything."""
        self._by_task.clear()
        self._by_worker.clear()
        self._renewals.clear()


def _overdue_at(row: TaskRow, now: float) -> float | None:
    if b'"timeout_seconds"' not in row.payload:
        return None
    seconds = from_json(row.payload).get("timeout_seconds")
    return None if seconds is None else now + float(seconds) + OVERDUE
