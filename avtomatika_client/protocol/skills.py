"""Skills as a server knows them, and calls of them by clients and by running tasks (feature `calls`)."""

from __future__ import annotations

from pydantic import Field

from avtomatika_client.protocol._base import JSON, Received, Sent
from avtomatika_client.protocol.jobs import FINAL_STATUSES, JobStatus


class SkillRecord(Received):
    """A skill that a worker has published at some time.

    Attributes:
        name: Its name.
        type: What kind of skill it is, as published last.
        version: Its version, as published last.
        versions: Every version there was, the oldest first.
        description: For people, as published last.
        input_schema: JSON Schema of its parameters, as published last.
        output_schema: JSON Schema of what it returns, as published last.
        workers: Ids of the workers that offer it now.
        available: Whether a worker offers it now.
        first_published_at: UTC seconds.
    """

    name: str
    type: str | None = None
    version: str | None = None
    versions: list[str] = Field(default_factory=list)
    description: str | None = None
    input_schema: JSON = None
    output_schema: JSON = None
    workers: list[str] = Field(default_factory=list)
    available: bool = False
    first_published_at: float | None = None


class SkillCall(Sent):
    """Body of `POST /api/{version}/skills/{name}/call`.

    Attributes:
        params: The skill's input.
        dispatch_timeout: Seconds the task may wait in the queue for a worker.
        result_timeout: Seconds from now within which it must have ended.
        priority: Higher goes first.
    """

    params: dict[str, JSON] = Field(default_factory=dict)
    dispatch_timeout: float | None = None
    result_timeout: float | None = None
    priority: float | None = None


class TaskCall(Sent):
    """Body of `POST /_worker/tasks/{task_id}/calls`.

    Attributes:
        skill: The skill's name.
        params: Its input.
        attempt: The calling task's attempt.
        key: The worker's own word for this call: sent again, it begins no second job.
        dispatch_timeout: Seconds the called task may wait in the queue.
        result_timeout: Seconds from now within which it must have ended.
        priority: Higher goes first; absent: the calling task's.
    """

    skill: str
    params: dict[str, JSON] = Field(default_factory=dict)
    attempt: int
    key: str
    dispatch_timeout: float | None = None
    result_timeout: float | None = None
    priority: float | None = None


class CallAccepted(Received):
    """Answer to a call: the job that does it."""

    status: str = "accepted"
    job_id: str


class CallState(Received):
    """Where a task's call stands (`GET /_worker/tasks/{task_id}/calls/{job_id}`).

    Attributes:
        job_id: The job that does it.
        status: Its status.
        end_state: The state it is in, or ended in.
        result: What the skill returned.
        error: Code, message and details of why it failed.
    """

    job_id: str
    status: JobStatus = JobStatus.PENDING
    end_state: str | None = None
    result: JSON = None
    error: JSON = None

    @property
    def is_final(self) -> bool:
        """Whether the call has ended."""
        return self.status.value in FINAL_STATUSES
