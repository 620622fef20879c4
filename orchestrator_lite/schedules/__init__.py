"""Jobs that begin by themselves: what is to run and when, from `schedules.toml` or over REST."""

from __future__ import annotations

from orchestrator_lite.schedules._book import Book, FileOwnedError, GoneError, NameTakenError, TooManyError
from orchestrator_lite.schedules._definition import Definition
from orchestrator_lite.schedules._entry import Entry, Run
from orchestrator_lite.schedules._file import FileSchedule, SchedulesFileError, read_schedules
from orchestrator_lite.schedules._keeper import KEY_LASTS, Keeper, NoBlueprintError

__all__ = [
    "KEY_LASTS",
    "Book",
    "Definition",
    "Entry",
    "FileOwnedError",
    "FileSchedule",
    "GoneError",
    "Keeper",
    "NameTakenError",
    "NoBlueprintError",
    "Run",
    "SchedulesFileError",
    "TooManyError",
    "read_schedules",
]
