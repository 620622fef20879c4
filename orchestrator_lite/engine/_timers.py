"""What a job's timers do: the end of a wait in the queue, the next attempt, the job's deadline."""

from __future__ import annotations

from orchestrator_lite.engine import _approval, _ending, _queueing, _results
from orchestrator_lite.engine.events import TimerFired
from orchestrator_lite.engine.step import Step


def fired(step: Step, event: TimerFired) -> None:
    """Answer a timer; one that no longer means anything is only cleared."""
    step.clear_timers.append(event.name)
    if step.job.is_final:
        return
    kind, _, task_id = event.name.partition(":")
    match kind:
        case "retry":
            _retry(step, event, task_id)
        case "dispatch":
            _dispatch_timeout(step, event, task_id)
        case "overdue":
            _overdue(step, event, task_id)
        case "result":
            _time_out(step, event, "The job's result did not come in time (result timeout).")
        case "delay":
            _start(step, event)
        case "hold":
            _held_too_long(step, event)
        case "approval":
            _approval.timed_out(step, event)


def _retry(step: Step, event: TimerFired, task_id: str) -> None:
    task = step.job.tasks.get(task_id)
    if task is not None and task.waiting_for_retry and not task.dropped:
        _queueing.enqueue(step, task_id, task, event.at)


def _dispatch_timeout(step: Step, event: TimerFired, task_id: str) -> None:
    """Only a task that still waits has waited too long; a worker's is left alone."""
    standing = event.queue.get(task_id)
    if task_id not in step.job.tasks or standing is None or standing.leased:
        return
    _time_out(step, event, "Worker task timed out while waiting in queue (dispatch timeout).")


def _start(step: Step, event: TimerFired) -> None:
    """The time of a delayed job has come; one that is held goes on waiting for its release."""
    if not step.job.is_delayed:
        return
    step.update(starts_at=None)
    if step.job.is_runnable:
        step.note("state_started", event.at)


def _held_too_long(step: Step, event: TimerFired) -> None:
    if step.job.is_held:
        _time_out(step, event, "The job was held and not released in time (dispatch timeout).")


def _overdue(step: Step, event: TimerFired, task_id: str) -> None:
    """A task's own time is over: it has failed, whoever has it, and is not tried again."""
    task = step.job.tasks.get(task_id)
    if task is not None and not task.dropped:
        _results.gave_up(step, task_id, event.queue.get(task_id), event.at)


def _time_out(step: Step, event: TimerFired, message: str) -> None:
    _ending.drop_all(step, event.queue)
    _ending.fail(step, "failed", event.at, code="TIMEOUT_ERROR", message=message)
