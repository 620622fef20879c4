"""What the runner needs of a store: its verbs.

No business rule lives behind it and no SQL before it. Every verb is atomic; a verb that wrote has been made durable
when it returns (against a power cut only what is not about leases need be: a lease may be handed out twice).
Times are UTC wall seconds. Documents are JSON bytes that only the engine reads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from orchestrator_lite.store._rows import (
    Change,
    Counts,
    Due,
    EventRow,
    Keyed,
    ListedJob,
    Loaded,
    Outgoing,
    Renewal,
    TaskRef,
    TaskRow,
    WorkerRow,
)


class Store(Protocol):
    """Where jobs, their history, the queue, the timers and the workers lie."""

    async def open(self) -> None:
        """Get ready; raises StoreError with one line that says what to do."""

    async def close(self) -> None:
        """Finish what was begun and let go of everything; does nothing the second time."""

    async def load(self, job_id: str) -> Loaded | None:
        """A job with its live tasks."""

    async def commit(self, *changes: Change) -> None:
        """Write steps of different jobs, all of them or none.

        Raises:
            Conflict: A job or task of them has moved on, or two of them concern the same one.
            KeyTaken: The idempotency key of one of them is in use.
        """

    async def checkpoint(self, task_id: str) -> bytes | None:
        """What a task has put aside last."""

    async def key(self, key: str) -> Keyed | None:
        """An idempotency key as it was used last, whether or not it has expired since (compare `until`)."""

    async def lease(
        self, worker_id: str, incarnation: str | None, skills: Collection[str], until: float, limit: int = 1
    ) -> list[TaskRow]:
        """Hand up to `limit` queued tasks of these skills to a worker, by priority and age.

        The attempt is raised where the last one was `spent`; rows come back as they are now stored.
        """

    async def renew(self, renewals: Sequence[Renewal]) -> None:
        """Take signs of life; those that do not count are passed over."""

    async def hand_back(self, refs: Sequence[TaskRef]) -> list[TaskRow]:
        """Put leased tasks back whose delivery never happened; returns those that were as referred to."""

    async def take_over(
        self, worker_id: str, incarnation: str, holding: Collection[tuple[str, int]], until: float
    ) -> list[TaskRow]:
        """A new start of a worker: leases of its earlier starts end, except those it holds results for.

        Those in `holding` (task_id, attempt) pass to the new incarnation until `until`; the others are queued again
        and returned.
        """

    async def grace(self, until: float) -> None:
        """Move the end of every lease to `until` at least: after the server's own downtime."""

    async def leases(self, worker_id: str | None = None) -> list[TaskRow]:
        """Leased tasks, of one worker or of all."""

    async def due(self, now: float, limit: int = 1000) -> Due:
        """Timers and leases that ended by `now`, oldest first, and when the next will."""

    async def jobs_of(
        self,
        client: str,
        status: str | Collection[str] | None = None,
        blueprint: str | None = None,
        before: str | None = None,
        limit: int = 50,
        offset: int = 0,
        after: str | None = None,
    ) -> list[ListedJob]:
        """A client's jobs, newest (highest id) first.

        Args:
            client: Whose jobs.
            status: Only those with this status, or one of these.
            blueprint: Only those of this blueprint.
            before: Only those below this id.
            limit: How many at most.
            offset: How many of those to pass over first.
            after: Only those at or above this id.
        """

    async def events_after(self, job_id: str, seq: int = 0, limit: int = 10_000) -> list[EventRow]:
        """A job's history after an event."""

    async def client_events_after(self, client: str, seq: int = 0, limit: int = 1000) -> list[EventRow]:
        """The history of all jobs of a client after an event, in order."""

    async def last_event(self) -> int:
        """The highest `seq` that was given; 0 when there was no event yet."""

    async def lanes(self) -> list[str]:
        """The skills of the tasks that are queued or leased, each once."""

    async def outgoing_due(self, now: float, limit: int = 100) -> tuple[list[Outgoing], float | None]:
        """Pending messages that are due by `now`, the one due first first, and when the next will be (None: never)."""

    async def put_outgoing(self, rows: Sequence[Outgoing]) -> None:
        """Replace messages by their ids: all but whose they are. One that has been forgotten meanwhile stays so."""

    async def outgoing(self, message_id: int) -> Outgoing | None:
        """A message by its id."""

    async def outgoing_of(
        self,
        client: str,
        *,
        job_id: str | None = None,
        status: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Outgoing]:
        """A client's messages, newest (highest id) first.

        Args:
            client: Whose messages.
            job_id: Only those about this job.
            status: Only those with this status.
            before: Only those below this id.
            limit: How many at most.
        """

    async def notes(self, prefix: str = "") -> dict[str, bytes]:
        """The small documents whose names begin so, by name."""

    async def put_notes(self, notes: Mapping[str, bytes | None]) -> None:
        """Keep small documents under their names, all of them or none; None deletes."""

    async def ended_before(self, at: float, limit: int = 500) -> list[str]:
        """Ids of jobs that ended before `at` and have no message pending, the one that ended first first."""

    async def forget(self, job_ids: Collection[str]) -> list[str]:
        """Forget jobs with their history, checkpoints and messages; returns which.

        Those that have not ended, or have a message pending, are passed over; of those that are not there, timers go
        that others have set for them. Idempotency keys stay as long as they were to stay.
        """

    async def purge(self, now: float, limit: int = 1000) -> int:
        """Forget up to `limit` idempotency keys that have expired by `now`; returns how many."""

    async def backup(self, path: str) -> None:
        """Write a consistent copy to a file that does not exist yet, while everything goes on.

        Raises:
            StoreError: There is such a file already, or it cannot be written.
        """

    async def runnable(self, limit: int = 1000, after: str = "") -> list[str]:
        """Ids (above `after`, ascending) of jobs whose status is `pending` or `running`: a handler is owed to them."""

    async def put_worker(self, worker: WorkerRow) -> None:
        """Keep a worker's registration."""

    async def workers(self) -> list[WorkerRow]:
        """All kept registrations."""

    async def drop_worker(self, worker_id: str) -> None:
        """Forget a worker."""

    async def counts(self) -> Counts:
        """How much work there is."""

    async def wipe(self) -> None:
        """Forget everything; numbers that were given (`EventRow.seq`, `Outgoing.id`) are not given again."""
