"""What becomes of a task whose worker has it no more: it waits again, unless the job is to be cancelled."""

from __future__ import annotations

from dataclasses import replace

from orchestrator_lite.engine import _children, _ending, _quarantine, _queueing, _results
from orchestrator_lite.engine.events import InQueue, LeaseLost, Returned
from orchestrator_lite.engine.state import Task
from orchestrator_lite.engine.step import Step, Taken

MAX_CRASHES = 3
"""Workers a task may take with it before it is given up."""


def lost(step: Step, event: LeaseLost) -> None:
    """The worker has gone: the task is handed out again, with a fresh dispatch timeout."""
    task = step.job.tasks.get(event.task_id)
    if task is None or step.job.is_final:
        return
    step.note(
        "worker_event:lease_lost",
        event.at,
        worker_id=event.standing.worker_id,
        attempt_number=event.standing.attempt,
        task_id=event.task_id,
        reason=event.reason,
    )
    _children.abandon(step, event.task_id, event.at)
    if step.job.cancel_requested_at is not None:
        _give_up(step, event.task_id, task, event.standing, event.at)
        return
    task = _crashed(task, event)
    if task.crashes >= MAX_CRASHES:
        _results.poisoned(step, event.task_id, task, event.standing, event.at)
        return
    step.requeue.append(Taken(event.task_id, event.standing.attempt, True))
    _queueing.keep(step, event.task_id, task)
    _queueing.limit_wait(step, event.task_id, task, since=event.at)


def _crashed(task: Task, event: LeaseLost) -> Task:
    """The task with one more worker on record that went away with it."""
    lost = _quarantine.with_failure(
        task,
        attempt=event.standing.attempt,
        worker_id=event.standing.worker_id,
        at=event.at,
        code="LEASE_LOST",
        message=event.reason,
    )
    return replace(lost, crashes=task.crashes + 1)


def returned(step: Step, event: Returned) -> None:
    """The task was never delivered: it waits as before; its dispatch timeout may have passed over it meanwhile."""
    task = step.job.tasks.get(event.task_id)
    if task is None or step.job.is_final:
        return
    _children.abandon(step, event.task_id, event.at)
    if step.job.cancel_requested_at is None:
        _queueing.limit_wait(step, event.task_id, task, since=task.dispatched_at)
    elif event.standing.leased:
        step.cancel.append(event.task_id)
    else:
        _give_up(step, event.task_id, task, event.standing, event.at)


def _give_up(step: Step, task_id: str, task: Task, standing: InQueue, at: float) -> None:
    """Drop a task of a job that is to be cancelled; the last one to go ends the job."""
    step.drop.append(Taken(task_id, standing.attempt, standing.leased))
    step.clear_timers.append(f"dispatch:{task_id}")
    _queueing.keep(step, task_id, replace(task, dropped=True))
    if all(item.dropped for item in step.job.tasks.values()):
        _ending.end(step, "cancelled", at)
