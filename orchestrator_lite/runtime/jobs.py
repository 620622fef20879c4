"""Jobs in memory: recently used ones as they were last committed, and one turn at a time for each."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from orchestrator_lite.engine.events import InQueue
from orchestrator_lite.engine.state import Job, from_document
from orchestrator_lite.runtime.turns import Turns
from orchestrator_lite.store import Store, TaskRow

KEPT = 10_000
"""Jobs kept in memory; any other is read from the store when it is needed."""

HEAVIEST = 64 * 1024 * 1024
"""Bytes of JSON that the jobs kept in memory may have together; the one used last is kept whatever it weighs."""


@dataclass(slots=True)
class Live:
    """A job as last committed, with its tasks as the queue has them.

    Attributes:
        job: The job.
        version: Its version in the store; 0: it is not stored yet.
        rows: Its tasks in the queue.
        size: Bytes of the job's document in the store.
    """

    job: Job
    version: int
    rows: dict[str, TaskRow] = field(default_factory=dict)
    size: int = 0

    @property
    def queue(self) -> dict[str, InQueue]:
        """The tasks in the engine's words."""
        return {task_id: in_queue(row) for task_id, row in self.rows.items()}


def in_queue(row: TaskRow) -> InQueue:
    """A queue row in the engine's words."""
    return InQueue(attempt=row.attempt, leased=row.until is not None, worker_id=row.worker_id)


class Jobs:
    """A bounded cache over the store, right as long as every change passes through it.

    A change that did not (another process, a lease in flight) is caught by the store's version check; then the entry
    is forgotten and read again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._live: OrderedDict[str, Live] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._size = 0
        self._turns = Turns()
        self.moves = 0
        """How often something has happened to a job or one of its tasks."""
        self.moves_by_schedule = 0
        """How often it was one that a schedule began."""

    async def get(self, job_id: str) -> Live | None:
        """A job, from memory or from the store."""
        live = self._live.get(job_id)
        if live is not None:
            self._live.move_to_end(job_id)
            return live
        loaded = await self._store.load(job_id)
        if loaded is None:
            return None
        rows = {row.task_id: row for row in loaded.tasks}
        live = Live(from_document(loaded.job.doc), loaded.job.version, rows, len(loaded.job.doc))
        self.put(live)
        return live

    def peek(self, job_id: str) -> Live | None:
        """A job, if it is in memory."""
        return self._live.get(job_id)

    def put(self, live: Live) -> None:
        """Keep a job as it was committed."""
        self.moves += 1
        self.moves_by_schedule += "scheduled" in live.job.metadata
        self.forget(live.job.id)
        self._live[live.job.id] = live
        self._sizes[live.job.id] = size = live.size + sum(len(row.payload) for row in live.rows.values())
        self._size += size
        while len(self._live) > KEPT or (self._size > HEAVIEST and len(self._live) > 1):
            self.forget(next(iter(self._live)))

    def moved(self, row: TaskRow) -> None:
        """A task has been leased or has gone back to the queue."""
        self.moves += 1
        live = self._live.get(row.job_id)
        if live is not None:
            self.moves_by_schedule += "scheduled" in live.job.metadata
            live.rows[row.task_id] = row

    def forget(self, job_id: str) -> None:
        """Read the job from the store next time."""
        if self._live.pop(job_id, None) is not None:
            self._size -= self._sizes.pop(job_id)

    def unfinished(self) -> list[str]:
        """Ids of the jobs in memory that have not ended, the latest used first."""
        return [job_id for job_id, live in reversed(self._live.items()) if not live.job.is_final]

    def clear(self) -> None:
        """Forget all."""
        self._live.clear()
        self._sizes.clear()
        self._size = 0

    def turn(self, job_id: str) -> AbstractAsyncContextManager[None]:
        """Let one change of a job at a time through; different jobs do not wait for each other."""
        return self._turns.of(job_id)
