"""What a group of commits wants written, kept until a verb must read it or the group ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from orchestrator_lite.store._interface import Change, JobRow, TaskRow, Timer
from orchestrator_lite.store._many import Among, Insert

_PUT_JOBS = Insert(
    "jobs (id, version, status, client, blueprint, created_at, doc)",
    7,
    # What never changes is not set: an index it stands in would be written anew at each step.
    tail="ON CONFLICT (id) DO UPDATE SET version = excluded.version, status = excluded.status, doc = excluded.doc",
)
_DROP_TASKS = Among("DELETE FROM tasks WHERE task_id IN (?)")
_REQUEUE_TASKS = Among("UPDATE tasks SET until = NULL WHERE task_id IN (?)")
_NEW_TASKS = Insert(
    "tasks (task_id, job_id, skill, priority, attempt, spent, worker_id, incarnation, until, payload)", 10
)
_CLEAR_TIMERS = Among("DELETE FROM timers WHERE key IN (?)")
_PUT_TIMERS = Insert("timers (key, job_id, name, at)", 4, verb="INSERT OR REPLACE")
_NEW_EVENTS = Insert("events (job_id, at, doc)", 3)


def _job_values(job: JobRow) -> tuple[object, ...]:
    return (job.id, job.version, job.status, job.client, job.blueprint, job.created_at, job.doc)


def _task_values(task: TaskRow) -> tuple[object, ...]:
    return (
        task.task_id,
        task.job_id,
        task.skill,
        task.priority,
        task.attempt,
        task.spent,
        task.worker_id,
        task.incarnation,
        task.until,
        task.payload,
    )


class Batch:
    """Writes of checked changes, one statement a kind when they are flushed.

    Between two flushes a task is written by one change only (`touches` tells), so the kinds may be written one after
    the other; of jobs and timers only the last form is kept.

    Attributes:
        jobs: Whose job, tasks or history what waits would change.
        moves_queue: Whether it puts tasks into the queue or takes them out.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.discard()

    def discard(self) -> None:
        """Forget what waits."""
        self.jobs: set[str] = set()
        self._jobs: dict[str, JobRow] = {}
        self._dropped: list[str] = []
        self._requeued: list[str] = []
        self._queued: list[tuple[object, ...]] = []
        self._touched: set[str] = set()
        self._timers: dict[str, Timer | None] = {}
        self._events: list[tuple[str, float, bytes]] = []
        self.moves_queue = False

    def touches(self, task_ids: Iterable[str]) -> bool:
        """Whether one of these tasks waits to be written."""
        return not self._touched.isdisjoint(task_ids)

    def add(self, change: Change) -> None:
        """Take a change that has been checked against what is stored and what waits here."""
        self._jobs[change.job.id] = change.job
        self.jobs.add(change.job.id)
        if change.drop or change.requeue or change.enqueue:
            self._add_tasks(change)
        for key in change.clear_timers:
            self._timers[key] = None
        for timer in change.set_timers:
            self._timers[timer.key] = timer
        for event in change.events:
            self._events.append((event.job_id, event.at, event.doc))
            self.jobs.add(event.job_id)

    def _add_tasks(self, change: Change) -> None:
        for ref in change.drop:
            self._dropped.append(ref.task_id)
            self._touched.add(ref.task_id)
        for ref in change.requeue:
            self._requeued.append(ref.task_id)
            self._touched.add(ref.task_id)
        for task in change.enqueue:
            self._queued.append(_task_values(task))
            self._touched.add(task.task_id)
            self.jobs.add(task.job_id)

    def flush(self) -> None:
        """Write what waits, inside the transaction that is open."""
        if not self._jobs:
            return
        connection = self._connection
        _PUT_JOBS.run(connection, [_job_values(job) for job in self._jobs.values()])
        if self._touched:
            if self._dropped:
                _DROP_TASKS.run(connection, self._dropped)
            if self._requeued:
                _REQUEUE_TASKS.run(connection, self._requeued)
            if self._queued:
                _NEW_TASKS.run(connection, self._queued)
        if self._timers:
            self._write_timers()
        if self._events:
            _NEW_EVENTS.run(connection, self._events)
        self.discard()

    def _write_timers(self) -> None:
        ended = [key for key, timer in self._timers.items() if timer is None]
        if ended:
            _CLEAR_TIMERS.run(self._connection, ended)
        begun = [(timer.key, timer.job_id, timer.name, timer.at) for timer in self._timers.values() if timer]
        if begun:
            _PUT_TIMERS.run(self._connection, begun)
