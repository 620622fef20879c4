"""The verbs about what lies beside the jobs: idempotency keys, checkpoints, and small documents by name."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator_lite.store._rows import Keyed
from orchestrator_lite.store._transaction import Transaction

_KEY = "SELECT key, digest, job_id, until FROM keys WHERE key = ?"
_NOTES = "SELECT name, doc FROM notes WHERE name >= ?1 AND substr(name, 1, length(?1)) = ?1 ORDER BY name"
_UP_TO = "SELECT name, doc FROM notes WHERE name >= ?1 AND name < ?2 ORDER BY name"
_PUT_NOTE = "INSERT OR REPLACE INTO notes (name, doc) VALUES (?, ?)"


def key(tx: Transaction, name: str) -> Keyed | None:
    """Verb `key`."""
    rows = tx.read(_KEY, (name,))
    return Keyed(*rows[0]) if rows else None


def checkpoint(tx: Transaction, task_id: str) -> bytes | None:
    """Verb `checkpoint`."""
    rows = tx.read("SELECT doc FROM checkpoints WHERE task_id = ?", (task_id,))
    return rows[0][0] if rows else None


def notes(tx: Transaction, prefix: str) -> dict[str, bytes]:
    """Verb `notes`."""
    if prefix and prefix[-1].isascii():
        return dict(tx.read(_UP_TO, (prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1))))
    return dict(tx.read(_NOTES, (prefix,)))


def put_notes(tx: Transaction, given: Mapping[str, bytes | None]) -> None:
    """Verb `put_notes`."""
    tx.write_many("DELETE FROM notes WHERE name = ?", [(name,) for name, doc in given.items() if doc is None])
    tx.write_many(_PUT_NOTE, [(name, doc) for name, doc in given.items() if doc is not None])
