"""The verbs about jobs, their history and the registrations of workers."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator_lite.store import _tasks
from orchestrator_lite.store._interface import (
    Change,
    Conflict,
    Counts,
    EventRow,
    JobRow,
    ListedJob,
    Loaded,
    WorkerRow,
)
from orchestrator_lite.store._transaction import Transaction

_JOB = "SELECT id, version, status, client, blueprint, created_at, doc FROM jobs WHERE id = ?"
_EVENTS = "SELECT seq, job_id, at, doc FROM events WHERE job_id = ? AND seq > ? ORDER BY seq LIMIT ?"
_RUNNABLE = "SELECT id FROM jobs WHERE status = ? AND id > ? ORDER BY id LIMIT ?"
_LISTED = "SELECT id, status, blueprint, created_at FROM jobs"
_BY_STATUS = "SELECT status, count(*) FROM jobs GROUP BY status"
_PUT_WORKER = "INSERT OR REPLACE INTO workers (worker_id, seen_at, doc) VALUES (?, ?, ?)"


def load(tx: Transaction, job_id: str) -> Loaded | None:
    """Verb `load`."""
    rows = tx.read_of_job(_JOB, (job_id,), job_id)
    if not rows:
        return None
    found, version, status, client, blueprint, created_at, doc = rows[0]
    job = JobRow(
        id=found, version=version, status=status, client=client, blueprint=blueprint, created_at=created_at, doc=doc
    )
    return Loaded(job, tuple(_tasks.of_job(tx, job_id)))


def commit(tx: Transaction, change: Change) -> None:
    """Verb `commit`: all checks first, so that a Conflict has written nothing."""
    job = change.job
    version = tx.known.versions[job.id]
    if job.version != version + 1:
        raise Conflict(f"Job {job.id} is at version {version} and cannot become version {job.version}.")
    if change.drop or change.requeue or change.enqueue:
        _tasks.check(tx, change)
    tx.batch.add(change)
    tx.known.put(change)


def jobs_of(
    tx: Transaction,
    client: str,
    statuses: Collection[str] | None,
    blueprint: str | None,
    before: str | None,
    limit: int,
    offset: int,
    after: str | None,
) -> list[ListedJob]:
    """Verb `jobs_of`."""
    # Without statistics SQLite cannot tell which index is the narrower one.
    index = "jobs_of_client" if statuses is None else "jobs_in_status"
    wanted = {"client = ?": client, "blueprint = ?": blueprint, "id < ?": before, "id >= ?": after}
    given = {test: value for test, value in wanted.items() if value is not None}
    each = [{**given, "status = ?": status} for status in dict.fromkeys(statuses)] if statuses is not None else [given]
    if not each:
        return []
    # One part a status: each comes from its index in order, and SQLite merges them without sorting.
    parts = [f"{_LISTED} INDEXED BY {index} WHERE {' AND '.join(tests)}" for tests in each]
    query = f"{' UNION ALL '.join(parts)} ORDER BY id DESC LIMIT ? OFFSET ?"
    values = [value for tests in each for value in tests.values()]
    return [ListedJob(*row) for row in tx.read(query, (*values, max(limit, 0), max(offset, 0)))]


def events_after(tx: Transaction, job_id: str, seq: int, limit: int) -> list[EventRow]:
    """Verb `events_after`."""
    return [EventRow(*row) for row in tx.read_of_job(_EVENTS, (job_id, seq, max(limit, 0)), job_id)]


def runnable(tx: Transaction, limit: int, after: str) -> list[str]:
    """Verb `runnable`."""
    limit = max(limit, 0)
    rows = [row[0] for status in ("pending", "running") for row in tx.read(_RUNNABLE, (status, after, limit))]
    return sorted(rows)[:limit]


def put_worker(tx: Transaction, worker: WorkerRow) -> None:
    """Verb `put_worker`."""
    tx.write(_PUT_WORKER, (worker.worker_id, worker.seen_at, worker.doc))


def workers(tx: Transaction) -> list[WorkerRow]:
    """Verb `workers`."""
    return [WorkerRow(*row) for row in tx.read("SELECT worker_id, seen_at, doc FROM workers ORDER BY worker_id")]


def drop_worker(tx: Transaction, worker_id: str) -> None:
    """Verb `drop_worker`."""
    tx.write("DELETE FROM workers WHERE worker_id = ?", (worker_id,))


def counts(tx: Transaction) -> Counts:
    """Verb `counts`."""
    queued, leased = _tasks.count(tx)
    return Counts(jobs=dict(tx.read(_BY_STATUS)), queued=queued, leased=leased)


def wipe(tx: Transaction) -> None:
    """Verb `wipe`."""
    for table in ("jobs", "tasks", "timers", "events", "workers"):
        tx.write(f"DELETE FROM {table}")  # noqa: S608 (our own words)
    tx.known.forget()
