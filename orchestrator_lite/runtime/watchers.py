"""Who waits for a job to end."""

from __future__ import annotations

import asyncio

from orchestrator_lite.engine.state import Job


class Watchers:
    """Futures by job; each is set with the job when it has ended, or with None when the server stops."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[Job | None]]] = {}

    def watch(self, job_id: str) -> asyncio.Future[Job | None]:
        """A future for the job's end; give it back with `leave`."""
        future: asyncio.Future[Job | None] = asyncio.get_running_loop().create_future()
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

    def ended(self, job: Job) -> None:
        """Tell everybody who waits."""
        for future in self._waiting.pop(job.id, ()):
            if not future.done():
                future.set_result(job)

    def close(self) -> None:
        """Let everybody go: the server stops."""
        for futures in self._waiting.values():
            for future in futures:
                if not future.done():
                    future.set_result(None)
        self._waiting.clear()
