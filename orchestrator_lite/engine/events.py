"""What can happen to a job. Events carry every fact the fold needs; it looks nothing up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from orchestrator_lite.engine._children import NewChild
from orchestrator_lite.engine.actions import Action


@dataclass(frozen=True, slots=True)
class InQueue:
    """How the queue has a task.

    Attributes:
        attempt: The attempt it is in.
        leased: Whether a worker has it.
        worker_id: Who has it, or had it last.
    """

    attempt: int
    leased: bool
    worker_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """The job was accepted."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The client has released a job that it had created held."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerDone:
    """A handler returned.

    Attributes:
        at: When, UTC seconds.
        step: The job's `step` it ran for; a handler that comes late for it counts for nothing.
        action: What it recorded, if anything.
        state_history: The history as it left it.
        returned: What it returned; only the end handler's and the aggregator's counts.
        is_end: Whether its state is an end state.
        end_status: The status an end state was declared with.
        duration_ms: How long it ran.
        child_id: The id of the job it begins, if it asked for one.
        updates: Keys of `initial_data` that it changed.
        said: Events that it told: kind, and what they tell.
    """

    at: float
    step: int
    action: Action | None
    state_history: dict[str, Any]
    returned: Any = None
    is_end: bool = False
    end_status: str | None = None
    duration_ms: int = 0
    child_id: str | None = None
    updates: dict[str, Any] = field(default_factory=dict)
    said: Sequence[tuple[str, dict[str, Any]]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerFailed:
    """A handler raised, returned nonsense or took too long."""

    at: float
    step: int
    message: str
    code: str = "HANDLER_ERROR"
    duration_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultArrived:
    """A worker answered a task.

    Attributes:
        at: When, UTC seconds.
        task_id: The task it names.
        worker_id: Who answers.
        attempt: The attempt it names; None from official workers.
        current: How the queue has the task; None when it does not have it.
        status: `success`, `failure`, `cancelled`, or any word.
        data: What the skill returned.
        error: Code, message, details.
    """

    at: float
    task_id: str
    worker_id: str
    attempt: int | None
    current: InQueue | None
    status: str
    data: Any = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseLost:
    """A worker that had started a task has gone silent, or was started anew."""

    at: float
    task_id: str
    standing: InQueue
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A task that never reached its worker has left it again. `standing`: how the queue has the task now."""

    at: float
    task_id: str
    standing: InQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAsked:
    """The job is to end.

    Attributes:
        at: When that was asked for, UTC seconds.
        queue: Its tasks as the queue has them.
        orphaned: Whether it is because the job that began it has ended, and wants to hear of it no more.
    """

    at: float
    queue: Mapping[str, InQueue] = field(default_factory=dict)
    orphaned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """A timer of the job is due. `queue`: the job's tasks as the queue has them."""

    at: float
    name: str
    queue: Mapping[str, InQueue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMade:
    """A task calls a skill; `_children.refusal` was asked whether it may."""

    at: float
    task_id: str
    attempt: int
    new: NewChild


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnded:
    """A job that this one has begun has ended.

    Attributes:
        at: When this one learns it, UTC seconds.
        child_id: Which.
        status: Its final status.
        end_state: The state it ended in.
        result: What it returned.
        error: Why it failed.
    """

    at: float
    child_id: str
    status: str
    end_state: str | None = None
    result: Any = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointTaken:
    """A running task leaves `doc` (JSON) for its next attempt."""

    at: float
    task_id: str
    doc: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Somebody has decided what the job waits for.

    Attributes:
        at: When, UTC seconds.
        decision: One of the transitions asked for.
        metadata: What came with it.
        token: Of the question that is answered; None: whatever is asked.
    """

    at: float
    decision: str
    metadata: Any = None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """A quarantined job is to try its task again."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LetOut:
    """A quarantined job is let out: it goes on in `state`, or ends as `failed` without one."""

    at: float
    state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillTold:
    """A skill tells something while it runs.

    Attributes:
        at: When, UTC seconds.
        task_id: Its task.
        worker_id: Who runs it.
        attempt: The task's attempt.
        kind: What it calls it.
        payload: What it says; any JSON value.
    """

    at: float
    task_id: str
    worker_id: str
    attempt: int
    kind: str
    payload: Any = None


Event: TypeAlias = (
    Created
    | Released
    | HandlerDone
    | HandlerFailed
    | ResultArrived
    | LeaseLost
    | Returned
    | CancelAsked
    | TimerFired
    | CallMade
    | ChildEnded
    | CheckpointTaken
    | SkillTold
    | Decided
    | Retried
    | LetOut
)
