"""The engine: `fold(job, event)` says what becomes of a job, and nothing else does.

Rules and their sources: outcomes and cancel by design ("Outcome", "Honest cancel"); words of the verdicts by
`spec/avtomatika.md` §6.4; the limit of transitions by release 1.0b30.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator_lite.engine import (
    _approval,
    _cancelling,
    _handlers,
    _leases,
    _quarantine,
    _results,
    _subjobs,
    _telling,
    _timers,
)
from orchestrator_lite.engine.events import (
    CallMade,
    CancelAsked,
    CheckpointTaken,
    ChildEnded,
    Created,
    Decided,
    Event,
    HandlerDone,
    HandlerFailed,
    LeaseLost,
    LetOut,
    Released,
    ResultArrived,
    Retried,
    Returned,
    SkillTold,
    TimerFired,
)
from orchestrator_lite.engine.state import Job
from orchestrator_lite.engine.step import Step

_FOLDS: dict[type[Event], Callable[[Step, Any], None]] = {
    Created: _handlers.created,
    Released: _handlers.released,
    HandlerDone: _handlers.done,
    HandlerFailed: _handlers.failed,
    ResultArrived: _results.arrived,
    LeaseLost: _leases.lost,
    Returned: _leases.returned,
    CancelAsked: _cancelling.asked,
    TimerFired: _timers.fired,
    CallMade: _subjobs.called,
    ChildEnded: _subjobs.ended,
    CheckpointTaken: _subjobs.checkpoint,
    SkillTold: _telling.told,
    Decided: _approval.decided,
    Retried: _quarantine.retried,
    LetOut: _quarantine.let_out,
}


def fold(job: Job, event: Event) -> Step:
    """What becomes of `job` when `event` happens; both stay as they are.

    Args:
        job: The state before.
        event: What happened.

    Returns:
        The new state with everything that is to be written and done with it. A job that has ended only ever gains
        history events, unless it is taken out of quarantine.
    """
    step = Step(job)
    _FOLDS[type(event)](step, event)
    if step.changed or step.events:
        step.update(updated_at=event.at, events=job.events + len(step.events))
    return step
