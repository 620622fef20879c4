"""The verbs about jobs and the registrations of workers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from orchestrator_lite.store import _tasks
from orchestrator_lite.store._rows import (
    Change,
    Conflict,
    Counts,
    JobRow,
    Keyed,
    KeyTaken,
    ListedJob,
    Loaded,
    WorkerRow,
)
from orchestrator_lite.store._transaction import Transaction

_JOB = "SELECT id, version, status, client, blueprint, created_at, ended_at, doc FROM jobs WHERE id = ?"
_RUNNABLE = "SELECT id FROM jobs WHERE status = ? AND id > ? ORDER BY id LIMIT ?"
_LISTED = "SELECT id, status, blueprint, created_at, ended_at FROM jobs"
_BY_STATUS = "SELECT status, count(*) FROM jobs GROUP BY status"
_PUT_WORKER = "INSERT OR REPLACE INTO workers (worker_id, seen_at, doc) VALUES (?, ?, ?)"


def load(tx: Transaction, job_id: str) -> Loaded | None:
    """Verb `load`."""
    rows = tx.read_of_job(_JOB, (job_id,), job_id)
    if not rows:
        return None
    found, version, status, client, blueprint, created_at, ended_at, doc = rows[0]
    job = JobRow(
        id=found,
        version=version,
        status=status,
        client=client,
        blueprint=blueprint,
        created_at=created_at,
        ended_at=ended_at,
        doc=doc,
    )
    return Loaded(job, tuple(_tasks.of_job(tx, job_id)))


def commit(tx: Transaction, *changes: Change) -> None:
    """Verb `commit`: all checks first, so that a Conflict has written nothing."""
    if len(changes) > 1:
        _check_apart(changes)
    of_tasks = []
    for change in changes:
        job = change.job
        version = tx.known.versions[job.id]
        if job.version != version + 1:
            raise Conflict(f"Job {job.id} is at version {version} and cannot become version {job.version}.")
        if change.key is not None:
            _check_key(tx, change.key.key, job.created_at)
        if change.drop or change.requeue or change.enqueue:
            of_tasks.append(change)
    if of_tasks:
        _tasks.check(tx, of_tasks)
    for change in changes:
        tx.batch.add(change)
        tx.known.put(change)


def _check_apart(changes: Sequence[Change]) -> None:
    """No two changes may be of one job, or use one idempotency key."""
    if len({change.job.id for change in changes}) < len(changes):
        raise Conflict("Two changes of one commit concern the same job.")
    used: dict[str, Keyed] = {}
    for change in changes:
        if change.key is not None:
            if change.key.key in used:
                raise KeyTaken(used[change.key.key])
            used[change.key.key] = change.key


def _check_key(tx: Transaction, key: str, at: float) -> None:
    taken = tx.known.keys[key]
    if taken is not None and taken.until > at:
        raise KeyTaken(taken)


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
    ((outgoing,),) = tx.read("SELECT count(*) FROM outgoing WHERE status = 'pending'")
    return Counts(jobs=dict(tx.read(_BY_STATUS)), queued=queued, leased=leased, outgoing=outgoing)
