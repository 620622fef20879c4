"""Finished work that no orchestrator has acknowledged yet.

Each result is written before its first delivery and removed on the server's verdict, so a killed worker's next start
delivers what this one could not. Everything is mirrored in memory: a disk that fails costs durability, not results.
The file is SQLite (WAL, synchronous=NORMAL: it survives kill -9; a power cut may take the last moments).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS results (
    server TEXT NOT NULL, task_id TEXT NOT NULL, attempt INTEGER NOT NULL,
    job_id TEXT NOT NULL, status TEXT NOT NULL, data BLOB NOT NULL, error BLOB NOT NULL,
    PRIMARY KEY (server, task_id, attempt)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """One attempt of one task that has ended.

    Attributes:
        server: URL of the orchestrator it came from.
        task_id: The task.
        attempt: Which attempt this answers.
        job_id: The task's job.
        status: `success`, `failure`, `cancelled` or the skill's own word.
        data: What the skill returned, as JSON.
        error: Code, message and details as JSON, or `null`.
    """

    server: str
    task_id: str
    attempt: int
    job_id: str
    status: str
    data: bytes = b"null"
    error: bytes = b"null"

    @property
    def key(self) -> tuple[str, str, int]:
        """What is unique about it."""
        return self.server, self.task_id, self.attempt


class Journal:
    """The results this worker still owes its orchestrators; used from one thread."""

    def __init__(self, path: Path | None) -> None:
        """Open the journal at `path`; None, or a file that cannot be used, keeps results in memory."""
        self._entries: dict[tuple[str, str, int], Finished] = {}
        self._by_task: dict[tuple[str, str], Finished] = {}
        self._warned = False
        self._path = path
        self._db = None if path is None else self._open(path)

    @property
    def durable(self) -> bool:
        """Whether results outlive this process."""
        return self._db is not None

    def add(self, result: Finished) -> None:
        """Keep a result until it is removed."""
        self._remember(result)
        self._write(
            "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*result.key, result.job_id, result.status, result.data, result.error),
        )

    def remove(self, result: Finished) -> None:
        """Forget a result: the server has given its verdict on it."""
        self._entries.pop(result.key, None)
        task = (result.server, result.task_id)
        if (latest := self._by_task.get(task)) is not None and latest.attempt == result.attempt:
            del self._by_task[task]
        self._write("DELETE FROM results WHERE server = ? AND task_id = ? AND attempt = ?", result.key)

    def of_task(self, server: str, task_id: str) -> Finished | None:
        """The latest result of a task that is still owed."""
        return self._by_task.get((server, task_id))

    def owed_to(self, server: str) -> list[Finished]:
        """What one orchestrator has not acknowledged, oldest first."""
        return [entry for entry in self if entry.server == server]

    def __iter__(self) -> Iterator[Finished]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _open(self, path: Path) -> sqlite3.Connection | None:
        db = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(path, isolation_level=None, timeout=1.0)
            _prepare(db)
            for row in db.execute("SELECT server, task_id, attempt, job_id, status, data, error FROM results"):
                self._remember(_from_row(row))
        except (OSError, sqlite3.Error) as error:
            self._warn(error)
            if db is not None:
                db.close()
            return None
        return db

    def _remember(self, result: Finished) -> None:
        self._entries[result.key] = result
        task = (result.server, result.task_id)
        known = self._by_task.get(task)
        if known is None or known.attempt <= result.attempt:
            self._by_task[task] = result

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        if self._db is None:
            return
        try:
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("Journal %s cannot be written (%s): results are kept in memory only", self._path, error)


def _prepare(db: sqlite3.Connection) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise sqlite3.DatabaseError(f"made by a newer release (version {version})")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute(_SCHEMA)
    db.execute(f"PRAGMA user_version = {VERSION}")


def _from_row(row: tuple[str, str, int, str, str, bytes, bytes]) -> Finished:
    server, task_id, attempt, job_id, status, data, error = row
    return Finished(
        server=server, task_id=task_id, attempt=attempt, job_id=job_id, status=status, data=data, error=error
    )
