"""What a parent does about its children: a handler's `run_blueprint`, a task's call, and the end of either."""

from __future__ import annotations

from dataclasses import replace

from orchestrator_lite.engine import _children, _ending, _queueing, _results
from orchestrator_lite.engine.actions import RunBlueprint
from orchestrator_lite.engine.events import CallMade, CheckpointTaken, ChildEnded, HandlerDone, ResultArrived
from orchestrator_lite.engine.state import Child, TaskSpec
from orchestrator_lite.engine.step import Step

_OUTCOMES = {"finished": "success", "cancelled": "cancelled"}
"""A child's final status in the words transitions use; every other one is a failure."""


def run(step: Step, action: RunBlueprint, event: HandlerDone) -> None:
    """Begin a child job and wait for it."""
    if step.job.cancel_requested_at is not None:
        _ending.end(step, "cancelled", event.at, duration_ms=event.duration_ms)
        return
    assert event.child_id is not None  # noqa: S101 - made together with the action
    new = _children.NewChild(
        id=event.child_id,
        blueprint=action.blueprint,
        start_state=action.start_state,
        initial_data=action.initial_data,
        dispatch_timeout=action.dispatch_timeout,
        result_timeout=action.result_timeout,
    )
    step.update(status="waiting_for_sub_job", retry_count=0, tasks={})
    _children.begin(step, new, Child(blueprint=action.blueprint, transitions=action.transitions), event.at)


def called(step: Step, event: CallMade) -> None:
    """A task calls a skill: a child job of one task; the caller has looked whether it may."""
    child = Child(blueprint=event.new.blueprint, task_id=event.task_id, attempt=event.attempt)
    _children.begin(step, event.new, child, event.at)


def ended(step: Step, event: ChildEnded) -> None:
    """A child has ended: the state that waits for it goes on; a task learns it by its own waiting."""
    step.clear_timers.append(f"{_children.CHILD_TIMER}:{event.child_id}")
    child = step.job.children.get(event.child_id)
    if child is None or step.job.is_final:
        return
    step.update(children={key: item for key, item in step.job.children.items() if key != event.child_id})
    step.note("worker_event:sub_job_finished", event.at, sub_job_id=event.child_id, sub_job_status=event.status)
    if child.task_id is None:
        _resume(step, event, child)


def checkpoint(step: Step, event: CheckpointTaken) -> None:
    """Keep what a task has said of itself, for its next attempt."""
    task = step.job.tasks.get(event.task_id)
    if task is None:
        return
    step.checkpoint = (event.task_id, event.doc)
    if not task.checkpointed:
        _queueing.keep(step, event.task_id, replace(task, checkpointed=True))


def _resume(step: Step, event: ChildEnded, child: Child) -> None:
    """Follow the transition for a child's outcome, as for a task's."""
    outcome, error = _OUTCOMES.get(event.status, "failure"), event.error
    if outcome == "cancelled" and _is_a_failure(step, child):
        outcome, error = "failure", {"code": "CANCELLED", "message": "The child job was cancelled.", "details": None}
    told = {
        "outcome": outcome,
        "final_state": event.end_state,
        "error_message": None if error is None else error.get("message"),
        "status": event.status,
        "result": event.result,
        "error": error,
    }
    step.update(state_history={**step.job.state_history, f"sub_job_{event.child_id}_result": told})
    answer = ResultArrived(
        at=event.at,
        task_id=event.child_id,
        worker_id="",
        attempt=None,
        current=None,
        status=outcome,
        data=event.result,
        error=error,
    )
    spec = TaskSpec(type=child.blueprint, params={}, transitions=child.transitions)
    _results.answered(step, answer, spec)
    if step.job.status == "quarantined":
        _tell_why(step, event, child)


def _is_a_failure(step: Step, child: Child) -> bool:
    """Whether a cancelled child is one that failed, as officially: its parent is not cancelled and expects failures."""
    leads = child.transitions
    return step.job.cancel_requested_at is None and "cancelled" not in leads and "failure" in leads


def _tell_why(step: Step, event: ChildEnded, child: Child) -> None:
    """The evidence of a job that is quarantined for its child's sake leads to the child."""
    failure = {"attempt": 1, "worker_id": None, "at": event.at, "code": step.job.error and step.job.error["code"]}
    failure["message"] = "" if event.error is None else str(event.error.get("message") or "")
    known = {"at": event.at, "task_id": None, "skill": None, "failures": [failure]}
    step.update(quarantine={**known, "sub_job_id": event.child_id, "sub_blueprint": child.blueprint})
