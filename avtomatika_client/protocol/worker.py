"""What worker and orchestrator say to each other (seeds 000-002 §3, `spec/avtomatika.md` §6 and §10).

Received models are tolerant: they take the union of the releases, so that the server can read every worker and the
worker every server. `JSON` fields hold whatever a release puts there.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from avtomatika_client.protocol._base import JSON, OpenEnum, Received

WORKER_ID_PATTERN = r"^[a-zA-Z0-9_-]{1,128}$"

MOST_NAMED = 10_000
"""Tasks one heartbeat names at most."""


class ErrorCode(OpenEnum):
    """Why a task failed; decides whether it is tried again (`spec/avtomatika.md` §6.4)."""

    TRANSIENT = "TRANSIENT_ERROR"
    PERMANENT = "PERMANENT_ERROR"
    INVALID_INPUT = "INVALID_INPUT_ERROR"
    INTEGRITY_MISMATCH = "INTEGRITY_MISMATCH_ERROR"
    TIMEOUT = "TIMEOUT_ERROR"
    SECURITY = "SECURITY_ERROR"
    DEPENDENCY = "DEPENDENCY_ERROR"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED_ERROR"
    CONTRACT_VIOLATION = "CONTRACT_VIOLATION_ERROR"
    SKILL_UNKNOWN = "SKILL_UNKNOWN_ERROR"
    POISON = "POISON_TASK_ERROR"
    """The task has ended its worker three times; only the server says so."""
    INTERRUPTED = "INTERRUPTED"
    """The worker hands the task back unfinished; no attempt is burnt."""


class TaskError(Received):
    """Why a task failed.

    Attributes:
        code: One of ErrorCode, or a word the worker made up (treated as transient).
        message: For people.
        details: Anything the worker adds.
    """

    code: str = Field(default=ErrorCode.TRANSIENT.value, max_length=256)
    message: str = ""
    details: JSON = None

    @field_validator("message", mode="before")
    @classmethod
    def _no_message(cls, value: JSON) -> JSON:
        """A failure is not lost for want of words."""
        return "" if value is None else value


class Held(Received):
    """A finished task whose result lies in the worker's journal."""

    task_id: str
    attempt: int = Field(default=1, ge=1, le=2**31 - 1)


class Registration(Received):
    """Body of `POST /_worker/workers/register`: only `worker_id` is required, in every release.

    Attributes:
        worker_id: Letters, digits, `_` and `-`, at most 128.
        worker_type: What kind of worker it is; free text.
        supported_skills: Names, or objects with `name`, `type`, `version`, `input_schema`, `output_schema`.
        supported_tasks: Names (releases to 1.0b12).
        available_skills: Names (from 1.0b14).
        resources: `max_concurrent_tasks` and hardware.
        capabilities: `websockets`, `extra.websockets`, `cost_per_skill`, hostname, address.
        incarnation: Which start of this worker speaks; absent from official workers.
        holding: Results in its journal; absent from official workers.
    """

    worker_id: str = Field(pattern=WORKER_ID_PATTERN)
    worker_type: str | None = None
    supported_skills: list[JSON] | None = None
    supported_tasks: list[JSON] | None = None
    available_skills: list[str] | None = None
    max_concurrent_tasks: int | None = None
    resources: dict[str, JSON] | None = None
    capabilities: dict[str, JSON] | None = None
    skills_hash: str | None = None
    incarnation: str | None = Field(default=None, max_length=64)
    holding: list[Held] = Field(default_factory=list)


class Registered(Received):
    """Answer to a registration.

    Attributes:
        status: `registered`.
        version: The server's protocol version, where it says one.
        warning: For people: the versions differ.
        features: What the server can do beyond the seeds (see `protocol.headers`).
        heartbeat_interval: Seconds between heartbeats that the server wishes.
        poll_timeout: Seconds the server holds a poll.
    """

    status: str = "registered"
    version: str | None = None
    warning: str | None = None
    features: list[str] = Field(default_factory=list)
    heartbeat_interval: float | None = None
    poll_timeout: float | None = None


class Heartbeat(Received):
    """Body of `PATCH /_worker/workers/{id}`; an empty body only refreshes the worker's life.

    Attributes:
        status: `idle`, `busy`, `draining`, `offline`, `deaf`.
        current_tasks: Ids of the tasks it runs or whose result it has not delivered; None where its release does
            not name them (1.0b3).
        acks: Tasks whose delivery this confirms.
    """

    worker_id: str | None = None
    status: str | None = Field(default=None, max_length=64)
    current_tasks: list[str] | None = Field(default=None, max_length=MOST_NAMED)
    supported_skills: list[JSON] | None = None
    supported_tasks: list[JSON] | None = None
    available_skills: list[str] | None = None
    capabilities: dict[str, JSON] | None = None
    resources: dict[str, JSON] | None = None
    load: float | None = None
    skills_hash: str | None = None
    incarnation: str | None = Field(default=None, max_length=64)
    acks: list[Held] = Field(default_factory=list)


