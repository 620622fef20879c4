"""What is known of the rows that a group's changes depend on: read for all of them at once, then kept up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from orchestrator_lite.store._many import Among
from orchestrator_lite.store._rows import Change, Keyed

_VERSIONS = Among("SELECT id, version FROM jobs WHERE id IN (?)")
_KEYS = Among("SELECT key, digest, job_id, until FROM keys WHERE key IN (?)")
_TASKS = Among("SELECT task_id, attempt, until IS NOT NULL, job_id FROM tasks WHERE task_id IN (?)")


class Standing(NamedTuple):
    """Where a live task stands."""

    attempt: int
    leased: bool
    job_id: str


class _Versions(dict[str, int]):
    """Versions of jobs, 0 for one that does not exist; what is missing is read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def read(self, job_ids: list[str]) -> None:
        self.update(dict.fromkeys(job_ids, 0))
        self.update(_VERSIONS.run(self._connection, job_ids))

    def __missing__(self, job_id: str) -> int:
        self.read([job_id])
        return self[job_id]


class _Standings(dict[str, Standing | None]):
    """Standings of tasks, None for one that is not live; what is missing is read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def read(self, task_ids: list[str]) -> None:
        self.update(dict.fromkeys(task_ids))
        for task_id, attempt, leased, job_id in _TASKS.run(self._connection, task_ids):
            self[task_id] = Standing(attempt, leased == 1, job_id)

    def __missing__(self, task_id: str) -> Standing | None:
        self.read([task_id])
        return self[task_id]


class _Keys(dict[str, Keyed | None]):
    """Idempotency keys, None for one that is not used; what is missing is read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def read(self, keys: list[str]) -> None:
        self.update(dict.fromkeys(keys))
        self.update({row[0]: Keyed(*row) for row in _KEYS.run(self._connection, keys)})

    def __missing__(self, key: str) -> Keyed | None:
        self.read([key])
        return self[key]


class Known:
    """Versions of jobs and standings of tasks as they will be when everything before has been written.

    What waits to be written is always known: only after a flush may it be forgotten.

    Attributes:
        versions: By job id; 0 when there is no such job.
        standings: By task id; None when the task is neither queued nor leased.
        keys: Idempotency keys; None when it is not used.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.versions = _Versions(connection)
        self.standings = _Standings(connection)
        self.keys = _Keys(connection)

    def forget(self) -> None:
        """Know nothing any more: another group begins, or a verb has changed many rows."""
        self.versions.clear()
        self.standings.clear()
        self.keys.clear()

    def forget_tasks(self, task_ids: Iterable[str]) -> None:
        """Know nothing of these tasks any more: a verb other than `commit` may have changed them."""
        for task_id in task_ids:
            self.standings.pop(task_id, None)

    def look_up(self, changes: Iterable[Change]) -> None:
        """Read, at once, what these changes depend on; nothing waits to be written."""
        jobs: dict[str, None] = {}
        tasks: dict[str, None] = {}
        keys: dict[str, None] = {}
        for change in changes:
            jobs[change.job.id] = None
            for ref in change.drop:
                tasks[ref.task_id] = None
            for ref in change.requeue:
                tasks[ref.task_id] = None
            for task in change.enqueue:
                tasks[task.task_id] = None
            if change.key is not None:
                keys[change.key.key] = None
        if keys:
            self.keys.read(list(keys))
        if jobs:
            self.versions.read(list(jobs))
        if tasks:
            self.standings.read(list(tasks))

    def put(self, change: Change) -> None:
        """Know what a checked change makes of its rows."""
        self.versions[change.job.id] = change.job.version
        if change.key is not None:
            self.keys[change.key.key] = change.key
        for ref in change.drop:
            self.standings[ref.task_id] = None
        for ref in change.requeue:
            standing = self.standings[ref.task_id]
            if standing is not None:
                self.standings[ref.task_id] = standing._replace(leased=False)
        for task in change.enqueue:
            self.standings[task.task_id] = Standing(task.attempt, task.until is not None, task.job_id)
