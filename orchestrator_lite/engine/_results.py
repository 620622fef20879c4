"""What a worker's answer does to a job.

A result is judged by task and attempt, not by the lease: the first result of the current attempt wins; one of an
earlier attempt is recorded and ignored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from avtomatika_client.protocol.worker import ErrorCode
from orchestrator_lite.engine import _children, _ending, _quarantine, _queueing
from orchestrator_lite.engine.events import InQueue, ResultArrived
from orchestrator_lite.engine.state import Task, TaskSpec
from orchestrator_lite.engine.step import Step, Taken, Verdict

MAX_RETRIES = 3
"""Failures that are tried again before a task is given up (all releases)."""

AT_ONCE = 10
"""Interruptions after which a task is handed out again at once; then pauses keep it from going round and round."""

LONGEST_BACKOFF = 86_400
"""Seconds a worker may ask for before the next attempt; more counts as this."""

_FINAL_CODES = frozenset(
    {
        ErrorCode.PERMANENT.value,
        ErrorCode.SECURITY.value,
        ErrorCode.DEPENDENCY.value,
        ErrorCode.CONTRACT_VIOLATION.value,
        ErrorCode.INVALID_INPUT.value,
        ErrorCode.INTEGRITY_MISMATCH.value,
    }
)
_NO_ATTEMPT = 0
"""The attempt of an answer that no worker gave."""

_FAILING_CODES = frozenset({ErrorCode.INVALID_INPUT.value, ErrorCode.INTEGRITY_MISMATCH.value})


def arrived(step: Step, event: ResultArrived) -> None:
    """Apply a result, or say why it is ignored."""
    refusal = _refusal(step, event)
    if refusal is not None:
        step.verdict = refusal
        return
    task = step.job.tasks[event.task_id]
    attempt = task.attempt if event.current is None else event.current.attempt
    if event.status == "failure" and _tried_again(step, event, task, attempt):
        step.verdict = Verdict(transition="failure_handled")
        return
    step.drop.append(Taken(event.task_id, attempt))
    _conclude(step, event, task, attempt)


def gave_up(step: Step, task_id: str, standing: InQueue | None, at: float) -> None:
    """A task has failed without an answer: its time is over. What its worker may still send counts for nothing."""
    worker_id = "" if standing is None else standing.worker_id or ""
    if standing is not None:
        step.drop.append(Taken(task_id, standing.attempt, standing.leased))
        if standing.leased:
            step.cancel.append(task_id)
    error = {"code": ErrorCode.TIMEOUT.value, "message": "The task's result did not come in time.", "details": None}
    event = ResultArrived(
        at=at, task_id=task_id, worker_id=worker_id, attempt=None, current=standing, status="failure", error=error
    )
    _conclude(step, event, step.job.tasks[task_id], _NO_ATTEMPT)
    step.verdict = None


def poisoned(step: Step, task_id: str, task: Task, standing: InQueue, at: float) -> None:
    """A task has taken its workers with it too often: it has failed, and nobody is given it again."""
    step.drop.append(Taken(task_id, standing.attempt, standing.leased))
    message = f"The task ended its worker {task.crashes} times; it is not handed out again."
    error = {"code": ErrorCode.POISON.value, "message": message, "details": {"failures": list(task.failures)}}
    event = ResultArrived(
        at=at,
        task_id=task_id,
        worker_id=standing.worker_id or "",
        attempt=None,
        current=standing,
        status="failure",
        error=error,
    )
    _conclude(step, event, task, _NO_ATTEMPT)
    step.verdict = None


def _conclude(step: Step, event: ResultArrived, task: Task, attempt: int) -> None:
    _finish_task(step, event, attempt)
    if step.job.status == "waiting_for_parallel_tasks":
        _join(step, event)
    else:
        _follow(step, event, _with_evidence(task, event, attempt))


def _with_evidence(task: Task, event: ResultArrived, attempt: int) -> Task:
    if event.status != "failure" or _code(event) == ErrorCode.POISON.value:
        return task
    message = str((event.error or {}).get("message") or "")
    return _quarantine.with_failure(
        task, attempt=attempt, worker_id=event.worker_id, at=event.at, code=_code(event), message=message
    )


def _refusal(step: Step, event: ResultArrived) -> Verdict | None:
    job = step.job
    if _is_repeat(step, event):
        return _ignored_repeat(step, event)
    if job.is_final:
        _record_late(step, event)
        message = f"Result ignored: the job is already in a terminal state ({job.status})."
        return Verdict(reason="job_already_terminated", message=message)
    task = job.tasks.get(event.task_id)
    if task is None or task.dropped or task.waiting_for_retry:
        _record_late(step, event)
        message = f"Result ignored: task_id {event.task_id} is no longer active for job {job.id}."
        return Verdict(reason="stale_task", message=message)
    return _wrong_attempt(step, event, event.current)


def _wrong_attempt(step: Step, event: ResultArrived, current: InQueue | None) -> Verdict | None:
    if current is None:
        return None
    if event.attempt is None and event.worker_id != current.worker_id:
        _record_late(step, event)
        return Verdict(reason="worker_mismatch", message="Forbidden: This task is assigned to a different worker.")
    if event.attempt is not None and event.attempt != current.attempt:
        _record_late(step, event)
        message = f"Result ignored: attempt {event.attempt} of task {event.task_id} has been superseded."
        return Verdict(reason="stale_task", message=message)
    return None


def _is_repeat(step: Step, event: ResultArrived) -> bool:
    """Whether this very result has been applied before: its reply was lost, so it says nothing new."""
    applied = step.job.done.get(event.task_id)
    return applied is not None and event.attempt in {applied, None}


def _ignored_repeat(step: Step, event: ResultArrived) -> Verdict:
    job = step.job
    if job.is_final:
        message = f"Result ignored: the job is already in a terminal state ({job.status})."
        return Verdict(reason="job_already_terminated", message=message)
    message = f"Result ignored: task_id {event.task_id} is no longer active for job {job.id}."
    return Verdict(reason="stale_task", message=message)


def _record_late(step: Step, event: ResultArrived) -> None:
    step.note(
        "worker_event:late_result",
        event.at,
        worker_id=event.worker_id,
        attempt_number=event.attempt,
        task_id=event.task_id,
        status=event.status,
        data=event.data,
        error=event.error,
    )


def _tried_again(step: Step, event: ResultArrived, task: Task, attempt: int) -> bool:
    """Whether a failure is followed by another attempt; an interruption counts for nothing."""
    code = _code(event)
    interrupted = code == ErrorCode.INTERRUPTED.value
    if step.job.cancel_requested_at is not None:
        return False
    if not interrupted and (code in _FINAL_CODES or task.retries >= MAX_RETRIES):
        return False
    step.note(
        "worker_event:task_interrupted" if interrupted else "worker_event:task_retry",
        event.at,
        worker_id=event.worker_id,
        attempt_number=attempt,
        task_id=event.task_id,
        error=event.error,
    )
    step.drop.append(Taken(event.task_id, attempt))
    _children.abandon(step, event.task_id, event.at)
    if not interrupted:
        task = _with_evidence(task, event, attempt)
    again = replace(task, attempt=attempt + 1)
    if interrupted:
        again = replace(again, interruptions=task.interruptions + 1)
        pause = _pause(again.interruptions)
        if not pause:
            _queueing.enqueue(step, event.task_id, again, event.at)
            return True
    else:
        again = replace(again, retries=task.retries + 1)
        pause = _backoff(event, again.retries)
    step.clear_timers.append(f"dispatch:{event.task_id}")
    retry_at = event.at + pause
    step.set_timers[f"retry:{event.task_id}"] = retry_at
    _queueing.keep(step, event.task_id, replace(again, waiting_for_retry=True, retry_at=retry_at))
    step.update(retry_count=again.retries)
    return True


def _pause(interruptions: int) -> float:
    """Seconds until an interrupted task is handed out again: none, unless it is handed back again and again."""
    return min(0.5 * 2.0 ** min(interruptions - AT_ONCE - 1, 10), 60.0) if interruptions > AT_ONCE else 0.0


def _backoff(event: ResultArrived, retries: int) -> float:
    """Seconds until the next attempt: 0.5, 1, 2, or at least what the worker asks for."""
    details = (event.error or {}).get("details")
    asked = details.get("retry_after") if isinstance(details, dict) else None
    wait = 0.5 * 2.0 ** (retries - 1)
    if isinstance(asked, bool) or not isinstance(asked, int | float):
        return wait
    return float(max(wait, min(asked, LONGEST_BACKOFF)))


def _finish_task(step: Step, event: ResultArrived, attempt: int) -> None:
    step.clear_timers += _ending.task_timers(event.task_id)
    if step.job.tasks[event.task_id].checkpointed:
        step.drop_checkpoints.append(event.task_id)
    _children.abandon(step, event.task_id, event.at)
    rest = {task_id: task for task_id, task in step.job.tasks.items() if task_id != event.task_id}
    step.update(tasks=rest, done={**step.job.done, event.task_id: attempt})
    step.note(
        "task_finished",
        event.at,
        worker_id=event.worker_id,
        attempt_number=attempt,
        task_id=event.task_id,
        task_status=event.status,
        error=event.error,
    )


def _join(step: Step, event: ResultArrived) -> None:
    """One branch has ended; the last one to end leads into the aggregator."""
    job = step.job
    answer = {"status": event.status, "data": event.data, "error": event.error}
    step.update(aggregation_results={**job.aggregation_results, event.task_id: answer})
    step.verdict = Verdict(transition="parallel_branch_accepted")
    if any(not task.dropped for task in job.tasks.values()):
        return
    if job.cancel_requested_at is not None and not _all_done(step):
        _ending.end(step, "cancelled", event.at)
        return
    step.update(aggregation_results=_in_order(step.job.aggregation_results), tasks={})
    target = job.aggregation_target
    assert target is not None  # noqa: S101 - set together with the status
    _ending.enter(step, target, event.at)


def _all_done(step: Step) -> bool:
    """Whether the cancel came too late for every branch: none was dropped, none gave up."""
    answers = step.job.aggregation_results.values()
    return not step.job.tasks and all(answer["status"] not in {"cancelled", "failure"} for answer in answers)


def _in_order(results: dict[str, Any]) -> dict[str, Any]:
    """Branches in the order of their dispatch: a task's id ends with its number."""
    return dict(sorted(results.items(), key=lambda item: int(item[0].rpartition("-")[2])))


