"""How a job enters states and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator_lite.engine import _children
from orchestrator_lite.engine.events import InQueue
from orchestrator_lite.engine.step import Step, Taken

MAX_TRANSITIONS = 100
"""States a job may enter (release 1.0b30's default): a blueprint that circles ends instead of spinning."""

SELF_NAMED = frozenset({"failed", "error", "cancelled", "quarantined"})
"""End states that mean their own name; every other name means `finished`."""

RESULT_TIMER = "result"

HOLD_TIMER = "hold"

DELAY_TIMER = "delay"

APPROVAL_TIMER = "approval"


def enter(step: Step, state: str, at: float, *, duration_ms: int | None = None) -> None:
    """Leave the current state for `state`; its handler is owed."""
    job = step.job
    limit = MAX_TRANSITIONS if job.max_transitions is None else job.max_transitions
    if job.step >= limit:
        fail(step, "failed", at, code="TRANSITION_LIMIT", message=f"more than {limit} transitions")
        return
    step.note("state_finished", at, previous_state=job.current_state, next_state=state, duration_ms=duration_ms)
    step.update(current_state=state, status="running", step=job.step + 1, retry_count=0)
    step.note("state_started", at)


def status_of(state: str, declared: str | None) -> str:
    """The final status of an end state: as declared, else its own name where that is one, else `finished`."""
    if declared is not None:
        return declared
    return state if state in SELF_NAMED else "finished"


def end(step: Step, status: str, at: float, *, result: Any = None, **noted: Any) -> None:
    """End the job: no task of it is left in the queue, no timer is left waiting."""
    job = step.job
    if job.cancel_requested_at is not None and status != "cancelled":
        noted["completed_despite_cancel"] = True
    step.clear_timers.append(RESULT_TIMER)
    if job.is_held:
        step.clear_timers.append(HOLD_TIMER)
    step.drop_checkpoints += [task_id for task_id, task in job.tasks.items() if task.checkpointed]
    _children.call_off(step, at)
    if job.is_delayed:
        step.clear_timers.append(DELAY_TIMER)
    if job.approval is not None:
        step.clear_timers.append(APPROVAL_TIMER)
        step.update(approval=None)
    error = None if status == "finished" else job.error  # a failure that a transition made good is none any more
    step.update(status=status, result=result, error=error, ended_at=at, tasks={})
    step.note("job_completed", at, error=step.job.error, **noted)


def fail(step: Step, status: str, at: float, *, code: str, message: str, details: Any = None, **noted: Any) -> None:
    """End the job badly, with the error it is shown with."""
    step.update(error={"code": code, "message": message, "details": details})
    end(step, status, at, result=outcome(step), **noted)


def outcome(step: Step) -> Any:
    """The result of a job whose end handler returned nothing: the data of the last applied task, else null."""
    return step.job.data if step.job.has_data else None


def task_timers(task_id: str) -> list[str]:
    """The timers a task may have."""
    return [f"dispatch:{task_id}", f"retry:{task_id}", f"overdue:{task_id}"]


def drop_all(step: Step, queue: Mapping[str, InQueue]) -> None:
    """Take every awaited task off the queue, and have the workers that run one told to stop."""
    for task_id in step.job.tasks:
        step.clear_timers += task_timers(task_id)
        standing = queue.get(task_id)
        if standing is None:
            continue
        step.drop.append(Taken(task_id, standing.attempt, standing.leased))
        if standing.leased:
            step.cancel.append(task_id)
