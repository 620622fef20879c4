"""Jobs as they travel: creating, reading, cancelling, their history (seeds 000-002 §2, `spec/avtomatika.md` §5)."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from avtomatika_client.protocol._base import JSON, OpenEnum, Received, Sent


class JobStatus(OpenEnum):
    """Where a job stands; the last five are final."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING_FOR_WORKER = "waiting_for_worker"
    WAITING_FOR_HUMAN = "waiting_for_human"
    WAITING_FOR_PARALLEL = "waiting_for_parallel_tasks"
    WAITING_FOR_SUB_JOB = "waiting_for_sub_job"
    FINISHED = "finished"
    FAILED = "failed"
    ERROR = "error"
    QUARANTINED = "quarantined"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether a job with this status will never change again."""
        return self.value in FINAL_STATUSES


FINAL_STATUSES = frozenset({"finished", "failed", "error", "quarantined", "cancelled"})


class JobCreate(Sent):
    """Body of `POST /api/{version}/{endpoint}`.

    Attributes:
        initial_data: What the blueprint's handlers read as `initial_data`.
        webhook_url: Where the server reports the job's end.
        dispatch_timeout: Seconds a task may wait in the queue for a worker.
        result_timeout: Seconds from the job's creation within which it must have ended.
        delay: Seconds from the creation until it starts (feature `delay`).
        priority: What the priorities of its tasks are raised by (feature `priority`).
        max_transitions: States it may enter, 1 to 100 (release 1.0b30; passed over by those before).
        hold: Keep it from starting until it is released (feature `hold`).
    """

    initial_data: dict[str, JSON] = Field(default_factory=dict)
    webhook_url: str | None = None
    dispatch_timeout: float | None = None
    result_timeout: float | None = None
    delay: float | None = None
    priority: float | None = None
    max_transitions: int | None = None
    hold: bool | None = None


class JobAccepted(Received):
    """Answer to a creation: 202 with the new job's id."""

    status: str
    job_id: str


class JobResult(Received):
    """What became of one of many creations.

    Attributes:
        status: `accepted` or `error`.
        job_id: The new job's id.
        code: Of an error: the HTTP status a creation by itself would have had.
        error: What was wrong.
    """

    status: str
    job_id: str | None = None
    code: int | None = None
    error: str | None = None


class JobsSubmitted(Received):
    """Answer to a creation of many jobs: their results, in the order of the request."""

    results: list[JobResult]


class Job(Received):
    """A job's state as `GET /jobs/{id}` gives it; only `id` is in every release.

    Attributes:
        id: The job's id.
        status: Where it stands. Releases 1.0b9 and 1.0b10 leave `running` on a finished job: see `end_state`.
        blueprint_name: The blueprint it runs.
        current_state: The state it is in, or ended in.
        initial_data: What it was created with.
        state_history: What handlers and workers left for later states.
        result: What it returned; any JSON value.
        error_message: Why it failed, as text.
        error: Why it failed: code, message, details.
        progress: 0 to 1, of the task that runs.
        progress_message: What the task said with it.
        held: Whether it waits to be released before it starts.
        approval: What people are asked, while it waits for their decision: `integration`, `message`, `decisions`,
            `asked_at`, `deadline`.
        quarantine: Why it was quarantined: `task_id`, `skill`, `at` and `failures`, attempt by attempt.
    """

    id: str = Field(validation_alias=AliasChoices("id", "job_id"))
    status: JobStatus = JobStatus.PENDING
    blueprint_name: str | None = None
    current_state: str | None = None
    initial_data: dict[str, JSON] | None = None
    state_history: dict[str, JSON] | None = None
    result: JSON = None
    error_message: str | None = None
    error: JSON = None
    progress: float | None = None
    progress_message: str | None = None
    held: bool = False
    approval: JSON = None
    quarantine: JSON = None

    @property
    def is_final(self) -> bool:
        """Whether the job has ended; reads `current_state` where an old server leaves `status` behind."""
        if self.status.is_final:
            return True
        return self.status == JobStatus.RUNNING and self.current_state in FINAL_STATUSES

    @property
    def end_status(self) -> str:
        """The final status: `status`, or `current_state` where an old server left `running`."""
        if not self.status.is_final and self.current_state in FINAL_STATUSES:
            return str(self.current_state)
        return self.status.value


class HistoryEvent(Received):
    """One row of `GET /jobs/{id}/history` (`spec/avtomatika.md` §5).

    Attributes:
        event_id: The event's id.
        job_id: The job it belongs to.
        timestamp: ISO 8601, UTC.
        event_type: `job_created`, `state_started`, `task_dispatched`, `task_finished`, `state_finished`,
            `job_completed`, `worker_event:<type>`, or one a later server adds.
        state: The job's state, or its status for `job_created`.
    """

    event_id: str
    job_id: str
    timestamp: str
    event_type: str
    state: str | None = None
    previous_state: str | None = None
    next_state: str | None = None
    worker_id: str | None = None
    attempt_number: int | None = None
    duration_ms: int | None = None
    context_snapshot: JSON = None


class CancelReply(Received):
    """Answer to a cancel: `cancellation_request_sent` (an open socket took it) or `cancellation_request_accepted`."""

    status: str


class ApprovalReceived(Received):
    """Answer to a decision: `approval_received`."""

    status: str
    job_id: str


class JobRetried(Received):
    """Answer of `POST /jobs/{id}/retry`: `retried`."""

    status: str
    job_id: str


class ErrorBody(Received):
    """The seeds' error envelope."""

    error: str


class ServerStatus(Received):
    """Answer of `GET /_public/status`; `features` is absent on servers that are not ours."""

    status: str
    features: list[str] = Field(default_factory=list)
    version: str | None = None
