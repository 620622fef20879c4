"""What a handler's outcome does to its job."""

from __future__ import annotations

from orchestrator_lite.engine import _approval, _ending, _queueing, _subjobs
from orchestrator_lite.engine.actions import AwaitApproval, Dispatch, DispatchParallel, GoTo, RunBlueprint
from orchestrator_lite.engine.events import Created, HandlerDone, HandlerFailed, Released
from orchestrator_lite.engine.step import Step


def created(step: Step, event: Created) -> None:
    """The job exists; its start state's handler is owed: at once, when it is released, when its time has come."""
    job = step.job
    step.note("job_created", event.at, state=job.status)
    if job.metadata.get("scheduled"):
        step.note("worker_event:scheduled", event.at, schedule=job.metadata.get("source"), due=job.metadata.get("due"))
    if job.result_deadline is not None:
        step.set_timers[_ending.RESULT_TIMER] = job.result_deadline
    if job.is_runnable:
        step.note("state_started", event.at)
        return
    if job.starts_at is not None:
        step.note("worker_event:delayed", event.at, starts_at=job.starts_at)
        step.set_timers[_ending.DELAY_TIMER] = job.starts_at
    if job.is_held:
        step.note("worker_event:held", event.at)
        if job.dispatch_timeout is not None:
            step.set_timers[_ending.HOLD_TIMER] = (job.starts_at or job.created_at) + job.dispatch_timeout


def released(step: Step, event: Released) -> None:
    """The job starts; one that is not held (any more) stays as it is."""
    if not step.job.is_held:
        return
    step.clear_timers.append(_ending.HOLD_TIMER)
    step.update(hold="released")
    step.note("worker_event:released", event.at)
    if step.job.is_runnable:
        step.note("state_started", event.at)


def done(step: Step, event: HandlerDone) -> None:
    """Do what the handler asked for; an end state without an action ends the job."""
    job = step.job
    if not job.is_runnable or job.step != event.step:
        return
    _keep(step, event)
    if event.returned is not None and job.aggregation_target == job.current_state:
        step.update(state_history={**event.state_history, job.current_state: event.returned})
    if job.aggregation_target == job.current_state:
        step.update(has_data=True, data=step.job.state_history.get(job.current_state))
    match event.action:
        case GoTo(state):
            _ending.enter(step, state, event.at, duration_ms=event.duration_ms)
        case Dispatch(spec):
            _queueing.dispatch(step, spec, event)
        case DispatchParallel(specs, target):
            _queueing.dispatch_parallel(step, specs, target, event)
        case RunBlueprint():
            _subjobs.run(step, event.action, event)
        case AwaitApproval():
            _approval.ask(step, event.action, event)
        case None:
            _without_action(step, event)


def _keep(step: Step, event: HandlerDone) -> None:
    """What a handler leaves besides its action."""
    step.update(state_history=event.state_history)
    if event.updates:
        step.update(initial_data={**step.job.initial_data, **event.updates})
    for kind, told in event.said:
        step.note(f"worker_event:{kind}", event.at, **told)


def _without_action(step: Step, event: HandlerDone) -> None:
    if not event.is_end:
        message = f"the handler of state {step.job.current_state!r} asked for nothing and is no end state"
        _ending.fail(step, "failed", event.at, code="HANDLER_ERROR", message=message, duration_ms=event.duration_ms)
        return
    result = event.returned if event.returned is not None else _ending.outcome(step)
    status = _ending.status_of(step.job.current_state, event.end_status)
    _ending.end(step, status, event.at, result=result, duration_ms=event.duration_ms)


def failed(step: Step, event: HandlerFailed) -> None:
    """A handler that raised, returned nonsense or took too long fails its job alone."""
    if not step.job.is_runnable or step.job.step != event.step:
        return
    _ending.fail(step, "failed", event.at, code=event.code, message=event.message, duration_ms=event.duration_ms)
