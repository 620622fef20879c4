"""From a path to a connection that is ready, or one line that says what to do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from orchestrator_lite.store import _schema
from orchestrator_lite.store._lock import FileLock
from orchestrator_lite.store._rows import StoreError

# Another program that looks into the file may hold it for a moment.
_BUSY_SECONDS = 5.0


def connect(path: str | None, durability: _schema.Durability) -> tuple[sqlite3.Connection, FileLock | None]:
    """Open the database at `path` (None: in memory) and keep other processes out of it.

    Raises:
        StoreError: It cannot be used; the text names the file, the reason and the way out.
    """
    if path is None:
        return _prepared(_open(":memory:"), "the store in memory", durability), None
    file = Path(path).resolve()
    lock = _locked(file)
    try:
        return _prepared(_open(str(file)), str(file), durability), lock
    except sqlite3.Error as error:
        lock.release()
        raise _explained(file, error) from error
    except BaseException:
        lock.release()
        raise


def _locked(file: Path) -> FileLock:
    if file.is_dir():
        raise StoreError(f"The store {file} is a folder: name a file in it.")
    if not file.parent.is_dir():
        raise StoreError(f"The store {file} lies in a folder that does not exist: create it or choose another path.")
    lock = FileLock(file.with_name(file.name + ".lock"))
    try:
        held = lock.acquire()
    except OSError as error:
        raise StoreError(
            f"The store {file} cannot be opened ({error.strerror}): make its folder writable or choose another path."
        ) from error
    if not held:
        raise StoreError(f"The store {file} is in use by another process: stop that one or choose another path.")
    return lock


def _open(name: str) -> sqlite3.Connection:
    return sqlite3.connect(
        name, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )


def _prepared(connection: sqlite3.Connection, name: str, durability: _schema.Durability) -> sqlite3.Connection:
    try:
        version = _checked_version(connection, name)
        for pragma in _schema.pragmas(durability):
            connection.execute(pragma).close()
        if version == 0:
            _create(connection)
        else:
            _upgrade(connection, version)
    except BaseException:
        connection.close()
        raise
    return connection


def _checked_version(connection: sqlite3.Connection, name: str) -> int:
    version = _number(connection, "PRAGMA user_version")
    ours = _number(connection, "PRAGMA application_id") == _schema.APPLICATION_ID
    if not ours and (version or _number(connection, "SELECT count(*) FROM sqlite_master")):
        raise StoreError(f"The store {name} is a database of another program: choose another file.")
    if version > _schema.SCHEMA_VERSION:
        raise StoreError(
            f"The store {name} was written by a newer release (schema {version}, this one knows up to"
            f" {_schema.SCHEMA_VERSION}): upgrade avtomatika-sdk or choose another file."
        )
    return version


def _number(connection: sqlite3.Connection, query: str) -> int:
    with closing(connection.execute(query)) as cursor:
        return int(cursor.fetchone()[0])


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in _schema.TABLES:
        connection.execute(statement)
    connection.execute("COMMIT")


def _upgrade(connection: sqlite3.Connection, version: int) -> None:
    # It writes in any case: a file that can be read but not written is told now, not at the first job.
    connection.execute("BEGIN IMMEDIATE")
    for newer in range(version + 1, _schema.SCHEMA_VERSION + 1):
        for statement in _schema.UPGRADES[newer]:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {_schema.SCHEMA_VERSION}")
    connection.execute("ROLLBACK" if version == _schema.SCHEMA_VERSION else "COMMIT")


def _explained(file: Path, error: sqlite3.Error) -> StoreError:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
        return StoreError(f"The store {file} is not an SQLite database: choose another file.")
    return StoreError(f"The store {file} cannot be opened ({error}): repair the cause or choose another path.")
