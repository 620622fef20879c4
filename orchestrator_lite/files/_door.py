"""Uploads of jobs that may be forgotten meanwhile: none of them is to bring a forgotten job's files back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from orchestrator_lite.files._errors import FileMissingError


@dataclass(slots=True, eq=False)
class Door:
    """Through which the uploads of one job go that are under way at the same time.

    Attributes:
        lock: Held while a file is put in its place, and while the job's files are taken away.
        shut: Whether the job was forgotten meanwhile.
        inside: Uploads under way.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    shut: bool = False
    inside: int = 0

    def check(self) -> None:
        """Let an upload go on.

        Raises:
            FileMissingError: Its job was forgotten meanwhile.
        """
        if self.shut:
            raise FileMissingError("Job not found")


class Doors:
    """The doors of all jobs that files come for just now; for the event loop's thread alone."""

    def __init__(self) -> None:
        self._of: dict[str, Door] = {}

    @contextmanager
    def entered(self, job_id: str) -> Iterator[Door]:
        """Around an upload."""
        door = self._of.setdefault(job_id, Door())
        door.inside += 1
        try:
            yield door
        finally:
            door.inside -= 1
            if not door.inside and self._of.get(job_id) is door:
                del self._of[job_id]

    def shut(self, job_id: str) -> Door:
        """Turn away the uploads of a job that are under way; those that begin from now on are let in."""
        door = self._of.pop(job_id, None) or Door()
        door.shut = True
        return door

    def shut_all(self) -> None:
        """As `shut`, for all jobs."""
        for job_id in list(self._of):
            self.shut(job_id)
