"""A job's state: one value, replaced whole by each step and stored as one document."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic_core import from_json, to_json

from avtomatika_client.protocol.jobs import FINAL_STATUSES

RUNNABLE = frozenset({"pending", "running"})
"""Statuses in which the job is owed a run of its current state's handler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who a job belongs to; never the token."""

    name: str
    plan: str = "unknown"
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """What a handler asked a worker for, in the words of the official dialect (`dispatch_task`)."""

    type: str
    params: dict[str, Any]
    transitions: dict[str, str] = field(default_factory=dict)
    dispatch_strategy: str = "default"
    resource_requirements: dict[str, Any] | None = None
    timeout_seconds: float | None = None
    dispatch_timeout_seconds: float | None = None
    result_timeout_seconds: float | None = None
    max_cost: float | None = None
    priority: float = 0.0
    skill_version: str | None = None
    skill_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task the job waits for.

    Attributes:
        spec: What was asked for.
        attempt: The attempt it was last queued with; the queue raises it when it hands the task out again.
        retries: Failures that were tried again.
        dispatched_at: When it was last queued, UTC seconds.
        deadline: UTC seconds by which its result must come, whatever the attempt.
        dropped: Taken off the queue by a cancel; it will have no result.
        waiting_for_retry: It failed and its next attempt has not been queued yet.
        retry_at: When that will be.
        checkpointed: Whether something is kept of it for its next attempt.
        crashes: Attempts that ended with their worker.
        interruptions: Attempts that were handed back unfinished.
        failures: How its attempts failed, the latest last: evidence for a quarantine.
    """

    spec: TaskSpec
    attempt: int = 1
    retries: int = 0
    dispatched_at: float = 0.0
    deadline: float | None = None
    dropped: bool = False
    waiting_for_retry: bool = False
    retry_at: float | None = None
    checkpointed: bool = False
    crashes: int = 0
    interruptions: int = 0
    failures: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """What has begun a job: another job's handler, or a task of it in an attempt; `gone`: it has ended since."""

    job_id: str
    task_id: str | None = None
    attempt: int = 0
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A job that this one has begun and that has not ended, as far as this one knows.

    Attributes:
        blueprint: What it runs.
        task_id: The task that called it; None: a handler ran it.
        attempt: The attempt of that task.
        transitions: Where its end leads, by status, if a handler ran it.
        dropped: Nobody waits for it any more.
    """

    blueprint: str
    task_id: str | None = None
    attempt: int = 0
    transitions: dict[str, str] = field(default_factory=dict)
    dropped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A decision the job waits for.

    Attributes:
        integration: Where people are asked, in the blueprint's words.
        message: What they are asked.
        transitions: Decision to state.
        token: Lets its bearer decide, once; never shown with the job.
        asked_at: Since when, UTC seconds.
        deadline: UTC seconds by which it must come.
    """

    integration: str
    message: str
    transitions: dict[str, str]
    token: str = field(repr=False)
    asked_at: float
    deadline: float | None = None


