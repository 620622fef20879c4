"""What the runner needs of a store: about a dozen verbs, and the rows that pass through them.

No business rule lives behind it and no SQL before it. Every verb is atomic; a verb that wrote has been made durable
when it returns (against a power cut only `commit` and the verbs of workers need be: a lease may be handed out twice).
Times are UTC wall seconds. Documents are JSON bytes that only the engine reads.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from avtomatika_client.protocol.errors import AvtomatikaError


class StoreError(AvtomatikaError):
    """The store could not do what it was asked; nothing of the verb was written."""


class StoreUnavailable(StoreError):
    """The store cannot write just now (disk full, database locked); trying again later may help."""


class Conflict(StoreError):
    """What the change was computed from is no longer what is stored; nothing of it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job as stored.

    Attributes:
        id: Grows with time (UUIDv7), so that new rows are appended.
        version: Counts the commits, from 1.
        status: For filters; the truth is in `doc`.
        client: Name of the client it belongs to; like the next two it never changes.
        blueprint: Name of its blueprint.
        created_at: When it was accepted.
        doc: The engine's document.
    """

    id: str
    version: int
    status: str
    client: str
    blueprint: str
    created_at: float
    doc: bytes


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job as lists show it: what is read without its document."""

    id: str
    status: str
    blueprint: str
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """A task that is queued (`until` is None) or leased.

    Attributes:
        task_id: Unique over all jobs.
        job_id: The job it belongs to.
        skill: Which workers may take it.
        priority: Higher first; equal ones in the order they were queued.
        attempt: From 1; raised when the task is handed out again after evidence of a start.
        spent: Whether there was evidence that this attempt started.
        payload: What the worker is sent, JSON without `attempt`.
        worker_id: Who holds it, or held it last.
        incarnation: Which start of that worker; None for official workers.
        until: When the lease ends; None while queued.
    """

    task_id: str
    job_id: str
    skill: str
    priority: float
    attempt: int
    spent: bool
    payload: bytes
    worker_id: str | None = None
    incarnation: str | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class TaskRef:
    """A task in the state a change was computed from.

    Attributes:
        task_id: The task.
        attempt: The attempt it must still be in.
        leased: Whether it must be leased (True), queued (False) or either (None).
    """

    task_id: str
    attempt: int
    leased: bool | None = None


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that is due at a time. `key` is unique; setting it again moves it."""

    key: str
    job_id: str
    name: str
    at: float


@dataclass(frozen=True, slots=True)
class EventRow:
    """One history event; `seq` is given by the store (0 on the way in) and grows over all jobs."""

    seq: int
    job_id: str
    at: float
    doc: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step of one job: everything in it is written together or not at all.

    Attributes:
        job: The new row; its `version` is that of the row it replaces plus one (1: the job is new).
        events: History, in order.
        enqueue: Tasks that become queued, or leased when `until` is set (committed with a waiting worker's lease).
        drop: Tasks that leave the queue; Conflict when one is not as referred to.
        requeue: Leased tasks that become queued again, `worker_id` kept; Conflict when one is not as referred to.
        set_timers: Timers that begin, or move.
        clear_timers: Keys of timers that end; one that is not there is no error.
    """

    job: JobRow
    events: Sequence[EventRow] = ()
    enqueue: Sequence[TaskRow] = ()
    drop: Sequence[TaskRef] = ()
    requeue: Sequence[TaskRef] = ()
    set_timers: Sequence[Timer] = ()
    clear_timers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A job and those of its tasks that are queued or leased."""

    job: JobRow
    tasks: tuple[TaskRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """A sign of life for a lease: `until` moves, the attempt counts as started.

    It counts for the worker that holds the lease, and for the last holder of a task that has gone back to the queue
    but has not been handed out again: that one becomes leased once more.
    """

    task_id: str
    attempt: int
    worker_id: str
    until: float


@dataclass(frozen=True, slots=True)
class Due:
    """What time has brought: timers and leases that have ended, and when to ask again (None: nothing is waiting).

    Neither is changed by asking; the commit that answers them ends them.
    """

    timers: tuple[Timer, ...] = ()
    lapsed: tuple[TaskRow, ...] = ()
    next_at: float | None = None


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A registered worker; `doc` is its registration as the server keeps it."""

    worker_id: str
    seen_at: float
    doc: bytes


@dataclass(slots=True)
class Counts:
    """How much work there is: jobs by status, tasks queued and leased."""

    jobs: dict[str, int] = field(default_factory=dict)
    queued: int = 0
    leased: int = 0


class Store(Protocol):
    """Where jobs, their history, the queue, the timers and the workers lie."""

    async def open(self) -> None:
        """Get ready; raises StoreError with one line that says what to do."""

    async def close(self) -> None:
        """Finish what was begun and let go of everything; does nothing the second time."""

    async def load(self, job_id: str) -> Loaded | None:
        """A job with its live tasks."""

    async def commit(self, change: Change) -> None:
        """Write one step; raises Conflict when its job or tasks have moved on."""

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
        """Forget everything."""
