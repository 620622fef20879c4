"""Jobs that gave up on a task keep what is known of it; people send them round again or let them out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator_lite.engine import _ending, _queueing
from orchestrator_lite.engine.events import LetOut, Retried
from orchestrator_lite.engine.state import Job, Task
from orchestrator_lite.engine.step import Step, Verdict

LONGEST_MESSAGE = 2_000
"""Characters of an error's message that are kept as evidence."""

MOST_FAILURES = 20
"""Attempts whose failure is kept as evidence."""


def with_failure(task: Task, *, attempt: int, worker_id: str | None, at: float, code: str, message: str) -> Task:
    """The task with one more failed attempt on record."""
    failure = {
        "attempt": attempt,
        "worker_id": worker_id,
        "at": at,
        "code": code,
        "message": message[:LONGEST_MESSAGE],
    }
    return replace(task, failures=(*task.failures, failure)[-MOST_FAILURES:])


def evidence(task_id: str, task: Task, at: float) -> dict[str, Any]:
    """What a quarantined job is shown with."""
    return {"at": at, "task_id": task_id, "skill": task.spec.type, "failures": list(task.failures)}


def retried(step: Step, event: Retried) -> None:
    """The task that failed is queued once more, as a new task with all its tries; timeouts begin anew.

    Where a child failed, the state that ran it is entered anew.
    """
    job = step.job
    if not _is_in(step):
        return
    if job.quarantine is not None and job.quarantine.get("sub_job_id") is not None:
        _revive(step, event.at, "worker_event:retried", sub_job_id=job.quarantine["sub_job_id"])
        _ending.enter(step, job.current_state, event.at)
        return
    if job.last_task is None or job.quarantine is None or job.quarantine["task_id"] != job.last_task[0]:
        step.verdict = Verdict(reason="no_task", message="Job has no task that could be tried again")
        return
    _revive(step, event.at, "worker_event:retried", task_id=job.last_task[0])
    _queueing.queue_again(step, job.last_task[1], event.at)


def let_out(step: Step, event: LetOut) -> None:
    """Go on in a state, as if a transition had led there; without one the job has failed."""
    if not _is_in(step):
        return
    if event.state is not None:
        _revive(step, event.at, "worker_event:released", target=event.state)
        _ending.enter(step, event.state, event.at)
        return
    step.verdict = Verdict(transition="released")
    step.update(status="failed")
    step.note("worker_event:released", event.at)


def _is_in(step: Step) -> bool:
    if step.job.status == "quarantined":
        return True
    step.verdict = Verdict(reason="not_quarantined", message="Job is not quarantined")
    return False


def _revive(step: Step, at: float, said: str, **about: Any) -> None:
    step.verdict = Verdict(transition="released")
    step.update(status="running", error=None, quarantine=None, result=None, ended_at=None, revived_at=at)
    _limit(step, step.job)
    step.note(said, at, **about)


def _limit(step: Step, job: Job) -> None:
    if job.result_deadline is not None:
        step.set_timers[_ending.RESULT_TIMER] = job.result_deadline
