"""The verbs about the queue, the leases and what time brings."""

# ruff: noqa: S608 (statements are made of our own words; values are always bound)
from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from orchestrator_lite.store._known import Standing
from orchestrator_lite.store._rows import Change, Conflict, Due, Renewal, TaskRef, TaskRow, Timer
from orchestrator_lite.store._transaction import Transaction

_COLUMNS = "task_id, job_id, skill, priority, attempt, spent, worker_id, incarnation, until, payload"
_TASK = f"SELECT {_COLUMNS} FROM tasks WHERE task_id = ?"
_OF_JOB = f"SELECT {_COLUMNS} FROM tasks WHERE job_id = ? ORDER BY seq"
_READY = f"SELECT seq, {_COLUMNS} FROM tasks WHERE skill = ? AND until IS NULL ORDER BY priority DESC, seq LIMIT ?"
_HAND_OUT = (
    "UPDATE tasks SET attempt = attempt + spent, spent = 0, worker_id = ?, incarnation = ?, until = ? WHERE seq = ?"
)
# A task that was requeued keeps its last holder, so the same statement renews and revives.
_RENEW = "UPDATE tasks SET until = ?, spent = 1 WHERE task_id = ? AND attempt = ? AND worker_id = ?"
_HAND_BACK = "UPDATE tasks SET until = NULL WHERE task_id = ?"
_KEEP = "UPDATE tasks SET incarnation = ?, until = ?, spent = 1 WHERE task_id = ? AND attempt = ? AND worker_id = ?"
_EARLIER_STARTS = (
    f"SELECT {_COLUMNS} FROM tasks WHERE worker_id = ? AND until IS NOT NULL AND incarnation IS NOT ? ORDER BY seq"
)
_GRACE = "UPDATE tasks SET until = ?1 WHERE until < ?1"
# Sorting the leases costs less than passing over a long queue, as SQLite would choose.
_LEASES = f"SELECT {_COLUMNS} FROM tasks INDEXED BY tasks_leased WHERE until IS NOT NULL ORDER BY seq"
_LEASES_OF = f"SELECT {_COLUMNS} FROM tasks WHERE worker_id = ? AND until IS NOT NULL ORDER BY seq"
_LAPSED = f"SELECT {_COLUMNS} FROM tasks WHERE until <= ? ORDER BY until, seq LIMIT ?"
_NEXT_END = "SELECT until FROM tasks WHERE until IS NOT NULL ORDER BY until, seq LIMIT 1 OFFSET ?"
_TIMERS = "SELECT key, job_id, name, at FROM timers WHERE at <= ? ORDER BY at, key LIMIT ?"
# Jumps from skill to skill in the index, however long the queue is.
_LANES = """
    WITH RECURSIVE lane (skill) AS (
        SELECT min(skill) FROM tasks WHERE until IS NULL
        UNION ALL
        SELECT (SELECT min(skill) FROM tasks WHERE until IS NULL AND skill > lane.skill)
        FROM lane WHERE lane.skill IS NOT NULL
    )
    SELECT skill FROM lane WHERE skill IS NOT NULL UNION SELECT skill FROM tasks WHERE until IS NOT NULL
"""
_NEXT_TIMER = "SELECT at FROM timers ORDER BY at, key LIMIT 1 OFFSET ?"


def _task(row: Sequence[Any]) -> TaskRow:
    return TaskRow(
        task_id=row[0],
        job_id=row[1],
        skill=row[2],
        priority=row[3],
        attempt=row[4],
        spent=bool(row[5]),
        worker_id=row[6],
        incarnation=row[7],
        until=row[8],
        payload=row[9],
    )


def of_job(tx: Transaction, job_id: str) -> list[TaskRow]:
    """A job's tasks that are queued or leased, in the order they were queued."""
    return [_task(row) for row in tx.read_of_job(_OF_JOB, (job_id,), job_id)]


def check(tx: Transaction, changes: Sequence[Change]) -> None:
    """Raise Conflict unless every task of the changes is as they believe; else prepare the batch for them."""
    touched: set[str] = set()
    before = [standing for change in changes for standing in _checked_change(tx, change, touched)]
    if tx.batch.touches(touched):
        tx.batch.flush()
    for standing in before:
        tx.batch.jobs.add(standing.job_id)
    if any(not standing.leased for standing in before) or any(map(_puts_into_queue, changes)):
        tx.batch.moves_queue = True


def _checked_change(tx: Transaction, change: Change, touched: set[str]) -> list[Standing]:
    """Where the tasks that a change takes stand; `touched` are those of it and of the changes before."""
    before = [_checked(tx, ref, ref.leased, touched) for ref in change.drop]
    before += [_checked(tx, ref, _is_leased(ref), touched) for ref in change.requeue]
    dropped = {ref.task_id for ref in change.drop} if change.enqueue else set()
    for task in change.enqueue:
        _check_new(tx, task, dropped, touched)
    return before


def _puts_into_queue(change: Change) -> bool:
    return bool(change.requeue) or any(task.until is None for task in change.enqueue)


def _is_leased(ref: TaskRef) -> bool:
    if ref.leased is False:
        raise Conflict(f"Task {ref.task_id} cannot go back to the queue it is in.")
    return True


