"""A job as the API shows it: the full state with the keys of the releases, and never a token."""

from __future__ import annotations

from typing import Any

from orchestrator_lite.engine.state import Approval, Job, TaskSpec, spec_document
from orchestrator_lite.runtime.jobs import Live
from orchestrator_lite.store import ListedJob, TaskRow


def full(live: Live, progress: float | None, message: str | None) -> dict[str, Any]:
    """A job's full state (seeds 000-002 §2; keys by `spec/avtomatika.md` §5).

    Args:
        live: The job and its tasks in the queue.
        progress: What its running task last said, 0 to 1.
        message: What the task said with it.
    """
    job = live.job
    view: dict[str, Any] = {
        "id": job.id,
        "blueprint_name": job.blueprint,
        "current_state": job.current_state,
        "status": job.status,
        "held": job.is_held,
        "starts_at": job.starts_at,
        "priority": job.priority,
        "max_transitions": job.max_transitions,
        "initial_data": job.initial_data,
        "state_history": job.state_history,
        "result": job.result,
        "error": job.error,
        "error_message": None if job.error is None else job.error["message"],
        "client_config": {"name": job.client.name, "plan": job.client.plan, **job.client.params},
        "webhook_url": job.webhook_url,
        "dispatch_timeout": job.dispatch_timeout,
        "result_timeout": job.result_timeout,
        "result_deadline": job.result_deadline,
        "tracing_context": job.tracing_context,
        "metadata": job.metadata,
        "retry_count": job.retry_count,
        "step": job.step,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "ended_at": job.ended_at,
        "cancel_requested_at": job.cancel_requested_at,
        "approval": None if job.approval is None else _approval(job.approval),
        "quarantine": job.quarantine,
        "progress": progress,
        "progress_message": message,
    }
    if job.last_task is not None:
        view.update(_task(live, *job.last_task))
    if job.aggregation_target is not None:
        view.update(_parallel(job))
    if job.parent is not None or job.children:
        view.update(_family(job))
    return view


def compact(job: Job) -> dict[str, Any]:
    """A job as release 1.0b30 shows it; there `result` is what was left under the end state's name, else left last.

    Of a job that left nothing it is what the job returned, which the releases do not show at all.
    """
    view: dict[str, Any] = {
        "id": job.id,
        "blueprint_name": job.blueprint,
        "status": job.status,
        "step": job.step,
    }
    if job.max_transitions is not None:
        view["max_transitions"] = job.max_transitions
    if not job.is_final:
        return view
    left = job.state_history
    if left:
        view["result"] = left[job.current_state] if job.current_state in left else left[next(reversed(left))]
    elif job.result is not None:
        view["result"] = job.result
    return view


def only(view: dict[str, Any], fields: str) -> dict[str, Any]:
    """The fields that are named, separated by commas, and `id`; a name that is none is passed over."""
    named = {"id", *(name.strip() for name in fields.split(","))}
    return {key: value for key, value in view.items() if key in named}


def listed(job: ListedJob) -> dict[str, Any]:
    """A job in a list: the keys of the full state that are there without reading it."""
    return {
        "id": job.id,
        "blueprint_name": job.blueprint,
        "status": job.status,
        "created_at": job.created_at,
        "ended_at": job.ended_at,
    }


def _task(live: Live, task_id: str, spec: TaskSpec) -> dict[str, Any]:
    task = live.job.tasks.get(task_id)
    row = live.rows.get(task_id)
    return {
        "current_task_id": task_id,
        "current_task_info": spec_document(spec),
        "current_task_transitions": spec.transitions,
        "execution_timeout_seconds": spec.timeout_seconds,
        "task_dispatched_at": None if task is None else task.dispatched_at,
        "task_worker_id": None if row is None else _holder(row),
    }


def _approval(approval: Approval) -> dict[str, Any]:
    """What is asked, never the token that decides."""
    return {
        "integration": approval.integration,
        "message": approval.message,
        "decisions": sorted(approval.transitions),
        "asked_at": approval.asked_at,
        "deadline": approval.deadline,
    }


def _holder(row: TaskRow) -> str | None:
    return row.worker_id if row.until is not None else None


def _family(job: Job) -> dict[str, Any]:
    """What has begun the job, and what it has begun and still waits for."""
    run = next((item for item in job.children.items() if item[1].task_id is None), None)
    view: dict[str, Any] = {
        "parent_job_id": None if job.parent is None else job.parent.job_id,
        "parent_task_id": None if job.parent is None else job.parent.task_id,
        "depth": job.depth,
        "child_job_ids": list(job.children),
    }
    if run is not None:
        view.update(child_job_id=run[0], current_task_transitions=run[1].transitions)
    return view


def _parallel(job: Job) -> dict[str, Any]:
    return {
        "aggregation_target": job.aggregation_target,
        "aggregation_results": job.aggregation_results,
        "active_branches": [task_id for task_id, task in job.tasks.items() if not task.dropped],
    }
