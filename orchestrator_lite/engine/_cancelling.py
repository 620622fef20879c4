"""Honest cancel: what waits ends at once; what a worker runs ends on its word, or with its lease.

A job that waits for a child has it cancelled and ends with it.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator_lite.engine import _children, _ending
from orchestrator_lite.engine.events import CancelAsked
from orchestrator_lite.engine.step import Step, Taken


def asked(step: Step, event: CancelAsked) -> None:
    """Cancel a job; asked again while workers still have tasks of it, they are told again."""
    job = step.job
    if job.is_final:
        return
    if event.orphaned and job.parent is not None:
        step.update(parent=replace(job.parent, gone=True))
    held = [task_id for task_id, standing in event.queue.items() if standing.leased]
    if not held and job.status != "waiting_for_sub_job":
        _ending.drop_all(step, event.queue)
        _ending.end(step, "cancelled", event.at)
        return
    step.cancel += held
    _children.call_off(step, event.at)
    if job.cancel_requested_at is not None:
        return
    step.update(cancel_requested_at=event.at)
    step.note("worker_event:cancel_requested", event.at, tasks=held)
    _drop_waiting(step, event)


def _drop_waiting(step: Step, event: CancelAsked) -> None:
    """Branches no worker has are taken off the queue; they will have no result."""
    tasks = dict(step.job.tasks)
    for task_id, task in step.job.tasks.items():
        standing = event.queue.get(task_id)
        if standing is not None and standing.leased:
            continue
        if standing is not None:
            step.drop.append(Taken(task_id, standing.attempt, False))
        step.clear_timers += _ending.task_timers(task_id)
        tasks[task_id] = replace(task, dropped=True)
    step.update(tasks=tasks)
