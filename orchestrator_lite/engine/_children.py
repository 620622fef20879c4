"""Jobs that other jobs have begun: how they are made, what they still may be, and which of them are to be stopped.

A child is written in one transaction with what begins it, and its end wakes its parent by a timer of the parent's in
the same transaction as that end; so neither can be lost. Children nobody waits for any more are found again by the
timer `orphans`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from orchestrator_lite.engine._limits import FAN_OUT, MAX_DEPTH
from orchestrator_lite.engine.state import Child, Job, Parent
from orchestrator_lite.engine.step import Born, Step

SOONER = 0.001
"""What a child's tasks go before those of its parent: what has begun ends before more is begun."""

ORPHANS = "orphans"
"""The timer by which children are told that nobody waits for them."""

CHILD_TIMER = "child"
"""How the timers begin that tell a parent of a child's end; the child's id follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChild:
    """A job that is to be begun by another.

    Attributes:
        id: Its id.
        blueprint: What it runs.
        start_state: Where it begins.
        initial_data: Its input.
        dispatch_timeout: As of any job.
        result_timeout: As of any job.
        key: The caller's own word for the call: the same one never begins two.
        priority: What its tasks' priorities are raised by; None: as its parent's.
    """

    id: str
    blueprint: str
    start_state: str
    initial_data: dict[str, Any]
    dispatch_timeout: float | None = None
    result_timeout: float | None = None
    key: str | None = None
    priority: float | None = None


def begin(step: Step, new: NewChild, kept: Child, at: float) -> None:
    """Have a child job written together with this step."""
    parent = step.job
    child = Job(
        id=new.id,
        blueprint=new.blueprint,
        client=parent.client,
        created_at=at,
        updated_at=at,
        initial_data=new.initial_data,
        current_state=new.start_state,
        dispatch_timeout=new.dispatch_timeout,
        result_timeout=new.result_timeout,
        tracing_context=parent.tracing_context,
        parent=Parent(job_id=parent.id, task_id=kept.task_id, attempt=kept.attempt),
        depth=parent.depth + 1,
        priority=_priority(parent, new, kept) + SOONER,
    )
    step.born.append(Born(child, new.key))
    step.update(children={**parent.children, new.id: kept})
    step.note("worker_event:sub_job_started", at, sub_job_id=new.id, sub_blueprint=new.blueprint, task_id=kept.task_id)


def _priority(parent: Job, new: NewChild, kept: Child) -> float:
    if new.priority is not None:
        return new.priority
    calling = None if kept.task_id is None else parent.tasks.get(kept.task_id)
    return parent.priority if calling is None else calling.spec.priority


def abandon(step: Step, task_id: str, at: float) -> None:
    """The attempt of a task is over: what it has called and still runs is to be stopped."""
    children = step.job.children
    left = [key for key, child in children.items() if child.task_id == task_id and not child.dropped]
    if left:
        step.update(children={**children, **{key: replace(children[key], dropped=True) for key in left}})
        step.set_timers[ORPHANS] = at


def call_off(step: Step, at: float) -> None:
    """The job ends, or is to end: all its children are to be stopped."""
    if step.job.children:
        step.set_timers[ORPHANS] = at


def to_stop(job: Job) -> list[str]:
    """The children that are to be stopped, by what is written of their parent."""
    all_of_them = job.is_final or job.cancel_requested_at is not None
    return [child_id for child_id, child in job.children.items() if all_of_them or child.dropped]


def refusal(job: Job, task_id: str) -> str | None:
    """Why a task of the job may not call a skill now, if it may not."""
    if job.cancel_requested_at is not None:
        return "the job is being cancelled"
    if job.depth >= MAX_DEPTH:
        return f"calls may be nested {MAX_DEPTH} deep"
    if sum(child.task_id == task_id for child in job.children.values()) >= FAN_OUT:
        return f"a task may wait for {FAN_OUT} calls at once"
    return None
