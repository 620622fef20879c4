"""A job's life without a server: folds, and a queue and timers as the store would keep them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

from orchestrator_lite.engine._children import NewChild
from orchestrator_lite.engine.actions import ActionFactory
from orchestrator_lite.engine.events import (
    CallMade,
    CancelAsked,
    CheckpointTaken,
    ChildEnded,
    Created,
    Event,
    HandlerDone,
    HandlerFailed,
    InQueue,
    LeaseLost,
    Released,
    ResultArrived,
    Returned,
    TimerFired,
)
from orchestrator_lite.engine.fold import fold
from orchestrator_lite.engine.state import Client, Job, from_document, to_document
from orchestrator_lite.engine.step import Step

KEYS = {
    *("event_id", "job_id", "client_token", "timestamp", "state", "event_type", "duration_ms", "previous_state"),
    *("next_state", "worker_id", "attempt_number", "context_snapshot"),
}
STATES = frozenset({"start", "middle", "gather", "finished", "failed", "rejected"})


class Life:
    """Everything that is written of one job, changed only by what folds give back.

    Each fold is checked: it changes neither the job nor the event it was given, and it refers to tasks as they are.

    Attributes:
        job: The job.
        queue: Its tasks that are queued or leased.
        timers: Its timers.
        children: Every job it has begun.
        kept: Checkpoints of its tasks.
        events: Its history.
        step: The last fold.
    """

    def __init__(self, **fields: Any) -> None:
        self.now = 1_000_000.0
        values: dict[str, Any] = {
            "id": "job",
            "blueprint": "flow",
            "client": Client(name="me"),
            "created_at": self.now,
            "updated_at": self.now,
            "initial_data": {"a": [1]},
            "current_state": "start",
            **fields,
        }
        self.job = Job(**values)
        self.queue: dict[str, InQueue] = {}
        self.timers: dict[str, float] = {}
        self.children: dict[str, Job] = {}
        self.kept: dict[str, bytes] = {}
        self.events: list[dict[str, Any]] = []
        self.step = self.happens(Created(at=self.now))

    def happens(self, event: Event) -> Step:
        """Fold an event and write what comes of it."""
        before, said = deepcopy(self.job), deepcopy(event)
        held = self.job
        step = fold(self.job, event)
        assert held == before, "the job that was given was changed"
        assert event == said, "the event that was given was changed"
        assert from_document(to_document(step.job)) == step.job
        self._write(step)
        self.step = step
        return step

    def _write(self, step: Step) -> None:
        for taken in step.drop:
            standing = self.queue.pop(taken.task_id)
            assert standing.attempt == taken.attempt
            assert taken.leased in {None, standing.leased}
        for taken in step.requeue:
            standing = self.queue[taken.task_id]
            assert (standing.attempt, standing.leased) == (taken.attempt, True)
            self.queue[taken.task_id] = replace(standing, leased=False)
        for queued in step.enqueue:
            assert queued.task_id not in self.queue
            self.queue[queued.task_id] = InQueue(attempt=queued.attempt, leased=False)
        self.children.update({born.job.id: born.job for born in step.born})
        self.kept.update(dict([step.checkpoint] if step.checkpoint else []))
        for task_id in step.drop_checkpoints:
            del self.kept[task_id]
        for name in step.clear_timers:
            self.timers.pop(name, None)
        self.timers.update(step.set_timers)
        for event in step.events:
            assert event.keys() == KEYS
        self.events += step.events
        self.job = step.job

    @property
    def types(self) -> list[str]:
        return [event["event_type"] for event in self.events]

    def handler(self, act: Any = None, *, is_end: bool = False, **outcome: Any) -> Step:
        """The current state's handler returns; `act` is given the actions and the state history."""
        actions = ActionFactory("key", STATES, start_state_of={"other": "begin"}.get, depth=self.job.depth)
        history = deepcopy(self.job.state_history)
        if act is not None:
            act(actions, history)
        event = HandlerDone(
            at=self.now,
            step=self.job.step,
            action=actions.recorded,
            state_history=history,
            is_end=is_end,
            duration_ms=5,
            child_id=f"child{self.job.step}",
            **outcome,
        )
        return self.happens(event)

    def ends(self, **outcome: Any) -> Step:
        """The current state's handler ends the job."""
        return self.handler(is_end=True, **outcome)

    def goes_to(self, state: str) -> Step:
        return self.handler(lambda actions, _: actions.go_to(state))

    def dispatches(self, **spec: Any) -> str:
        """The handler has one task done; its id."""
        spec.setdefault("transitions", {"success": "finished"})
        self.handler(lambda actions, _: actions.dispatch_task("greet", **spec))
        return list(self.job.tasks)[-1]

    def fans_out(self, count: int, **spec: Any) -> list[str]:
        """The handler has tasks done side by side; their ids."""
        tasks = [{"type": "greet", "params": {"n": n}, **spec} for n in range(count)]
        self.handler(lambda actions, _: actions.dispatch_parallel(tasks, "gather"))
        return list(self.job.tasks)

    def runs(self, transitions: dict[str, str], **options: Any) -> str:
        """The handler has another blueprint's job run; the child's id."""
        self.handler(lambda actions, _: actions.run_blueprint("other", {"b": 2}, transitions, **options))
        return list(self.job.children)[-1]

    def calls(self, task_id: str, child_id: str) -> str:
        """A task calls a skill; the child's id."""
        new = NewChild(
            id=child_id, blueprint="skill:tool", start_state="start", initial_data={}, key=f"key of {child_id}"
        )
        attempt = self.queue[task_id].attempt
        self.happens(CallMade(at=self.now, task_id=task_id, attempt=attempt, new=new))
        return child_id

    def child_ends(self, child_id: str, status: str = "finished", **fields: Any) -> Step:
        return self.happens(ChildEnded(at=self.now, child_id=child_id, status=status, **fields))

    def checkpoint(self, task_id: str, doc: bytes) -> Step:
        return self.happens(CheckpointTaken(at=self.now, task_id=task_id, doc=doc))

    def fails(self, message: str = "boom") -> Step:
        return self.happens(HandlerFailed(at=self.now, step=self.job.step, message=message))

    def lease(self, task_id: str, worker: str = "w1", *, spent: bool = False) -> int:
        """A worker takes a task, which is a new attempt when the last one had begun; the attempt."""
        standing = self.queue[task_id]
        assert not standing.leased
        attempt = standing.attempt + (1 if spent else 0)
        self.queue[task_id] = InQueue(attempt=attempt, leased=True, worker_id=worker)
        return attempt

    def leased(self, **spec: Any) -> str:
        """One task, dispatched and taken."""
        task_id = self.dispatches(**spec)
        self.lease(task_id)
        return task_id

    def result(self, task_id: str, status: str = "success", *, worker: str = "w1", **fields: Any) -> Step:
        """A worker answers; by default the attempt the queue has."""
        current = self.queue.get(task_id)
        fields.setdefault("attempt", None if current is None else current.attempt)
        return self.happens(
            ResultArrived(at=self.now, task_id=task_id, worker_id=worker, current=current, status=status, **fields)
        )

    def failure(self, task_id: str, code: str = "TRANSIENT_ERROR", **fields: Any) -> Step:
        error = {"code": code, "message": "boom", "details": fields.pop("details", None)}
        return self.result(task_id, "failure", error=error, **fields)

    def lose(self, task_id: str) -> Step:
        return self.happens(
            LeaseLost(at=self.now, task_id=task_id, standing=self.queue[task_id], reason="it has gone silent")
        )

    def comes_back(self, task_id: str) -> Step:
        """A task that was never delivered returns."""
        self.queue[task_id] = replace(self.queue[task_id], leased=False)
        return self.happens(Returned(at=self.now, task_id=task_id, standing=self.queue[task_id]))

    def release(self) -> Step:
        return self.happens(Released(at=self.now))

    def cancel(self) -> Step:
        return self.happens(CancelAsked(at=self.now, queue=dict(self.queue)))

    def fire(self, name: str) -> Step:
        """A timer is due."""
        self.now = max(self.now, self.timers.get(name, self.now))
        return self.happens(TimerFired(at=self.now, name=name, queue=dict(self.queue)))
