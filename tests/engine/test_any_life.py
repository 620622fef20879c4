"""Whatever happens to a job, in whatever order: a random life, and what must hold after each event."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from avtomatika_client.protocol.jobs import FINAL_STATUSES
from orchestrator_lite.engine._children import refusal, to_stop
from orchestrator_lite.engine.events import Decided, LetOut, ResultArrived, Retried
from tests.engine.life import Life

STATUSES = st.sampled_from(["success", "failure", "cancelled", "odd", "unheard of"])
CODES = st.sampled_from(["TRANSIENT_ERROR", "PERMANENT_ERROR", "INVALID_INPUT_ERROR", "INTERRUPTED", "MADE_UP"])
TRANSITIONS = st.dictionaries(
    st.sampled_from(["success", "failure", "odd", "cancelled", "MADE_UP"]), st.sampled_from(["start", "middle"])
)
SECONDS = st.none() | st.sampled_from([0.5, 60.0])
DATA = st.none() | st.integers() | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
SELDOM = st.sampled_from([False] * 8 + [True])
"""For what ends most lives early, or changes nothing."""
DELAY = st.sampled_from([None, None, 5.0])
PICK = st.integers(min_value=0, max_value=7)


class AnyLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.begin()

    @initialize(hold=st.sampled_from([None, None, "held"]), delay=DELAY)
    def begin(self, hold: str | None = None, delay: float | None = None) -> None:
        self.life = Life(dispatch_timeout=30, hold=hold, starts_at=None if delay is None else 1_000_000.0 + delay)
        self.spent: dict[str, bool] = {}
        self.ended: tuple[str, Any, Any] | None = None
        self.done: dict[str, int] = {}
        self.told = False
        self.came_out = 0

    def pick(self, number: int, *, leased: bool | None = None) -> str | None:
        """One of the tasks in the queue."""
        ids = [key for key, item in self.life.queue.items() if leased in {None, item.leased}]
        return ids[number % len(ids)] if ids else None

    @precondition(lambda self: self.life.job.is_runnable)
    @rule(transitions=TRANSITIONS, timeout=SECONDS)
    def dispatches(self, transitions: dict[str, str], timeout: float | None) -> None:
        self.life.handler(
            lambda actions, _: actions.dispatch_task("x", {}, transitions, dispatch_timeout_seconds=timeout)
        )

    @precondition(lambda self: self.life.job.is_runnable)
    @rule(count=st.integers(min_value=0, max_value=4))
    def fans_out(self, count: int) -> None:
        self.life.fans_out(count)

    @precondition(lambda self: self.life.job.is_runnable)
    @rule(state=st.sampled_from(["start", "middle", "gather"]), left=DATA, returned=DATA)
    def goes_to(self, state: str, left: Any, returned: Any) -> None:
        self.life.handler(lambda actions, history: (history.update(left=left), actions.go_to(state)), returned=returned)

    @precondition(lambda self: self.life.job.is_runnable and self.life.job.tasks_made > 3)
    @rule(returned=DATA, status=st.none() | st.sampled_from(sorted(FINAL_STATUSES)), fails=st.booleans())
    def ends(self, returned: Any, status: str | None, fails: bool) -> None:
        if fails:
            self.life.fails()
        else:
            self.life.ends(returned=returned, end_status=status)

    @precondition(lambda self: self.life.job.is_runnable)
    @rule(timeout=SECONDS, transitions=TRANSITIONS.filter(bool), seldom=SELDOM)
    def asks_people(self, timeout: float | None, transitions: dict[str, str], seldom: bool) -> None:
        if seldom:
            self.life.handler(
                lambda actions, _: actions.await_human_approval("mail", "?", transitions, timeout_seconds=timeout)
            )

    @rule(decision=st.sampled_from(["success", "failure", "perhaps"]))
    def is_decided(self, decision: str) -> None:
        asked = self.life.job.approval
        step = self.life.happens(Decided(at=self.life.now, decision=decision))
        counted = asked is not None and decision in asked.transitions
        assert step.changed == counted == (step.verdict.reason is None)

    @precondition(lambda self: self.life.job.status == "quarantined")
    @rule(state=st.sampled_from([None, "middle", "again"]))
    def comes_out_of_quarantine(self, state: str | None) -> None:
        at = self.life.now
        self.life.happens(Retried(at=at) if state == "again" else LetOut(at=at, state=state))
        assert self.life.job.status != "quarantined"
        self.ended = None
        self.came_out += state is not None

    @precondition(lambda self: self.life.job.is_runnable)
    @rule(transitions=TRANSITIONS)
    def runs_a_blueprint(self, transitions: dict[str, str]) -> None:
        self.life.handler(lambda actions, _: actions.run_blueprint("other", {}, transitions))

    @rule(number=PICK)
    def calls(self, number: int) -> None:
        task_id = self.pick(number, leased=True)
        if task_id is not None and refusal(self.life.job, task_id) is None:
            self.life.calls(task_id, f"call{len(self.life.children)}")

    @precondition(lambda self: self.life.children)
    @rule(number=PICK, status=st.sampled_from(sorted(FINAL_STATUSES)), code=CODES, result=DATA)
    def a_child_ends(self, number: int, status: str, code: str, result: Any) -> None:
        """Any child there ever was; each ends once."""
        child_id = sorted(self.life.children)[number % len(self.life.children)]
        error = None if status == "finished" else {"code": code, "message": "boom", "details": None}
        self.life.child_ends(child_id, status, error=error, result=result)

    @rule(number=PICK, doc=st.sampled_from([b"1", b"2"]))
    def leaves_a_checkpoint(self, number: int, doc: bytes) -> None:
        task_id = self.pick(number, leased=True)
        if task_id is not None:
            self.life.checkpoint(task_id, doc)

    @rule(number=PICK, worker=st.sampled_from(["w1", "w2"]))
    def is_leased(self, number: int, worker: str) -> None:
        task_id = self.pick(number, leased=False)
        if task_id is not None:
            self.life.lease(task_id, worker, spent=self.spent.pop(task_id, False))

    @rule(number=PICK)
    def is_lost(self, number: int) -> None:
        task_id = self.pick(number, leased=True)
        if task_id is not None:
            self.life.lose(task_id)
            self.spent[task_id] = True

    @rule(number=PICK)
    def never_arrived(self, number: int) -> None:
        task_id = self.pick(number, leased=True)
        if task_id is not None:
            self.life.comes_back(task_id)

    @rule(
        number=st.integers(min_value=1, max_value=8),
        worker=st.sampled_from(["w1", "w2"]),
        attempt=st.none() | st.integers(min_value=1, max_value=4),
        status=STATUSES,
        data=DATA,
        code=CODES,
    )
    def is_answered(self, number: int, worker: str, attempt: int | None, status: str, data: Any, code: str) -> None:
        """Any answer, for a task that is, was or never will be."""
        task_id = f"job-{number}"
        current = self.life.queue.get(task_id)
        error = {"code": code, "message": "boom", "details": None} if status == "failure" else None
        step = self.life.happens(
            ResultArrived(
                at=self.life.now,
                task_id=task_id,
                worker_id=worker,
                attempt=attempt,
                current=current,
                status=status,
                data=data,
                error=error,
            )
        )
        assert step.verdict is not None
        assert (step.verdict.transition is None) == (step.verdict.reason is not None)
        if step.verdict.transition is not None:
            assert current is not None, "only a task that is queued or leased can be answered"
            assert attempt in {None, current.attempt}
            self.spent.pop(task_id, None)

    @rule(number=PICK, status=STATUSES, code=CODES)
    def is_answered_well(self, number: int, status: str, code: str) -> None:
        task_id = self.pick(number, leased=True)
        if task_id is not None:
            error = {"code": code, "message": "boom", "details": None} if status == "failure" else None
            self.life.result(task_id, status, error=error)

    @rule(seldom=SELDOM)
    def is_cancelled(self, seldom: bool) -> None:
        if not seldom:
            return
        step = self.life.cancel()
        if not self.life.job.is_final:
            told = step.cancel or to_stop(self.life.job)
            assert told, "whoever holds a task, or is a child, is told"

    @rule()
    def is_released(self) -> None:
        was_held = self.life.job.is_held
        step = self.life.release()
        assert step.changed == was_held
        assert not self.life.job.is_held

    @precondition(lambda self: any(name.startswith("retry") for name in self.life.timers))
    @rule()
    def a_retry_is_due(self) -> None:
        self.life.fire(next(name for name in self.life.timers if name.startswith("retry")))

    @precondition(lambda self: self.life.timers)
    @rule(number=PICK, seldom=SELDOM)
    def time_passes(self, number: int, seldom: bool) -> None:
        name = sorted(self.life.timers)[number % len(self.life.timers)]
        if seldom:
            self.life.fire(name)

    @rule(name=st.sampled_from(["dispatch:job-1", "retry:job-1", "retry:job-2", "nonsense"]), seldom=SELDOM)
    def an_old_timer_fires(self, name: str, seldom: bool) -> None:
        if seldom:
            self.life.fire(name)

    @precondition(lambda self: self.ended is not None and len(self.life.events) > 12)
    @rule(hold=st.sampled_from([None, "held"]), delay=DELAY)
    def another_life_begins(self, hold: str | None, delay: float | None) -> None:
        self.begin(hold, delay)

    @invariant()
    def an_end_is_an_end(self) -> None:
        job = self.life.job
        if self.ended is not None:
            assert (job.status, job.result, job.error) == self.ended
        elif job.is_final:
            self.ended = (job.status, job.result, job.error)
        if job.is_final:
            assert (self.life.queue, self.life.timers.keys() - {"orphans"}, job.tasks) == ({}, set(), {})
            assert self.life.kept == {}
            assert self.life.types.count("job_completed") == 1 + self.came_out

    @invariant()
    def children_are_stopped_with_what_began_them(self) -> None:
        job = self.life.job
        held = {child.task_id for child in job.children.values() if child.task_id is not None and not child.dropped}
        if not job.is_final:
            assert held <= {task_id for task_id, standing in self.life.queue.items() if standing.leased}
        if to_stop(job) and not self.told:
            assert "orphans" in self.life.timers
        self.told = bool(to_stop(job))

    @invariant()
    def done_tasks_never_come_back(self) -> None:
        job = self.life.job
        assert not job.done.keys() & job.tasks.keys()
        assert not job.done.keys() & self.life.queue.keys()
        assert self.done.items() <= job.done.items()
        self.done = dict(job.done)

    @invariant()
    def one_result_is_applied_for_each_task(self) -> None:
        finished = [
            event["context_snapshot"]["task_id"] for event in self.life.events if event["event_type"] == "task_finished"
        ]
        assert sorted(finished) == sorted(self.life.job.done)

    @invariant()
    def a_waiting_job_has_something_to_wait_for(self) -> None:
        job = self.life.job
        if job.is_final or job.is_runnable or job.is_held or job.is_delayed:
            assert not self.life.queue
            assert job.is_held == ("hold" in self.life.timers)
            assert job.is_delayed == ("delay" in self.life.timers)
            return
        assert (job.approval is not None) == (job.status == "waiting_for_human")
        if job.approval is not None:
            assert not self.life.queue
            assert (job.approval.deadline is not None) == ("approval" in self.life.timers)
            return
        run = [child for child in job.children.values() if child.task_id is None]
        assert (job.status == "waiting_for_sub_job") == bool(run)
        if run:
            assert not self.life.queue
            return
        awaited = {task_id for task_id, task in job.tasks.items() if not task.dropped}
        assert awaited, "nobody would ever move it again"
        assert set(self.life.queue) <= awaited
        for task_id in awaited:
            waiting_for_retry = job.tasks[task_id].waiting_for_retry
            assert waiting_for_retry == (task_id not in self.life.queue)
            assert waiting_for_retry == (f"retry:{task_id}" in self.life.timers)

    @invariant()
    def what_is_to_be_cancelled_is_not_handed_out(self) -> None:
        if self.life.job.cancel_requested_at is not None:
            assert all(standing.leased for standing in self.life.queue.values())

    @invariant()
    def a_task_that_waits_in_the_queue_has_its_dispatch_timeout(self) -> None:
        for task_id, standing in self.life.queue.items():
            if not standing.leased:
                assert f"dispatch:{task_id}" in self.life.timers

    @invariant()
    def a_held_or_delayed_job_has_not_begun(self) -> None:
        job = self.life.job
        if job.hold == "held" or job.starts_at is not None:
            assert not job.is_runnable
            assert (job.step, job.tasks_made) == (1, 0)
            assert "state_started" not in self.life.types
        else:
            assert self.life.types.count("state_started") == job.step

    @invariant()
    def events_are_numbered(self) -> None:
        ids = [event["event_id"] for event in self.life.events]
        assert ids == [f"job:{number}" for number in range(self.life.job.events)]


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