def skill_names(message: Registration | Heartbeat) -> list[str]:
    """The union of the skills a worker offers, under whichever key and form its release uses."""
    names: dict[str, None] = {}
    for item in [
        *(message.supported_skills or []),
        *(message.supported_tasks or []),
        *(message.available_skills or []),
    ]:
        name = item.get("name") if isinstance(item, dict) else item
        if isinstance(name, str) and name:
            names[name] = None
    return list(names)


class HeartbeatReply(Received):
    """Answer to a heartbeat.

    Attributes:
        status: `ok`, or `ttl_refreshed` for an empty body.
        cancel_task_ids: Task and job ids the worker should cancel.
        require_full_sync: The server has lost the worker's skills: register again.
    """

    status: str | None = None
    cancel_task_ids: list[str] = Field(default_factory=list)
    require_full_sync: bool = False


class Task(Received):
    """A task as `GET /_worker/workers/{id}/tasks/next` hands it out.

    Attributes:
        job_id: The job it belongs to.
        task_id: Its id; equal to the job's id on release 1.0b13.
        type: The skill's name.
        params: The skill's input.
        attempt: Counts from 1; absent on official servers.
        deadline: UTC seconds by which it must have ended; whole seconds from our server, a float from 1.0b30.
        timeout_seconds: Seconds it may run; absent on official servers.
        tracing_context: W3C trace headers.
        checkpoint: What an earlier attempt has left, where it left something (feature `checkpoints`).
    """

    job_id: str
    task_id: str
    type: str
    params: JSON = None
    attempt: int = 1
    deadline: float | None = None
    timeout_seconds: float | None = None
    priority: float | None = None
    tracing_context: dict[str, JSON] | None = None
    params_metadata: JSON = None
    checkpoint: JSON = None


class TaskResult(Received):
    """Body of `POST /_worker/tasks/result`, flat (from 1.0b11) or nested under `result` (1.0b9, 1.0b10).

    Attributes:
        job_id: The job.
        task_id: The task.
        worker_id: Who ran it; absent: the owner of the token.
        status: `success` (also when absent), `failure`, `cancelled`, or any word a blueprint has a transition for.
        data: What the skill returned.
        error: Code, message, details; a plain text from old workers.
        attempt: Which attempt this answers; absent from official workers.
        incarnation: Which start of the worker speaks; absent from official workers.
        result: The nested form.
    """

    job_id: str
    task_id: str
    worker_id: Annotated[str, Field(json_schema_extra={"pattern": WORKER_ID_PATTERN})] | None = None
    status: str | None = Field(default=None, max_length=256)
    data: JSON = None
    error: TaskError | str | None = None
    attempt: int | None = None
    incarnation: str | None = Field(default=None, max_length=64)
    result: JSON = None

    def flattened(self) -> TaskResult:
        """This result with a nested one taken out: the outer `status`, where there is one, wins."""
        inner = self.result
        if self.status is not None or not isinstance(inner, dict) or not inner.keys() & {"status", "data", "error"}:
            return self
        return TaskResult.model_validate(
            {
                "job_id": self.job_id,
                "task_id": self.task_id,
                "worker_id": self.worker_id,
                "attempt": self.attempt,
                "incarnation": self.incarnation,
                "status": inner.get("status"),
                "data": inner.get("data"),
                "error": inner.get("error"),
            }
        )


class ResultReply(Received):
    """Answer to a result: `result_accepted_success` (official: `ok`, `accepted`), or `ignored` with its reason.

    Both are verdicts: the worker may forget the result.
    """

    status: str | None = None
    transition: str | None = None
    reason: str | None = None
    message: str | None = None


class Command(Received):
    """A frame from orchestrator to worker over the WebSocket: `command` since 1.0b4, `type` before; we send both."""

    command: str | None = None
    type: str | None = None
    task_id: str | None = None
    job_id: str | None = None
    attempt: int | None = None

    @property
    def name(self) -> str | None:
        """What is to be done, under whichever key the release uses."""
        return self.command or self.type


class WorkerRecord(Received):
    """One row of `GET /workers`: what the server knows of a registered worker.

    Attributes:
        worker_id: The worker's id.
        worker_type: What kind of worker it is.
        status: `idle`, `busy`, `draining`, `offline`, `deaf`; absent before its first heartbeat.
        load: Its own measure of how busy it is.
        current_tasks: Ids of the tasks it runs.
        supported_skills: Names, or objects with a `name`.
        supported_tasks: Names (releases to 1.0b12).
        available_skills: Names (from 1.0b14).
        reputation: 0 to 1, where the server keeps one.
    """

    worker_id: str
    worker_type: str | None = None
    status: str | None = None
    load: float | None = None
    current_tasks: list[str] | None = None
    supported_skills: list[JSON] | None = None
    supported_tasks: list[JSON] | None = None
    available_skills: list[str] | None = None
    reputation: float | None = None
