"""The verbs about messages to the outside."""

# ruff: noqa: S608 (statements are made of our own words; values are always bound)
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator_lite.store._rows import Outgoing
from orchestrator_lite.store._transaction import Transaction

_COLUMNS = (
    "id, event_id, job_id, client, kind, url, body, created_at, due_at, attempts, status, code, error, delivered_at"
)
_DUE = f"SELECT {_COLUMNS} FROM outgoing WHERE status = 'pending' AND due_at <= ? ORDER BY due_at, id LIMIT ?"
_NEXT = """
    SELECT due_at FROM outgoing WHERE status = 'pending' AND due_at IS NOT NULL ORDER BY due_at LIMIT 1 OFFSET ?
"""
# The event too: a row that was forgotten with everything else is not another's.
_PUT = """
    UPDATE outgoing SET url = ?, body = ?, due_at = ?, attempts = ?, status = ?, code = ?, error = ?, delivered_at = ?
    WHERE id = ? AND event_id = ?
"""


def _outgoing(row: Sequence[Any]) -> Outgoing:
    return Outgoing(**dict(zip(_COLUMNS.split(", "), row, strict=True)))


def outgoing_due(tx: Transaction, now: float, limit: int) -> tuple[list[Outgoing], float | None]:
    """Verb `outgoing_due`: what did not fit counts as next."""
    rows = [_outgoing(row) for row in tx.read(_DUE, (now, max(limit, 0)))]
    later = tx.read(_NEXT, (len(rows),))
    return rows, later[0][0] if later else None


def put_outgoing(tx: Transaction, rows: Sequence[Outgoing]) -> None:
    """Verb `put_outgoing`."""
    tx.write_many(
        _PUT,
        [
            (
                *(row.url, row.body, row.due_at, row.attempts, row.status, row.code, row.error, row.delivered_at),
                *(row.id, row.event_id),
            )
            for row in rows
        ],
    )


def outgoing(tx: Transaction, number: int) -> Outgoing | None:
    """Verb `outgoing`."""
    rows = tx.read(f"SELECT {_COLUMNS} FROM outgoing WHERE id = ?", (number,))
    return _outgoing(rows[0]) if rows else None


def outgoing_of(
    tx: Transaction, client: str, job_id: str | None, status: str | None, before: int | None, limit: int
) -> list[Outgoing]:
    """Verb `outgoing_of`."""
    wanted = {"client = ?": client, "job_id = ?": job_id, "status = ?": status, "id < ?": before}
    given = {test: value for test, value in wanted.items() if value is not None}
    # Without statistics SQLite cannot tell which index is the narrower one.
    index = "outgoing_of_client" if job_id is None else "outgoing_of_job"
    query = f"SELECT {_COLUMNS} FROM outgoing INDEXED BY {index} WHERE {' AND '.join(given)} ORDER BY id DESC LIMIT ?"
    return [_outgoing(row) for row in tx.read(query, (*given.values(), max(limit, 0)))]
