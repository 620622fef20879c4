"""Files of jobs, in a folder or a bucket: streamed, for clients, workers, handlers, holders of signed URLs."""

from __future__ import annotations

from orchestrator_lite.files._errors import (
    FileClashError,
    FileMissingError,
    FileNameError,
    FilesError,
    FilesFullError,
    FilesOffError,
    LinkError,
    SpanError,
)
from orchestrator_lite.files._folder import Folder
from orchestrator_lite.files._place import Opened, Place, Stored
from orchestrator_lite.files._storage import Files
from orchestrator_lite.files._task_files import TaskFiles

__all__ = [
    "FileClashError",
    "FileMissingError",
    "FileNameError",
    "Files",
    "FilesError",
    "FilesFullError",
    "FilesOffError",
    "Folder",
    "LinkError",
    "Opened",
    "Place",
    "SpanError",
    "Stored",
    "TaskFiles",
]
