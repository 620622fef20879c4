"""What a group of commits wants written, kept until a verb must read it or the group ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from orchestrator_lite.store._many import Among, Insert
from orchestrator_lite.store._rows import Change, Checkpoint, JobRow, Keyed, Outgoing, TaskRow, Timer

_PUT_JOBS = Insert(
    "jobs (id, version, status, client, blueprint, created_at, ended_at, doc)",
    8,
    # What never changes is not set: an index it stands in would be written anew at each step.
    tail="ON CONFLICT (id) DO UPDATE SET"
    " version = excluded.version, status = excluded.status, ended_at = excluded.ended_at, doc = excluded.doc",
)
_DROP_TASKS = Among("DELETE FROM tasks WHERE task_id IN (?)")
_REQUEUE_TASKS = Among("UPDATE tasks SET until = NULL WHERE task_id IN (?)")
_NEW_TASKS = Insert(
    "tasks (task_id, job_id, skill, priority, attempt, spent, worker_id, incarnation, until, payload)", 10
)
_CLEAR_TIMERS = Among("DELETE FROM timers WHERE key IN (?)")
_PUT_TIMERS = Insert("timers (key, job_id, name, at)", 4, verb="INSERT OR REPLACE")
_NEW_EVENTS = Insert("events (job_id, at, doc)", 3)
_PUT_KEYS = Insert("keys (key, digest, job_id, until)", 4, verb="INSERT OR REPLACE")
_NEW_OUTGOING = Insert(
    "outgoing (event_id, job_id, client, kind, created_at, due_at, attempts, status, code, error, delivered_at,"
    " url, body)",
    13,
)
_PUT_CHECKPOINTS = Insert("checkpoints (task_id, job_id, at, doc)", 4, verb="INSERT OR REPLACE")
_DROP_CHECKPOINTS = Among("DELETE FROM checkpoints WHERE task_id IN (?)")


def _job_values(job: JobRow) -> tuple[object, ...]:
    return (job.id, job.version, job.status, job.client, job.blueprint, job.created_at, job.ended_at, job.doc)


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


def _outgoing_values(row: Outgoing) -> tuple[object, ...]:
    sent = (row.event_id, row.job_id, row.client, row.kind, row.created_at, row.due_at, row.attempts, row.status)
    return (*sent, row.code, row.error, row.delivered_at, row.url, row.body)


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
        self._keys: dict[str, Keyed] = {}
        self._outgoing: list[Outgoing] = []
        self._checkpoints: dict[str, Checkpoint | None] = {}
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
        if change.key is not None or change.outgoing or change.checkpoints or change.drop_checkpoints:
            self._add_beside(change)

    def _add_beside(self, change: Change) -> None:
        if change.key is not None:
            self._keys[change.key.key] = change.key
        self._outgoing += change.outgoing
        self._checkpoints |= dict.fromkeys(change.drop_checkpoints)
        self._checkpoints |= {checkpoint.task_id: checkpoint for checkpoint in change.checkpoints}

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
        if self._keys or self._outgoing or self._checkpoints:
            self._write_beside()
        self.discard()

    def _write_beside(self) -> None:
        connection = self._connection
        if self._keys:
            _PUT_KEYS.run(connection, [(key.key, key.digest, key.job_id, key.until) for key in self._keys.values()])
        if self._outgoing:
            _NEW_OUTGOING.run(connection, [_outgoing_values(row) for row in self._outgoing])
        dropped = [task_id for task_id, checkpoint in self._checkpoints.items() if checkpoint is None]
        if dropped:
            _DROP_CHECKPOINTS.run(connection, dropped)
        kept = [(one.task_id, one.job_id, one.at, one.doc) for one in self._checkpoints.values() if one]
        if kept:
            _PUT_CHECKPOINTS.run(connection, kept)

    def _write_timers(self) -> None:
        ended = [key for key, timer in self._timers.items() if timer is None]
        if ended:
            _CLEAR_TIMERS.run(self._connection, ended)
        begun = [(timer.key, timer.job_id, timer.name, timer.at) for timer in self._timers.values() if timer]
        if begun:
            _PUT_TIMERS.run(self._connection, begun)