def _checked(tx: Transaction, ref: TaskRef, leased: bool | None, touched: set[str]) -> Standing:
    task_id = ref.task_id
    standing = None if task_id in touched else tx.known.standings[task_id]
    if standing is None:
        raise Conflict(f"Task {task_id} is neither queued nor leased.")
    if standing.attempt != ref.attempt:
        raise Conflict(f"Task {task_id} is in attempt {standing.attempt}, not {ref.attempt}.")
    if leased is not None and standing.leased != leased:
        raise Conflict(f"Task {task_id} is {'leased' if standing.leased else 'queued'}.")
    touched.add(task_id)
    return standing


def _check_new(tx: Transaction, task: TaskRow, dropped: set[str], touched: set[str]) -> None:
    task_id = task.task_id
    if task_id in dropped:
        dropped.remove(task_id)
    elif task_id in touched or tx.known.standings[task_id] is not None:
        raise Conflict(f"Task {task_id} is queued or leased already.")
    touched.add(task_id)


def lease(
    tx: Transaction, worker_id: str, incarnation: str | None, skills: Collection[str], until: float, limit: int
) -> list[TaskRow]:
    """Verb `lease`: the best of each skill come through the index, the best of these are handed out."""
    if limit <= 0:
        return []
    found = [row for skill in dict.fromkeys(skills) for row in tx.read_queue(_READY, (skill, limit))]
    found.sort(key=lambda row: (-row[4], row[0]))
    rows = found[:limit]
    tx.hand_out(_HAND_OUT, [(worker_id, incarnation, until, row[0]) for row in rows])
    tx.known.forget_tasks(row[1] for row in rows)
    return [_handed_out(row[1:], worker_id, incarnation, until) for row in rows]


def _handed_out(row: Sequence[Any], worker_id: str, incarnation: str | None, until: float) -> TaskRow:
    task_id, job_id, skill, priority, attempt, spent, *_, payload = row
    return TaskRow(
        task_id=task_id,
        job_id=job_id,
        skill=skill,
        priority=priority,
        attempt=attempt + spent,
        spent=False,
        payload=payload,
        worker_id=worker_id,
        incarnation=incarnation,
        until=until,
    )


def renew(tx: Transaction, renewals: Sequence[Renewal]) -> None:
    """Verb `renew`."""
    tx.write_many(_RENEW, [(sign.until, sign.task_id, sign.attempt, sign.worker_id) for sign in renewals])
    tx.known.forget_tasks(sign.task_id for sign in renewals)


def hand_back(tx: Transaction, refs: Sequence[TaskRef]) -> list[TaskRow]:
    """Verb `hand_back`."""
    returned = []
    for ref in refs:
        rows = tx.read(_TASK, (ref.task_id,)) if ref.leased is not False else []
        if rows and rows[0][4] == ref.attempt and rows[0][8] is not None:
            tx.write(_HAND_BACK, (ref.task_id,))
            tx.known.forget_tasks((ref.task_id,))
            returned.append(_task((*rows[0][:8], None, rows[0][9])))
    return returned


def take_over(
    tx: Transaction, worker_id: str, incarnation: str, holding: Collection[tuple[str, int]], until: float
) -> list[TaskRow]:
    """Verb `take_over`: what is held passes first, so that what is then left of earlier starts goes back."""
    tx.write_many(_KEEP, [(incarnation, until, task_id, attempt, worker_id) for task_id, attempt in holding])
    rows = tx.read(_EARLIER_STARTS, (worker_id, incarnation))
    tx.write_many(_HAND_BACK, [(row[0],) for row in rows])
    tx.known.forget_tasks([*(task_id for task_id, _ in holding), *(row[0] for row in rows)])
    return [_task((*row[:8], None, row[9])) for row in rows]


def grace(tx: Transaction, until: float) -> None:
    """Verb `grace`."""
    tx.write(_GRACE, (until,))


def leases(tx: Transaction, worker_id: str | None) -> list[TaskRow]:
    """Verb `leases`."""
    rows = tx.read(_LEASES) if worker_id is None else tx.read(_LEASES_OF, (worker_id,))
    return [_task(row) for row in rows]


def due(tx: Transaction, now: float, limit: int) -> Due:
    """Verb `due`: at most `limit` of each kind; what did not fit counts as next."""
    limit = max(limit, 0)
    timers = tuple(Timer(*row) for row in tx.read(_TIMERS, (now, limit)))
    lapsed = tuple(_task(row) for row in tx.read(_LAPSED, (now, limit)))
    later = [*tx.read(_NEXT_TIMER, (len(timers),)), *tx.read(_NEXT_END, (len(lapsed),))]
    return Due(timers, lapsed, min((row[0] for row in later), default=None))


def lanes(tx: Transaction) -> list[str]:
    """Verb `lanes`."""
    return [row[0] for row in tx.read(_LANES)]


def count(tx: Transaction) -> tuple[int, int]:
    """How many tasks are queued and how many leased."""
    ((total,),) = tx.read("SELECT count(*) FROM tasks")
    ((leased,),) = tx.read("SELECT count(*) FROM tasks WHERE until IS NOT NULL")
    return total - leased, leased
