"""The verbs that forget: jobs that ended long ago, keys that have expired, everything."""

# ruff: noqa: S608 (statements are made of our own words; values are always bound)
from __future__ import annotations

from collections.abc import Collection

from orchestrator_lite.store._many import Among
from orchestrator_lite.store._transaction import Transaction

_NONE_PENDING = "NOT EXISTS (SELECT 1 FROM outgoing WHERE job_id = jobs.id AND status = 'pending')"
_ENDED = f"SELECT id FROM jobs WHERE ended_at < ? AND {_NONE_PENDING} ORDER BY ended_at, id LIMIT ?"
_FORGETTABLE = Among(f"SELECT id FROM jobs WHERE id IN (?) AND ended_at IS NOT NULL AND {_NONE_PENDING}")
_THERE = Among("SELECT id FROM jobs WHERE id IN (?)")
_TIMERS = Among("DELETE FROM timers WHERE job_id IN (?)")
# The last event leaves its number behind, in a row of no job: SQLite would give it again.
_KEEP_NUMBER = "UPDATE events SET job_id = '', doc = x'' WHERE seq = (SELECT max(seq) FROM events)"
_DROP_NUMBERS = "DELETE FROM events WHERE job_id = '' AND seq < (SELECT max(seq) FROM events)"
_FORGET = (
    Among("DELETE FROM events WHERE job_id IN (?)"),
    Among("DELETE FROM tasks WHERE job_id IN (?)"),
    Among("DELETE FROM checkpoints WHERE job_id IN (?)"),
    Among("DELETE FROM outgoing WHERE job_id IN (?)"),
    Among("DELETE FROM jobs WHERE id IN (?)"),
)


def ended_before(tx: Transaction, at: float, limit: int) -> list[str]:
    """Verb `ended_before`."""
    return [row[0] for row in tx.read(_ENDED, (at, max(limit, 0)))]


def forget(tx: Transaction, job_ids: Collection[str]) -> list[str]:
    """Verb `forget`."""
    asked = list(dict.fromkeys(job_ids))
    there = {row[0] for row in tx.run_among(_THERE, asked)}
    ended = {row[0] for row in tx.run_among(_FORGETTABLE, asked)}
    forgotten = [job_id for job_id in asked if job_id in ended]
    # No index leads to them: they are few, and looked through once for many jobs.
    tx.run_among(_TIMERS, [job_id for job_id in asked if job_id in ended or job_id not in there])
    if forgotten:
        ((last_of,),) = tx.read("SELECT job_id FROM events WHERE seq = (SELECT max(seq) FROM events)") or (("",),)
        if last_of in forgotten:
            tx.write(_KEEP_NUMBER)
        for statement in _FORGET:
            tx.run_among(statement, forgotten)
        tx.write(_DROP_NUMBERS)
        tx.known.forget()
    return forgotten


def purge(tx: Transaction, now: float, limit: int) -> int:
    """Verb `purge`."""
    expired = tx.read("SELECT key FROM keys WHERE until <= ? ORDER BY until LIMIT ?", (now, max(limit, 0)))
    if expired:
        tx.write_many("DELETE FROM keys WHERE key = ?", expired)
        tx.known.forget()
    return len(expired)


def wipe(tx: Transaction) -> None:
    """Verb `wipe`."""
    for table in ("jobs", "tasks", "timers", "workers", "keys", "outgoing", "checkpoints", "notes"):
        tx.write(f"DELETE FROM {table}")
    tx.write("DELETE FROM events WHERE seq < (SELECT max(seq) FROM events)")
    tx.write(_KEEP_NUMBER)
    tx.known.forget()
