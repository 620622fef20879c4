"""What one reader of events is still to be told: history from the store, progress from the leases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from orchestrator_lite.runtime.jobs import Live
from orchestrator_lite.runtime.leases import Lease

if TYPE_CHECKING:
    from orchestrator_lite.runtime.core import Core
    from orchestrator_lite.runtime.feed import Listener

PORTION = 20
"""History events read at a time: what a reader that takes nothing holds in memory."""


@dataclass(frozen=True, slots=True)
class Told:
    """One thing to tell: `history`, `progress` or `end`. Only what is durable has an id to go on from."""

    name: str
    doc: bytes
    id: str | None = None


class Follower:
    """One reader's way through the events of a job (`job_id`), or of all jobs of a client.

    Attributes:
        seq: The last history event it was told.
        has_more: Whether there is more to come at once.
        is_over: Whether there is nothing more to come: the job has ended, or is forgotten.
    """

    def __init__(
        self, core: Core, listener: Listener, client: str, *, job_id: str | None, seq: int, reported: int = 0
    ) -> None:
        """Make it.

        Args:
            core: The server.
            listener: Through which it hears that there is something new.
            client: Whose jobs; nothing of another client's is told.
            job_id: Which job; None: all of them.
            seq: The last history event that is known.
            reported: The number of the last progress that is known.
        """
        self._core = core
        self._listener = listener
        self._client = client
        self._job_id = job_id
        self.seq = seq
        self._reported = reported
        self._first = True
        self.is_over = False
        self.has_more = False

    async def news(self) -> list[Told]:
        """What is new; empty when nothing is. Progress is told once, and only the latest word of each task."""
        self._listener.renew()
        live = None if self._job_id is None else await self._core.find(self._job_id)
        rows = await self._rows()
        told = [Told("history", row.doc, str(row.seq)) for row in rows]
        if rows:
            self.seq = rows[-1].seq
        self.has_more = len(rows) == PORTION
        if self.has_more:
            self._listener.tell()
            return told
        told += await self._progress(live)
        if self._job_id is not None:
            told += self._end(live)
        return told

    async def _rows(self) -> list[Any]:
        store = self._core.store
        if self._job_id is not None:
            return await store.events_after(self._job_id, self.seq, PORTION)
        return await store.client_events_after(self._client, self.seq, PORTION)

    async def _progress(self, live: Live | None) -> list[Told]:
        leases = [lease for task_id in self._to_look_at(live) if (lease := self._core.lease(task_id)) is not None]
        news = [lease for lease in leases if lease.report > self._reported and await self._is_ours(lease)]
        news.sort(key=lambda lease: lease.report)
        if news:
            self._reported = news[-1].report
        return [Told("progress", to_json(_report(lease))) for lease in news]

    def _to_look_at(self, live: Live | None) -> list[str]:
        """Tasks that may have something to tell; the first time all of them."""
        tasks = self._listener.take_tasks()
        if not self._first:
            return tasks
        self._first = False
        return list(live.rows) if live is not None else [lease.row.task_id for lease in self._core.desk.leases.all()]

    async def _is_ours(self, lease: Lease) -> bool:
        if self._job_id is not None:
            return lease.row.job_id == self._job_id
        live = await self._core.find(lease.row.job_id)
        return live is not None and live.job.client.name == self._client

    def _end(self, live: Live | None) -> list[Told]:
        """The end of the stream; `live` was read before the history, so that history is whole."""
        if live is not None and not live.job.is_final:
            return []
        self.is_over = True
        if live is None:
            return []
        job = live.job
        end = {"job_id": job.id, "status": job.status, "current_state": job.current_state, "error": job.error}
        return [Told("end", to_json(end), f"{self.seq}e")]


def _report(lease: Lease) -> dict[str, Any]:
    return {
        "job_id": lease.row.job_id,
        "task_id": lease.row.task_id,
        "attempt": lease.row.attempt,
        "progress": lease.progress,
        "message": lease.message,
        "number": lease.report,
    }
