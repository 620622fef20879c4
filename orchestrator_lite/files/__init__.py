"""Files of jobs: kept in a folder, streamed both ways, reached by clients, workers, handlers and signed URLs."""

from __future__ import annotations

from orchestrator_lite.files._disk import Stored
from orchestrator_lite.files._errors import (
    FileClashError,
    FileMissingError,
    FileNameError,
    FilesError,
    FilesFullError,
    LinkError,
    SpanError,
)
from orchestrator_lite.files._storage import Files, Opened
from orchestrator_lite.files._task_files import TaskFiles

__all__ = [
    "FileClashError",
    "FileMissingError",
    "FileNameError",
    "Files",
    "FilesError",
    "FilesFullError",
    "LinkError",
    "Opened",
    "SpanError",
    "Stored",
    "TaskFiles",
]
