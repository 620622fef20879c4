"""Who waits for jobs to end, and who wants to hear of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from orchestrator_lite.engine.state import Job
from orchestrator_lite.runtime.feed import Feed


class Watchers:
    """Futures by job; each is set with the job when it has ended, or with None when the server stops.

    Attributes:
        feed: Who wants to hear of every event.
    """

    def __init__(self) -> None:
        self.feed = Feed()
        self._waiting: dict[str, set[asyncio.Future[Job | None]]] = {}

    def watch(self, job_id: str) -> asyncio.Future[Job | None]:
        """A future for the job's end; give it back with `leave`."""
        return self.watch_any((job_id,))

    def watch_any(self, job_ids: Collection[str]) -> asyncio.Future[Job | None]:
        """A future for the first end among these jobs; give it back for each of them with `leave`."""
        future: asyncio.Future[Job | None] = asyncio.get_running_loop().create_future()
        for job_id in job_ids:
            self._waiting.setdefault(job_id, set()).add(future)
        return future

    def leave(self, job_id: str, future: asyncio.Future[Job | None]) -> None:
        """Wait no more."""
        waiting = self._waiting.get(job_id)
        if waiting is not None:
            waiting.discard(future)
            if not waiting:
                del self._waiting[job_id]

    def jobs(self) -> list[str]:
        """The jobs somebody waits for."""
        return list(self._waiting)

    def moved(self, job: Job) -> None:
        """Something of a job has been written: tell those who listen, and when it has ended those who wait."""
        self.feed.moved(job.id, job.client.name)
        if job.is_final:
            self._ended(job)

    def _ended(self, job: Job) -> None:
        for future in self._waiting.pop(job.id, ()):
            if not future.done():
                future.set_result(job)

    def close(self) -> None:
        """Let everybody go: the server stops."""
        self.feed.close()
        self.dismiss()

    def dismiss(self) -> None:
        """Have everybody look again, whatever they wait for."""
        self.feed.tell_all()
        for futures in self._waiting.values():
            for future in futures:
                if not future.done():
                    future.set_result(None)
        self._waiting.clear()
