"""A consistent copy of a store, while it is written to."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from orchestrator_lite.store import _schema
from orchestrator_lite.store._rows import StoreError
from orchestrator_lite.store._transaction import Transaction

# 16 MiB at a time, so that an interrupt is heard in between.
_PAGES = 4096


def content(tx: Transaction) -> bytes:
    """The store as the bytes of a file."""
    return tx.serialized()


def write(database: bytes, target: str) -> None:
    """Write a store's bytes to a new file; raises StoreError."""
    _made(Path(target), lambda part: _fill(part, database))


def copy(source: str, target: str) -> None:
    """Copy a store's file, which another connection or process may be writing to, to a new file.

    What had been answered when the copy began is in it, and nothing of what was half done.

    Raises:
        StoreError: There is no such store, the target exists or cannot be written; in one line.
    """
    file = Path(source).resolve()
    if not file.is_file():
        raise StoreError(f"There is no store {file}: check the path.")
    _made(Path(target), lambda part: _copy(file, part))


def _made(target: Path, fill: Callable[[Path], None]) -> None:
    """A file under its name, once it is whole; never in the place of another."""
    if target.exists() or target.is_symlink():
        raise StoreError(f"The backup {target} exists already: choose another file.")
    if not target.parent.is_dir():
        raise StoreError(f"The backup {target} lies in a folder that does not exist: create it or choose another path.")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
        os.close(descriptor)
        part = Path(name)
        try:
            fill(part)
            _appear(part, target)
        finally:
            part.unlink(missing_ok=True)
    except FileExistsError:
        raise StoreError(f"The backup {target} exists already: choose another file.") from None
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"The backup {target} could not be written ({error}): nothing is left of it.") from error


def _appear(part: Path, target: Path) -> None:
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    try:
        os.link(part, target)  # fails where something has come to be meanwhile
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if target.exists():
            raise FileExistsError(target) from None
        part.rename(target)
    with suppress(OSError):  # not every system opens folders
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _fill(part: Path, database: bytes) -> None:
    part.write_bytes(database)


def _check_ours(connection: sqlite3.Connection, source: Path) -> None:
    try:
        ours = connection.execute("PRAGMA application_id").fetchone()[0] == _schema.APPLICATION_ID
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_NOTADB:
            raise
        ours = False
    if not ours:
        raise StoreError(f"{source} is not a store of ours: check the path.")


def _copy(source: Path, part: Path) -> None:
    uri = f"{source.as_uri()}?mode=rw"
    with (
        closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as theirs,
        closing(sqlite3.connect(part, isolation_level=None)) as ours,
    ):
        _check_ours(theirs, source)
        # One reading transaction around all steps: writers go on, and no step has to begin anew because of them.
        theirs.execute("BEGIN")
        theirs.execute("SELECT count(*) FROM sqlite_master").fetchone()
        theirs.backup(ours, pages=_PAGES)
        # No log beside the copy: it is one file until it is opened.
        ours.execute("PRAGMA journal_mode = DELETE").fetchone()
