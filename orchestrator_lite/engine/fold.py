"""The engine: `fold(job, event)` says what becomes of a job, and nothing else does.

Rules and their sources: outcomes and cancel by design ("Outcome", "Honest cancel"); words of the verdicts by
`spec/avtomatika.md` §6.4; the limit of transitions by release 1.0b30.
"""

from __future__ import annotations

from orchestrator_lite.engine import _cancelling, _handlers, _leases, _results, _timers
from orchestrator_lite.engine.events import (
    CancelAsked,
    Created,
    Event,
    HandlerDone,
    HandlerFailed,
    LeaseLost,
    Released,
    ResultArrived,
    Returned,
    TimerFired,
)
from orchestrator_lite.engine.state import Job
from orchestrator_lite.engine.step import Step


def fold(job: Job, event: Event) -> Step:
    """What becomes of `job` when `event` happens; both stay as they are.

    Args:
        job: The state before.
        event: What happened.

    Returns:
        The new state with everything that is to be written and done with it. A job that has ended only ever gains
        history events.
    """
    step = Step(job)
    match event:
        case Created():
            _handlers.created(step, event)
        case Released():
            _handlers.released(step, event)
        case HandlerDone():
            _handlers.done(step, event)
        case HandlerFailed():
            _handlers.failed(step, event)
        case ResultArrived():
            _results.arrived(step, event)
        case LeaseLost():
            _leases.lost(step, event)
        case Returned():
            _leases.returned(step, event)
        case CancelAsked():
            _cancelling.asked(step, event)
        case TimerFired():
            _timers.fired(step, event)
    if step.changed or step.events:
        step.update(updated_at=event.at, events=job.events + len(step.events))
    return step