def _follow(step: Step, event: ResultArrived, task: Task) -> None:
    """Take the transition for the task's status."""
    transitions = task.spec.transitions
    match event.status:
        case "failure":
            _follow_failure(step, event, task)
        case "cancelled" if "cancelled" not in transitions:
            step.verdict = Verdict(transition="cancelled_handled")
            _ending.end(step, "cancelled", event.at)
        case status if status in transitions:
            _merge(step, event)
            step.verdict = Verdict(transition=f"{status}_transition")
            if status == "cancelled":
                step.verdict = Verdict(transition="cancelled_handled")
            _ending.enter(step, transitions[status], event.at)
        case status:
            step.verdict = Verdict(transition="unhandled_status_failure")
            message = f"Worker returned unhandled status: {status}"
            _ending.fail(step, "failed", event.at, code="UNHANDLED_STATUS", message=message)


def _follow_failure(step: Step, event: ResultArrived, task: Task) -> None:
    step.verdict = Verdict(transition="failure_handled")
    code = _code(event)
    error = {"message": "", "details": None, **(event.error or {}), "code": code}
    if step.job.cancel_requested_at is not None:
        step.update(error=error)
        _ending.end(step, "cancelled", event.at)
        return
    target = task.spec.transitions.get(code) or task.spec.transitions.get("failure")
    if target is not None:
        _merge(step, event)
        step.update(error=error)
        _ending.enter(step, target, event.at)
        return
    status = "failed" if code in _FAILING_CODES else "quarantined"
    if status == "quarantined":
        step.update(quarantine=_quarantine.evidence(event.task_id, task, event.at))
    _ending.fail(step, status, event.at, code=code, message=error["message"], details=error["details"])


def _merge(step: Step, event: ResultArrived) -> None:
    """Keep a task's data for later states: an object's keys as the releases do, anything else under the state."""
    job = step.job
    if event.data is None:
        return
    added = event.data if isinstance(event.data, dict) else {job.current_state: event.data}
    step.update(state_history={**job.state_history, **added}, has_data=True, data=event.data)


def _code(event: ResultArrived) -> str:
    code = (event.error or {}).get("code")
    return code if isinstance(code, str) and code else ErrorCode.TRANSIENT.value


def answered(step: Step, event: ResultArrived, spec: TaskSpec) -> None:
    """Take the transition for an answer that came otherwise than to a task of the queue."""
    _follow(step, event, Task(spec=spec))
    step.verdict = None
