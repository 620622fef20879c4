"""How tasks get into the queue: at a dispatch, and again after a failure."""

from __future__ import annotations

from dataclasses import replace

from orchestrator_lite.engine import _ending
from orchestrator_lite.engine.events import HandlerDone
from orchestrator_lite.engine.state import Task, TaskSpec, spec_document
from orchestrator_lite.engine.step import Queued, Step


def dispatch(step: Step, spec: TaskSpec, event: HandlerDone) -> None:
    """Queue one task and wait for a worker."""
    if _stopped_by_cancel(step, event):
        return
    step.update(status="waiting_for_worker", retry_count=0, tasks={})
    _add(step, spec, event.at, event.duration_ms)


def dispatch_parallel(step: Step, specs: tuple[TaskSpec, ...], target: str, event: HandlerDone) -> None:
    """Queue all branches; with none there is nothing to wait for."""
    if _stopped_by_cancel(step, event):
        return
    step.update(aggregation_target=target, aggregation_results={}, tasks={}, retry_count=0)
    if not specs:
        _ending.enter(step, target, event.at, duration_ms=event.duration_ms)
        return
    step.update(status="waiting_for_parallel_tasks")
    for spec in specs:
        _add(step, spec, event.at, event.duration_ms)


def queue_again(step: Step, spec: TaskSpec, at: float) -> None:
    """Queue one task as a new one and wait for a worker."""
    step.update(status="waiting_for_worker", retry_count=0, tasks={})
    _add(step, spec, at)


def enqueue(step: Step, task_id: str, task: Task, at: float) -> None:
    """Put a task (again) into the queue and start its dispatch timeout."""
    step.enqueue.append(Queued(task_id=task_id, spec=task.spec, attempt=task.attempt))
    limit_wait(step, task_id, task, since=at)
    keep(step, task_id, replace(task, dispatched_at=at, waiting_for_retry=False, retry_at=None))


def limit_wait(step: Step, task_id: str, task: Task, *, since: float) -> None:
    """Have a task's wait in the queue end at its dispatch timeout, if it has one."""
    timeout = task.spec.dispatch_timeout_seconds
    if timeout is None:
        timeout = step.job.dispatch_timeout
    if timeout is not None:
        step.set_timers[f"dispatch:{task_id}"] = since + timeout


def keep(step: Step, task_id: str, task: Task) -> None:
    """Replace one awaited task."""
    step.update(tasks={**step.job.tasks, task_id: task})


def _add(step: Step, spec: TaskSpec, at: float, duration_ms: int | None = None) -> None:
    job = step.job
    if job.priority:
        spec = replace(spec, priority=spec.priority + job.priority)
    task_id = f"{job.id}-{job.tasks_made + 1}"
    step.update(tasks_made=job.tasks_made + 1, last_task=(task_id, spec))
    deadline = None if spec.result_timeout_seconds is None else at + spec.result_timeout_seconds
    if deadline is not None:
        step.set_timers[f"overdue:{task_id}"] = deadline
    enqueue(step, task_id, Task(spec=spec, deadline=deadline), at)
    described = {key: value for key, value in spec_document(spec).items() if key != "params"}
    step.note(
        "task_dispatched",
        at,
        duration_ms=duration_ms,
        attempt_number=1,
        task_id=task_id,
        task_info=described,
    )


def _stopped_by_cancel(step: Step, event: HandlerDone) -> bool:
    """A success that came before the cancel took hold lets handlers run on, but starts no new work."""
    if step.job.cancel_requested_at is None:
        return False
    _ending.end(step, "cancelled", event.at, result=None, duration_ms=event.duration_ms)
    return True