@dataclass(kw_only=True)
class Job:
    """Everything a job is. A job is never changed once a fold has given it back; the next fold works on a copy.

    Attributes:
        id: Its id.
        blueprint: Its blueprint's name.
        client: Who it belongs to.
        created_at: When it was accepted, UTC seconds.
        updated_at: When it last changed.
        initial_data: What it was created with.
        current_state: The state it is in, or ended in.
        status: One of the protocol's statuses.
        state_history: What handlers and workers left; data of workers is merged into it.
        webhook_url: Where its end is reported.
        dispatch_timeout: Seconds a task of it may wait in the queue.
        result_timeout: Seconds from creation within which it must end.
        tracing_context: W3C trace headers of its creation.
        step: How many states it has entered.
        events: How many history events it has.
        tasks_made: How many tasks it has dispatched.
        tasks: Those it waits for, by id, in the order of their dispatch.
        last_task: Id and spec of the one last dispatched.
        done: Attempt of each task whose result was applied.
        aggregation_target: The state parallel branches lead to.
        aggregation_results: Results of the branches, by task id.
        has_data: Whether a task's data is there to be the result.
        data: Data of the last applied task.
        result: What the job returned.
        error: Code, message and details of why it failed.
        retry_count: Failures of the current task that were tried again.
        cancel_requested_at: When a cancel was asked for while a worker had a task of it.
        hold: Whether it was created held, and whether it has been released since.
        metadata: What is said about it: for a scheduled job, by which schedule it began.
        parent: What has begun it; None: a client.
        depth: How many jobs are above it.
        children: Jobs it has begun that have not ended, by id.
        ended_at: When it ended, UTC seconds.
        starts_at: UTC seconds before which it does not start; None: it was not delayed, or its time has come.
        priority: What the priorities of its tasks are raised by.
        max_transitions: States it may enter, where fewer than others.
        approval: The decision it waits for.
        quarantine: Why it was quarantined: task, skill and how the attempts failed.
        revived_at: When it was last taken out of quarantine; its result timeout counts from then.
    """

    id: str
    blueprint: str
    client: Client
    created_at: float
    updated_at: float
    initial_data: dict[str, Any]
    current_state: str
    status: str = "pending"
    state_history: dict[str, Any] = field(default_factory=dict)
    webhook_url: str | None = None
    dispatch_timeout: float | None = None
    result_timeout: float | None = None
    tracing_context: dict[str, Any] = field(default_factory=dict)
    step: int = 1
    events: int = 0
    tasks_made: int = 0
    tasks: dict[str, Task] = field(default_factory=dict)
    last_task: tuple[str, TaskSpec] | None = None
    done: dict[str, int] = field(default_factory=dict)
    aggregation_target: str | None = None
    aggregation_results: dict[str, Any] = field(default_factory=dict)
    has_data: bool = False
    data: Any = None
    result: Any = None
    error: dict[str, Any] | None = None
    retry_count: int = 0
    cancel_requested_at: float | None = None
    hold: Literal["held", "released"] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    parent: Parent | None = None
    depth: int = 0
    children: dict[str, Child] = field(default_factory=dict)
    ended_at: float | None = None
    starts_at: float | None = None
    priority: float = 0.0
    max_transitions: int | None = None
    approval: Approval | None = None
    quarantine: dict[str, Any] | None = None
    revived_at: float | None = None

    @property
    def is_final(self) -> bool:
        """Whether it will never change again."""
        return self.status in FINAL_STATUSES

    @property
    def is_runnable(self) -> bool:
        """Whether it is owed a run of its current state's handler."""
        return self.status in RUNNABLE and self.hold != "held" and self.starts_at is None

    @property
    def is_held(self) -> bool:
        """Whether it waits to be released before it starts."""
        return self.hold == "held" and not self.is_final

    @property
    def is_delayed(self) -> bool:
        """Whether it waits for its time to start."""
        return self.starts_at is not None and not self.is_final

    @property
    def result_deadline(self) -> float | None:
        """UTC seconds by which it must have ended."""
        if self.result_timeout is None:
            return None
        return (self.created_at if self.revived_at is None else self.revived_at) + self.result_timeout

    def copied(self) -> Job:
        """A shallow copy; its fields are replaced, never changed in place."""
        copy = object.__new__(Job)
        copy.__dict__.update(self.__dict__)
        return copy


def to_document(job: Job) -> bytes:
    """The job as the store keeps it."""
    plain = dict(job.__dict__)
    plain["client"] = {"name": job.client.name, "plan": job.client.plan, "params": job.client.params}
    plain["tasks"] = {task_id: _task_document(task) for task_id, task in job.tasks.items()}
    if job.parent is not None:
        plain["parent"] = asdict(job.parent)
    if job.children:
        plain["children"] = {child_id: asdict(child) for child_id, child in job.children.items()}
    plain["last_task"] = None if job.last_task is None else [job.last_task[0], spec_document(job.last_task[1])]
    plain["approval"] = None if job.approval is None else asdict(job.approval)
    return to_json(plain)


def from_document(doc: bytes) -> Job:
    """The job a document holds."""
    plain = from_json(doc)
    last = plain.pop("last_task")
    parent = plain.pop("parent", None)
    children = plain.pop("children", {})
    approval = plain.pop("approval", None)
    return Job(
        client=Client(**plain.pop("client")),
        tasks={key: _task(item) for key, item in plain.pop("tasks").items()},
        last_task=None if last is None else (last[0], TaskSpec(**last[1])),
        parent=None if parent is None else Parent(**parent),
        children={child_id: Child(**child) for child_id, child in children.items()},
        approval=None if approval is None else Approval(**approval),
        **plain,
    )


def spec_document(spec: TaskSpec) -> dict[str, Any]:
    """A task's specification as plain JSON."""
    return dict(spec.__dict__)


def _task(plain: dict[str, Any]) -> Task:
    spec, failures = TaskSpec(**plain.pop("spec")), tuple(plain.pop("failures", ()))
    return Task(spec=spec, failures=failures, **plain)


def _task_document(task: Task) -> dict[str, Any]:
    return {
        "spec": spec_document(task.spec),
        "attempt": task.attempt,
        "retries": task.retries,
        "dispatched_at": task.dispatched_at,
        "deadline": task.deadline,
        "dropped": task.dropped,
        "waiting_for_retry": task.waiting_for_retry,
        "checkpointed": task.checkpointed,
        "retry_at": task.retry_at,
        "crashes": task.crashes,
        "interruptions": task.interruptions,
        "failures": task.failures,
    }
