"""One connection, one open transaction, and what waits to be written in it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any

from orchestrator_lite.store._batch import Batch
from orchestrator_lite.store._known import Known
from orchestrator_lite.store._lock import FileLock
from orchestrator_lite.store._many import Among

_log = logging.getLogger(__name__)


class Transaction:
    """What the verbs work with: reading sees everything before it, writing is kept back for its group.

    Attributes:
        batch: Writes of checked changes, not yet written.
        known: What is known of the rows that changes depend on.
        commits: How many COMMITs there have been.
    """

    def __init__(self, connection: sqlite3.Connection, lock: FileLock | None = None, *, power: bool = False) -> None:
        self._connection = connection
        self._lock = lock
        self._power = self._synchronous = power
        self.batch = Batch(connection)
        self.known = Known(connection)
        self.commits = 0
        self._suffers = self._lasting = False

    def begin(self, *, lasting: bool = True) -> None:
        """Open a transaction; nobody else can write until its end.

        Args:
            lasting: Whether what it writes must survive a power cut, where the store promises that.
        """
        self.known.forget()
        self._lasting = lasting
        if self._synchronous is not (self._power and lasting):
            self._synchronous = not self._synchronous
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if self._synchronous else 'NORMAL'}")
        self._connection.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        """Write what waits and make all of it durable."""
        self.batch.flush()
        self._connection.execute("COMMIT")
        self.commits += 1
        if self._suffers and self._lasting:  # a group that only read has proved nothing
            self._suffers = False
            _log.warning("The store can write again.")

    def suffers(self, error: Exception) -> None:
        """A cause that may pass keeps it from writing: said once, until it can."""
        if not self._suffers:
            self._suffers = True
            _log.warning("The store cannot write, and requests that need it are refused until it can: %s", error)

    def abandon(self) -> None:
        """Undo the transaction, however far it came."""
        self.batch.discard()
        # SQLite may have rolled back by itself (a full disk, an I/O error).
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def serialized(self) -> bytes:
        """The whole database, as the bytes of a file."""
        self.batch.flush()
        return self._connection.serialize()

    def close(self) -> None:
        """Copy the log into the database and let go of both, whatever happens."""
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        except sqlite3.Error as error:
            # Nothing is lost: the next start reads the log.
            _log.warning("The store's log could not be copied into its database: %s", error)
        finally:
            self._connection.close()
            if self._lock is not None:
                self._lock.release()

    # SQLite gives columns without types; each reader builds typed rows from them.
    def read(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of a query, after what waits has been written."""
        self.batch.flush()
        return self._connection.execute(query, values).fetchall()

    def run_among(self, statement: Among, keys: Sequence[str]) -> list[Any]:
        """All rows of a statement about many keys, after what waits has been written."""
        self.batch.flush()
        return statement.run(self._connection, keys)

    def read_of_job(self, query: str, values: Sequence[object], job_id: str) -> list[Any]:
        """All rows of a query about one job, after what waits has been written if it concerns that job."""
        if job_id in self.batch.jobs:
            self.batch.flush()
        return self._connection.execute(query, values).fetchall()

    def read_queue(self, query: str, values: Sequence[object]) -> list[Any]:
        """All rows of a query about queued tasks, after what waits has been written if it moves some."""
        if self.batch.moves_queue:
            self.batch.flush()
        return self._connection.execute(query, values).fetchall()

    def hand_out(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Run one statement per row that `read_queue` has found."""
        self._connection.executemany(statement, rows)

    def write(self, statement: str, values: Sequence[object] = ()) -> None:
        """Run one statement, after what waits has been written."""
        self.batch.flush()
        self._connection.execute(statement, values)

    def write_many(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Run one statement per row, after what waits has been written."""
        if rows:
            self.batch.flush()
            self._connection.executemany(statement, rows)
