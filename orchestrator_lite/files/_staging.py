"""Where uploads lie until they are whole: one folder per server, which ends with it, however that ends."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from orchestrator_lite.store._lock import FileLock

_LOCK = ".lock"
_TRIES = 5


class Staging:
    """A folder of this server's own below `root`; those that dead servers left are taken away.

    The lock beside a folder says that its server lives: the system lets go of it with the process.

    Attributes:
        folder: The folder.

    Args:
        root: Where the folders of all servers that share the files lie.

    Raises:
        OSError: It cannot be used.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, exist_ok=True)
        self._root = root
        for _ in range(_TRIES):
            self.folder = root / token_hex(8)
            self._lock = FileLock(_lock_of(self.folder))
            if self._lock.acquire() and _lock_of(self.folder).exists():
                break  # else one that sweeps just now took it for a dead server's
            self._lock.release()
        self.folder.mkdir(mode=0o700)
        self._sweep()

    def close(self) -> None:
        """Take the folder away."""
        _remove(self.folder)
        self._lock.release()

    def _sweep(self) -> None:
        for file in self._root.glob(f"*{_LOCK}"):
            folder = file.with_suffix("")
            if folder == self.folder:
                continue
            lock = FileLock(file)
            if lock.acquire():
                _remove(folder)
                lock.release()


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        _lock_of(folder).unlink(missing_ok=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + _LOCK)
