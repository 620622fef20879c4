"""Who wants to hear of a job, or of all jobs of a client.

A listener is told that there is something new, never what: it reads that from the store, and from the leases, which
hold the latest progress of each task. So a slow reader costs nothing but its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Listener:
    """One reader.

    Attributes:
        poke: Done when there is something new since `renew`.
        tasks: Tasks that have told of their progress since they were last read.
    """

    __slots__ = ("poke", "tasks")

    def __init__(self) -> None:
        self.poke: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.tasks: dict[str, None] = {}

    def tell(self) -> None:
        """There is something new."""
        if not self.poke.done():
            self.poke.set_result(None)

    def renew(self) -> None:
        """What comes from now on is new; call it before reading."""
        if self.poke.done():
            self.poke = asyncio.get_running_loop().create_future()

    def take_tasks(self) -> list[str]:
        """The tasks whose progress is to be read."""
        tasks = list(self.tasks)
        self.tasks.clear()
        return tasks


class Feed:
    """The listeners of a server, by job and by client."""

    def __init__(self) -> None:
        self._jobs: dict[str, set[Listener]] = {}
        self._clients: dict[str, set[Listener]] = {}
        self.closed = False
        self._closing: asyncio.Future[None] | None = None

    @contextmanager
    def of_job(self, job_id: str) -> Iterator[Listener]:
        """Listen to one job."""
        with _listening(self._jobs, job_id) as listener:
            yield listener

    @contextmanager
    def of_client(self, client: str) -> Iterator[Listener]:
        """Listen to all jobs of a client."""
        with _listening(self._clients, client) as listener:
            yield listener

    def closing(self) -> asyncio.Future[None]:
        """Done when the server stops."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_future()
            if self.closed:
                self._closing.set_result(None)
        return self._closing

    def moved(self, job_id: str, client: str) -> None:
        """Something of a job has been written."""
        if self._jobs:
            for listener in self._jobs.get(job_id, ()):
                listener.tell()
        if self._clients:
            for listener in self._clients.get(client, ()):
                listener.tell()

    def reported(self, job_id: str, task_id: str) -> None:
        """A task has told of its progress; whose job it is, its readers find out."""
        for listener in self._jobs.get(job_id, ()):
            listener.tasks[task_id] = None
            listener.tell()
        for listeners in self._clients.values():
            for listener in listeners:
                listener.tasks[task_id] = None
                listener.tell()

    def close(self) -> None:
        """Let everybody go: the server stops."""
        self.closed = True
        if self._closing is not None and not self._closing.done():
            self._closing.set_result(None)
        self.tell_all()

    def tell_all(self) -> None:
        """Something has happened to everything."""
        for listeners in (*self._jobs.values(), *self._clients.values()):
            for listener in listeners:
                listener.tell()


@contextmanager
def _listening(listeners: dict[str, set[Listener]], key: str) -> Iterator[Listener]:
    listener = Listener()
    listeners.setdefault(key, set()).add(listener)
    try:
        yield listener
    finally:
        mine = listeners[key]
        mine.discard(listener)
        if not mine:
            del listeners[key]
