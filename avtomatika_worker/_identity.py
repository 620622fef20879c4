"""Who this process is: a worker id that no other process has, and the journal that belongs to it.

A file lock beside the journal is the claim; it ends with the process, however that ends, so the next start takes the
same slot and finds what the last one left.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from uuid import uuid4

from avtomatika_client.protocol.worker import WORKER_ID_PATTERN
from avtomatika_worker.errors import IdentityTakenError, WorkerConfigError

logger = logging.getLogger(__name__)

MAX_SLOTS: Final = 10_000
_MAX_NAME: Final = 100


class FileLock:
    """A lock on a file that ends with the process that holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def take(self) -> bool:
        """Take it; False when somebody holds it. Raises OSError when the file cannot be made."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+")
        try:
            _lock(file)
        except OSError:
            file.close()
            return False
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file
        return True

    def holder(self) -> str:
        """The process id its holder wrote, for messages."""
        try:
            return self.path.read_text().strip() or "unknown"
        except OSError:
            return "unknown"

    def release(self) -> None:
        """Let go of it; the file stays, since removing it would race with the next taker."""
        if self._file is not None:
            self._file.close()
            self._file = None


if sys.platform == "win32":
    import msvcrt

    # Past the text, so that the process id stays readable for others.
    def _lock(file: IO[str]) -> None:
        file.seek(1 << 20)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@dataclass(frozen=True, slots=True)
class Identity:
    """A worker id, the file of its journal (None: in memory), and the locks that make them ours."""

    worker_id: str
    journal: Path | None
    locks: tuple[FileLock, ...] = ()

    def release(self) -> None:
        """Let another process have them."""
        for lock in self.locks:
            lock.release()


def check_worker_id(worker_id: str) -> str:
    """Return `worker_id`; raises WorkerConfigError when it has characters the protocol does not allow."""
    if not re.fullmatch(WORKER_ID_PATTERN, worker_id):
        raise WorkerConfigError(f"Not a worker id: {worker_id!r}; letters, digits, '_' and '-', at most 128.")
    return worker_id


def fleeting(worker_type: str, worker_id: str | None) -> Identity:
    """An identity that touches no file: for tests and where nothing can be written."""
    return Identity(worker_id or f"{_clean(worker_type)}-{_host()}-{uuid4().hex[:8]}", None)


def claim(worker_type: str, worker_id: str | None, journal: Path | None, *, durable: bool, folder: Path) -> Identity:
    """Take an identity that is ours until it is released.

    Args:
        worker_type: What the id begins with when there is no `worker_id`.
        worker_id: The id the user gave.
        journal: The journal file the user gave; None: beside the lock.
        durable: Whether there is a journal file at all.
        folder: The state folder.

    Raises:
        IdentityTakenError: Another process has this id or this journal.
    """
    try:
        if not durable:
            return fleeting(worker_type, worker_id) if worker_id else _slot(worker_type, folder, durable=False)
        own = _named(worker_id, journal, folder) if worker_id else _slot(worker_type, folder, durable=True)
    except OSError as error:
        if durable:
            logger.warning("Cannot write to %s (%s): results are kept in memory only", folder, error)
        return fleeting(worker_type, worker_id)
    if journal is None or worker_id:
        return own
    try:
        return Identity(own.worker_id, journal, (*own.locks, _locked(journal, f"the journal {journal}")))
    except BaseException:
        own.release()
        raise


def _named(worker_id: str, journal: Path | None, folder: Path) -> Identity:
    path = journal or folder / f"{worker_id}.db"
    return Identity(worker_id, path, (_locked(path, f"worker {worker_id!r}"),))


def _locked(path: Path, what: str) -> FileLock:
    lock = FileLock(path.with_name(path.name + ".lock"))
    if not lock.take():
        raise IdentityTakenError(
            f"Process {lock.holder()} already runs {what} ({lock.path}); stop it, or give this one another worker_id."
        )
    return lock


def _slot(worker_type: str, folder: Path, *, durable: bool) -> Identity:
    name = _clean(worker_type)
    for number in range(1, MAX_SLOTS):
        path = folder / f"{name}-{number}.db"
        lock = FileLock(path.with_name(path.name + ".lock"))
        if lock.take():
            return Identity(f"{name}-{_host()}-{number}"[:128], path if durable else None, (lock,))
    raise IdentityTakenError(f"All {MAX_SLOTS} slots of {folder} are taken.")


def _clean(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "-", text)[: _MAX_NAME // 2] or "worker"


def _host() -> str:
    return _clean(socket.gethostname())
