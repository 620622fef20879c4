"""Waits for the user's modules to differ from what was loaded; what is the case counts, events only wake us.

So a save while something is being loaded is not missed, and an editor that renames or deletes does no harm.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

from watchfiles import awatch

from avtomatika_client.protocol.clock import SYSTEM_CLOCK

LOOK_EVERY_SECONDS: Final = 1.0
"""Network folders and folders that are made anew send no events."""

Print = dict[str, tuple[int, int, int]]


class Watch:
    """The folders of the user's modules; those of the command's files are always among them."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files = [str(Path(file).resolve()) for file in files]
        self._folders = list(dict.fromkeys(str(Path(file).parent) for file in self._files))
        self._roots = len(self._folders)
        self._seen: Print = {}

    def mark(self) -> None:
        """What is there now is what will be loaded."""
        self._seen = self._print()

    def follow(self, folders: Iterable[str]) -> None:
        """Look into these folders, too, from now on; what they hold now is what was loaded."""
        known = self._folders
        self._folders = list(dict.fromkeys([*known[: self._roots], *folders]))
        new = [folder for folder in self._folders if folder not in known]
        self._seen |= {file: mark for folder in new for file, mark in _in(folder)}
        kept = (*self._folders,)
        self._seen = {
            file: mark for file, mark in self._seen.items() if str(Path(file).parent) in kept or file in self._files
        }

    def changed(self) -> list[str]:
        """The files that are not as they were marked."""
        now = self._print()
        return sorted(file for file in now.keys() | self._seen.keys() if now.get(file) != self._seen.get(file))

    async def wait(self) -> None:
        """Return once something has changed and the saving has come to rest."""
        while not self.changed():
            present = _present(self._folders)
            try:
                await self._woken(present)
            except OSError:  # a folder went meanwhile, or the system has no more watches to give
                await SYSTEM_CLOCK.sleep(LOOK_EVERY_SECONDS / 2)

    async def _woken(self, folders: Sequence[str]) -> None:
        if not folders:
            raise FileNotFoundError
        changes = awatch(
            *folders,
            watch_filter=None,
            recursive=False,
            debounce=400,
            rust_timeout=round(LOOK_EVERY_SECONDS * 1000),
            yield_on_timeout=True,
        )
        async with aclosing(changes):
            async for _ in changes:
                if self.changed() or len(_present(folders)) < len(folders):
                    return

    def _print(self) -> Print:
        found = {file: mark for folder in self._folders for file, mark in _in(folder)}
        return found | {file: mark for file in self._files if (mark := _mark(file)) is not None}


def _present(folders: Sequence[str]) -> list[str]:
    return [folder for folder in folders if Path(folder).is_dir()]


def _in(folder: str) -> list[tuple[str, tuple[int, int, int]]]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.path for entry in entries if _counts(entry.name)]
    except OSError:
        return []
    return [(path, mark) for path in names if (mark := _mark(path)) is not None]


def _counts(name: str) -> bool:
    return name.endswith(".py") and not name.startswith((".", "test_")) and name != "conftest.py"


def _mark(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - once a second for every module: without a Path each
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
