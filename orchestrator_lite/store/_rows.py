"""What passes through the verbs of a store: rows, changes, and how they may fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from avtomatika_client.protocol.errors import AvtomatikaError


class StoreError(AvtomatikaError):
    """The store could not do what it was asked; nothing of the verb was written."""


class StoreUnavailable(StoreError):
    """The store cannot write just now (disk full, database locked); trying again later may help."""


class Conflict(StoreError):
    """What the change was computed from is no longer what is stored; nothing of it was written."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """An idempotency key: which job was made under it, from which request.

    Attributes:
        key: What the caller chose, with what it is scoped by.
        digest: Of the request, to tell a repetition from another request.
        job_id: The job that was made.
        until: When the key may be used anew.
    """

    key: str
    digest: str
    job_id: str
    until: float


class KeyTaken(Conflict):
    """A change would use an idempotency key that has been used, and has not expired; nothing of it was written.

    Attributes:
        taken: The key as it was used.
    """

    def __init__(self, taken: Keyed) -> None:
        super().__init__(f"The idempotency key was used for job {taken.job_id}.")
        self.taken = taken

    def __reduce__(self) -> tuple[type[KeyTaken], tuple[Keyed]]:
        return type(self), (self.taken,)


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
        ended_at: When it ended; None while it has not.
        doc: The engine's document.
    """

    id: str
    version: int
    status: str
    client: str
    blueprint: str
    created_at: float
    ended_at: float | None = None
    doc: bytes


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job as lists show it: what is read without its document."""

    id: str
    status: str
    blueprint: str
    created_at: float
    ended_at: float | None = None


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
class Outgoing:
    """A message that is to be delivered to somebody outside, or was.

    Attributes:
        id: Given by the store (0 on the way in); grows, and none is given twice.
        event_id: Names the event to the receiver, the same at each attempt.
        job_id: The job it tells of.
        client: Whose job that is.
        kind: What it tells.
        url: Where it goes.
        body: What is sent.
        created_at: When it came to be.
        due_at: When it is to be tried (again); None: it is not.
        attempts: How often it was tried.
        status: `pending`, `delivered` or `failed`.
        code: The HTTP status of the last answer.
        error: Why the last attempt failed.
        delivered_at: When it was delivered.
    """

    id: int = 0
    event_id: str
    job_id: str
    client: str
    kind: str
    url: str
    body: bytes
    created_at: float
    due_at: float | None
    attempts: int = 0
    status: str = "pending"
    code: int | None = None
    error: str | None = None
    delivered_at: float | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a task has put aside for its next attempt; a later one replaces it."""

    task_id: str
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
        set_timers: Timers that begin, or move; they may be another job's (`Timer.job_id`), to wake it.
        clear_timers: Keys of timers that end; one that is not there is no error.
        key: The idempotency key under which the job is made; KeyTaken when it was used and has not expired by the
            job's `created_at`.
        outgoing: Messages to be delivered.
        checkpoints: What tasks put aside.
        drop_checkpoints: Tasks whose checkpoint is no longer needed; one that has none is no error.
    """

    job: JobRow
    events: Sequence[EventRow] = ()
    enqueue: Sequence[TaskRow] = ()
    drop: Sequence[TaskRef] = ()
    requeue: Sequence[TaskRef] = ()
    set_timers: Sequence[Timer] = ()
    clear_timers: Sequence[str] = ()
    key: Keyed | None = None
    outgoing: Sequence[Outgoing] = ()
    checkpoints: Sequence[Checkpoint] = ()
    drop_checkpoints: Sequence[str] = ()


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
    """How much work there is: jobs by status, tasks queued and leased, messages still to be delivered."""

    jobs: dict[str, int] = field(default_factory=dict)
    queued: int = 0
    leased: int = 0
    outgoing: int = 0
