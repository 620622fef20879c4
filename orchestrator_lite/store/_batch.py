"""What a group of commits wants written, kept until a verb must read it or the group ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from orchestrator_lite.store._interface import Change, JobRow, TaskRow, Timer

_NEW_JOB = "INSERT INTO jobs (id, version, status, client, blueprint, created_at, doc) VALUES (?, ?, ?, ?, ?, ?, ?)"
_NEXT_JOB = (
    "UPDATE jobs SET version = ?2, status = ?3, client = ?4, blueprint = ?5, created_at = ?6, doc = ?7 WHERE id = ?1"
)
_DROP_TASK = "DELETE FROM tasks WHERE task_id = ?"
_REQUEUE_TASK = "UPDATE tasks SET until = NULL WHERE task_id = ?"
_NEW_TASK = (
    "INSERT INTO tasks (task_id, job_id, skill, priority, attempt, spent, worker_id, incarnation, until, payload)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_CLEAR_TIMER = "DELETE FROM timers WHERE key = ?"
_SET_TIMER = "INSERT OR REPLACE INTO timers (key, job_id, name, at) VALUES (?, ?, ?, ?)"
_NEW_EVENT = "INSERT INTO events (job_id, at, doc) VALUES (?, ?, ?)"


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
    """Writes of checked changes, one `executemany` a kind when they are flushed.

    A task is written by one change only between two flushes (`touches` tells), so the kinds may be written one after
    the other; of jobs and timers only the last form is kept.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._clear()

    def _clear(self) -> None:
        self._new_jobs: dict[str, JobRow] = {}
        self._next_jobs: dict[str, JobRow] = {}
        self._dropped: list[tuple[str]] = []
        self._requeued: list[tuple[str]] = []
        self._queued: list[tuple[object, ...]] = []
        self._touched: set[str] = set()
        self._timers: dict[str, Timer | None] = {}
        self._events: list[tuple[str, float, bytes]] = []
        self._empty = True

    def version_of(self, job_id: str) -> int | None:
        """The version a job will have after the flush; None when the batch does not hold it."""
        job = self._next_jobs.get(job_id) or self._new_jobs.get(job_id)
        return None if job is None else job.version

    def touches(self, task_ids: Iterable[str]) -> bool:
        """Whether one of these tasks waits to be written."""
        return not self._touched.isdisjoint(task_ids)

    def add(self, change: Change) -> None:
        """Take a change that has been checked against what is stored and what waits here."""
        self._empty = False
        self._add_job(change.job)
        if change.drop or change.requeue or change.enqueue:
            self._add_tasks(change)
        for key in change.clear_timers:
            self._timers[key] = None
        for timer in change.set_timers:
            self._timers[timer.key] = timer
        for event in change.events:
            self._events.append((event.job_id, event.at, event.doc))

    def _add_job(self, job: JobRow) -> None:
        if job.version == 1 or job.id in self._new_jobs:
            self._new_jobs[job.id] = job
        else:
            self._next_jobs[job.id] = job

    def _add_tasks(self, change: Change) -> None:
        for ref in change.drop:
            self._dropped.append((ref.task_id,))
            self._touched.add(ref.task_id)
        for ref in change.requeue:
            self._requeued.append((ref.task_id,))
            self._touched.add(ref.task_id)
        for task in change.enqueue:
            self._queued.append(_task_values(task))
            self._touched.add(task.task_id)

    def flush(self) -> None:
        """Write what waits, inside the transaction that is open."""
        if self._empty:
            return
        self._write(_NEW_JOB, [_job_values(job) for job in self._new_jobs.values()])
        self._write(_NEXT_JOB, [_job_values(job) for job in self._next_jobs.values()])
        self._write(_DROP_TASK, self._dropped)
        self._write(_REQUEUE_TASK, self._requeued)
        self._write(_NEW_TASK, self._queued)
        self._write_timers()
        self._write(_NEW_EVENT, self._events)
        self._clear()

    def _write_timers(self) -> None:
        if self._timers:
            self._write(_CLEAR_TIMER, [(key,) for key, timer in self._timers.items() if timer is None])
            set_timers = [timer for timer in self._timers.values() if timer is not None]
            self._write(_SET_TIMER, [(timer.key, timer.job_id, timer.name, timer.at) for timer in set_timers])

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            self._connection.executemany(statement, rows)

    def discard(self) -> None:
        """Forget what waits: its transaction has failed."""
        self._clear()
