"""Decisions of people: a job pauses until one comes, and goes on by it (seeds 000-002 §1, "Human Approval")."""

from __future__ import annotations

from orchestrator_lite.engine import _ending
from orchestrator_lite.engine.actions import AwaitApproval
from orchestrator_lite.engine.events import Decided, HandlerDone, TimerFired
from orchestrator_lite.engine.state import Approval
from orchestrator_lite.engine.step import Step, Verdict

TIMED_OUT = "timeout"
"""The transition taken when nobody has decided in time."""


def ask(step: Step, action: AwaitApproval, event: HandlerDone) -> None:
    """Pause the job until somebody decides."""
    deadline = None if action.timeout is None else event.at + action.timeout
    approval = Approval(
        integration=action.integration,
        message=action.message,
        transitions=action.transitions,
        token=action.token,
        asked_at=event.at,
        deadline=deadline,
    )
    if deadline is not None:
        step.set_timers[_ending.APPROVAL_TIMER] = deadline
    step.update(status="waiting_for_human", approval=approval, tasks={})
    step.note(
        "worker_event:approval_requested",
        event.at,
        duration_ms=event.duration_ms,
        integration=action.integration,
        message=action.message,
        decisions=sorted(action.transitions),
    )


def decided(step: Step, event: Decided) -> None:
    """Go on by the decision, or say why it does not count."""
    approval = step.job.approval
    meant = approval is not None and event.token in (None, approval.token)
    if step.job.status != "waiting_for_human" or approval is None or not meant:
        step.verdict = Verdict(reason="not_waiting", message="Job is not in a state that can be approved")
        return
    target = approval.transitions.get(event.decision)
    if target is None:
        message = f"Invalid decision '{event.decision}' for this job"
        step.verdict = Verdict(reason="invalid_decision", message=message)
        return
    step.verdict = Verdict(transition=event.decision)
    if approval.deadline is not None:
        step.clear_timers.append(_ending.APPROVAL_TIMER)
    step.note("worker_event:approval_received", event.at, decision=event.decision, metadata=event.metadata)
    _go_on(step, event.decision, event.metadata, target, event.at)


def timed_out(step: Step, event: TimerFired) -> None:
    """Nobody has decided in time."""
    approval = step.job.approval
    if approval is None or approval.deadline is None or approval.deadline > event.at:
        return
    target = approval.transitions.get(TIMED_OUT)
    if target is None:
        message = "Nobody decided in time (approval timeout)."
        _ending.fail(step, "failed", event.at, code="TIMEOUT_ERROR", message=message)
        return
    step.note("worker_event:approval_timed_out", event.at)
    _go_on(step, TIMED_OUT, None, target, event.at)


def _go_on(step: Step, decision: str, metadata: object, target: str, at: float) -> None:
    job = step.job
    said = {job.current_state: {"decision": decision, "metadata": metadata}}
    step.update(approval=None, state_history={**job.state_history, **said})
    _ending.enter(step, target, at)
