"""The verbs about what has happened."""

from __future__ import annotations

from orchestrator_lite.store._rows import EventRow
from orchestrator_lite.store._transaction import Transaction

_EVENTS = "SELECT seq, job_id, at, doc FROM events WHERE job_id = ? AND seq > ? ORDER BY seq LIMIT ?"
# The order of the join is ours: from the events, which are few after the last one somebody has seen, to their jobs.
_OF_CLIENT = """
    SELECT events.seq, events.job_id, events.at, events.doc FROM events CROSS JOIN jobs ON jobs.id = events.job_id
    WHERE events.seq > ? AND events.seq <= ? AND jobs.client = ? ORDER BY events.seq LIMIT ?
"""
_LAST = "SELECT coalesce(max(seq), 0) FROM events"
# Events looked at in one turn of the thread: some milliseconds.
_STRIDE = 4000


def events_after(tx: Transaction, job_id: str, seq: int, limit: int) -> list[EventRow]:
    """Verb `events_after`."""
    return [EventRow(*row) for row in tx.read_of_job(_EVENTS, (job_id, seq, max(limit, 0)), job_id)]


def client_events(tx: Transaction, client: str, seq: int, limit: int) -> tuple[list[EventRow], int | None]:
    """A part of verb `client_events_after`: events, and after which one to go on (None: that was all)."""
    end = seq + _STRIDE
    rows = [EventRow(*row) for row in tx.read(_OF_CLIENT, (seq, end, client, max(limit, 0)))]
    return rows, end if end < last_event(tx) else None


def last_event(tx: Transaction) -> int:
    """Verb `last_event`."""
    ((last,),) = tx.read(_LAST)
    return int(last)
