"""Handlers: what they are given, what they may do, and that a wrong one fails its job alone."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite import Blueprint, F, StateMachineBlueprint
from tests._support.house import House, serving, soon
from tests.conftest import run
from tests.server.flows import ending, greet, line

if TYPE_CHECKING:
    pass


def one_step(name: str = "one") -> tuple[Blueprint, Any]:
    """A blueprint that goes from a start handler yet to be given to `finished`."""
    flow = Blueprint(name, api_endpoint=f"/jobs/{name}")

    @flow.handler(is_end=True)
    async def finished(state_history):
        return state_history.get("out")

    return flow, flow.handler("start", is_start=True)


async def result_of(house: House, name: str = "one", data: dict[str, Any] | None = None) -> Any:
    job = await house.ended(await house.create(f"/jobs/{name}", data or {}))
    assert job["status"] == "finished", job
    return job["result"]


async def failure_of(house: House, name: str = "one", data: dict[str, Any] | None = None) -> dict[str, Any]:
    job = await house.ended(await house.create(f"/jobs/{name}", data or {}))
    assert job["status"] == "failed", job
    assert job["error_message"] == job["error"]["message"]
    error: dict[str, Any] = job["error"]
    return error


def test_conditional_handlers_are_asked_in_their_order_before_the_default():
    flow, start = one_step()

    @flow.handler("start", F.initial_data["type"] == "urgent")
    async def urgent(state_history, actions):
        state_history["out"] = "urgent"
        actions.go_to("finished")

    @flow.handler("start", F.initial_data["n"] > 5)
    async def large(state_history, actions):
        state_history["out"] = "large"
        actions.go_to("finished")

    @start
    async def default(state_history, actions):
        state_history["out"] = "default"
        actions.go_to("finished")

    async def body():
        async with serving(flow) as house:
            assert await result_of(house, data={"type": "urgent", "n": 9}) == "urgent"
            assert await result_of(house, data={"type": "other", "n": 9}) == "large"
            assert await result_of(house, data={"type": "other", "n": 1}) == "default"
            assert await result_of(house) == "default", "a condition that raises does not hold"

    run(body())


def test_the_older_when_reads_paths_of_the_context():
    flow = StateMachineBlueprint("one", api_endpoint="/jobs/one")

    @flow.handler_for("start", is_start=True).when(
        "context.initial_data.type == 'urgent' and not context.initial_data.slow"
    )
    async def urgent(actions, state_history):
        state_history["out"] = "urgent"
        actions.transition_to("finished")

    @flow.handler_for("start").when("context.initial_data['n'] in [1, 2]")
    async def few(actions, state_history):
        state_history["out"] = "few"
        actions.transition_to("finished")

    @flow.handler_for("start")
    async def default(actions):
        actions.transition_to("finished")

    @flow.handler_for("finished", is_end=True)
    async def finished(state_history):
        return state_history.get("out")

    async def body():
        async with serving(flow) as house:
            assert await result_of(house, data={"type": "urgent"}) == "urgent"
            assert await result_of(house, data={"type": "urgent", "slow": True, "n": 2}) == "few"
            assert await result_of(house, data={"type": "late"}) is None

    run(body())


def test_a_state_whose_conditions_all_fail_and_that_has_no_default_fails_its_job():
    flow = Blueprint("one", api_endpoint="/jobs/one")

    @flow.handler("start", F.initial_data["n"] > 5, is_start=True)
    async def large(actions):
        actions.go_to("finished")

    ending(flow, "finished")

    async def body():
        async with serving(flow) as house:
            assert await result_of(house, data={"n": 6}) is None
            error = await failure_of(house, data={"n": 1})
            assert "no condition of state 'start' holds" in error["message"]

    run(body())


def test_handlers_are_given_what_their_arguments_are_named_after():
    flow, start = one_step()

    @start
    def begin(initial_data, state_history, actions, job_id, client, current_state, tracing_context, context, city, n=3):
        assert context.actions is actions
        state_history["out"] = [job_id, current_state, client.name, city, n, tracing_context["traceparent"]]
        state_history["found"] = initial_data["city"]
        actions.go_to("middle")

    @flow.handler
    async def middle(found, actions, city="none", *args, **kwargs):
        assert (found, city) == ("Berlin", "Berlin")
        actions.go_to("finished")

    async def body():
        async with serving(flow) as house:
            trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            body = {"initial_data": {"city": "Berlin"}}
            reply = await house.api("POST", "/jobs/one", json=body, headers={"traceparent": trace})
            job = await house.ended(reply.json()["job_id"])
            assert job["result"] == [job["id"], "start", "dev", "Berlin", 3, trace]

    run(body())


def test_an_argument_nothing_can_be_injected_for_fails_the_job_with_its_name_and_place():
    flow, start = one_step()

    @start
    async def begin(actions, missing): ...

    at = line() - 3

    async def body():
        async with serving(flow) as house:
            error = await failure_of(house)
            assert error["code"] == "HANDLER_ERROR"
            assert f"{__file__}:{at}" in error["message"]
            assert "'missing'" in error["message"]

    run(body())


class Unsayable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def cycle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def _raise(error: BaseException) -> None:
    raise error


WRONG = {
    "raises": (lambda a, h: _raise(ValueError("boom")), "ValueError: boom"),
    "raises what cannot be said": (lambda a, h: _raise(Unsayable()), "Unsayable"),
    "raises half a surrogate": (lambda a, h: _raise(OSError("\udcff")), "udcff"),
    "exits": (lambda a, h: _raise(SystemExit(3)), "SystemExit"),
    "fails its test": (lambda a, h: pytest.fail("not so"), "not so"),
    "raises what is no Exception": (lambda a, h: _raise(BaseException("boom")), "BaseException: boom"),
    "cancels itself": (lambda a, h: _raise(asyncio.CancelledError()), "cancelled"),
    "asks for nothing": (lambda a, h: None, "asked for nothing"),
    "asks twice": (lambda a, h: (a.go_to("finished"), a.go_to("finished")), "one action"),
    "asks for two things": (lambda a, h: (a.go_to("finished"), a.dispatch_task("x")), "GoTo and then Dispatch"),
    "goes nowhere": (lambda a, h: a.go_to("no" + "where"), "'nowhere'"),
    "leads nowhere": (lambda a, h: a.dispatch_task("x", transitions={"success": "no" + "where"}), "'nowhere'"),
    "transitions no object": (lambda a, h: a.dispatch_task("x", transitions=["finished"]), "transitions"),
    "no skill": (lambda a, h: a.dispatch_task(""), "skill"),
    "skill no text": (lambda a, h: a.dispatch_task(5), "skill"),
    "skill half a surrogate": (lambda a, h: a.dispatch_task("\ud800"), "surrogate"),
    "params no object": (lambda a, h: a.dispatch_task("x", params=[1]), "params"),
    "params no JSON": (lambda a, h: a.dispatch_task("x", params={"a": {"b": object()}}), "params.a.b"),
    "params NaN": (lambda a, h: a.dispatch_task("x", params={"a": [float("nan")]}), "params.a[0]"),
    "timeout no number": (lambda a, h: a.dispatch_task("x", dispatch_timeout_seconds="5"), "dispatch_timeout_seconds"),
    "timeout negative": (lambda a, h: a.dispatch_task("x", timeout_seconds=-1), "timeout_seconds"),
    "timeout infinite": (lambda a, h: a.dispatch_task("x", result_timeout_seconds=float("inf")), "result_timeout"),
    "priority NaN": (lambda a, h: a.dispatch_task("x", priority=float("nan")), "priority"),
    "priority text": (lambda a, h: a.dispatch_task("x", priority="high"), "priority"),
    "cost no number": (lambda a, h: a.dispatch_task("x", max_cost=object()), "max_cost"),
    "strategy no text": (lambda a, h: a.dispatch_task("x", dispatch_strategy=5), "dispatch_strategy"),
    "resources no object": (lambda a, h: a.dispatch_task("x", resource_requirements=[1]), "resource_requirements"),
    "branch no object": (lambda a, h: a.dispatch_parallel(["x"], "finished"), "tasks[0]"),
    "branch no skill": (lambda a, h: a.dispatch_parallel([{"type": "x"}, {}], "finished"), "tasks[1]"),
    "branch priority": (lambda a, h: a.dispatch_parallel([{"type": "x", "priority": "y"}], "finished"), "tasks[0]"),
    "branch timeout": (
        lambda a, h: a.dispatch_parallel([{"type": "x", "dispatch_timeout_seconds": "y"}], "finished"),
        "tasks[0]",
    ),
    "history no JSON": (lambda a, h: (h.update(a=object()), a.go_to("finished")), "state_history.a"),
    "history half a surrogate": (lambda a, h: (h.update(a="\ud800"), a.go_to("finished")), "state_history.a"),
    "history deep": (lambda a, h: (h.update(a=deep(150)), a.go_to("finished")), "deeper"),
    "history endless": (lambda a, h: (h.update(a=cycle()), a.go_to("finished")), "deeper"),
    "history long number": (lambda a, h: (h.update(a=10**5000), a.go_to("finished")), "state_history.a"),
    "history odd key": (lambda a, h: (h.update(a={(1, 2): 3}), a.go_to("finished")), "key"),
    "returns no JSON": (lambda a, h: (a.go_to("finished"), object())[1], "returned value"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("kind", ["async", "sync", "slow"])
def test_a_handler_that_does_wrong_fails_its_job_alone_and_says_why(wrong, kind, caplog):
    caplog.set_level(logging.CRITICAL)  # half a surrogate in a captured log breaks what carries reports
    do, words = WRONG[wrong]
    flow, start = one_step()

    async def awaited(actions, state_history):
        if kind == "slow":
            await SYSTEM_CLOCK.sleep(0.001)
        return do(actions, state_history)

    def called(actions, state_history):
        return do(actions, state_history)

    start(called if kind == "sync" else awaited)

    async def body():
        async with serving(flow, greet()) as house:
            worker = await house.registered("w1", "greet", "x")
            other = await house.create("/jobs/greet")
            job_id = await house.create("/jobs/one")
            job = await house.ended(job_id)
            assert job["status"] == "failed"
            assert words in job["error_message"]
            assert (await house.event_types(job_id))[-1] == "job_completed"
            task = await worker.task()
            assert task["job_id"] == other
            await worker.answer(task)
            await house.ended(other)
            await worker.nothing()

    if wrong == "cancels itself" and kind == "sync":
        words = "cancelled"
    run(body())


def test_a_wrong_handler_after_a_task_fails_its_job_and_the_result_was_taken_all_the_same():
    flow = greet("one")
    flow.defaults.pop("finished")

    @flow.handler("finished", is_end=True)
    async def finished():
        raise ValueError("boom")

    async def body():
        async with serving(flow) as house:
            job_id = await house.create("/jobs/one")
            worker = await house.registered("w1", "greet")
            assert (await worker.answer(await worker.task()))["status"] == "result_accepted_success"
            job = await house.ended(job_id)
            assert job["status"] == "failed"
            assert "boom" in job["error_message"]

    run(body())


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_handler_that_exceeds_its_time_limit_fails_its_job_alone(stubborn):
    flow, start = one_step()
    begun = asyncio.Event
    state: dict[str, asyncio.Event] = {}

    @start
    async def begin(actions):
        state["begun"].set()
        try:
            await state["never"].wait()
        except asyncio.CancelledError:
            if not stubborn:
                raise
            actions.go_to("finished")

    async def body():
        state.update(begun=begun(), never=begun())
        async with serving(flow, greet(), handler_time_limit=30) as house:
            job_id = await house.create("/jobs/one")
            await soon(asyncio.ensure_future(state["begun"].wait()))
            assert (await house.job(job_id))["status"] == "pending"
            house.clock.jump(31)
            job = await house.ended(job_id)
            assert job["status"] == "failed"
            assert job["error"]["code"] == "HANDLER_TIMEOUT"
            assert "30 s" in job["error_message"]
            worker = await house.registered("w1", "greet")
            other = await house.create("/jobs/greet")
            await worker.answer(await worker.task())
            await house.ended(other)

    run(body())


def test_a_slow_handler_delays_no_reply():
    flow = greet("one")
    state: dict[str, asyncio.Event] = {}
    flow.defaults.pop("start"), flow.defaults.pop("finished")

    @flow.handler("start")
    async def start(actions):
        await state["go"].wait()
        actions.dispatch_task("greet", transitions={"success": "finished"})

    @flow.handler("finished", is_end=True)
    async def finished():
        await state["go"].wait()
        return "slow"

    async def body():
        state["go"] = asyncio.Event()
        async with serving(flow) as house:
            job_id = await house.create("/jobs/one")
            assert (await house.job(job_id))["status"] == "pending"
            state["go"].set()
            worker = await house.registered("w1", "greet")
            task = await worker.task()
            state["go"].clear()
            assert (await worker.answer(task))["status"] == "result_accepted_success"
            assert (await house.job(job_id))["status"] == "running"
            state["go"].set()
            assert (await house.ended(job_id))["result"] == "slow"

    run(body())


@pytest.mark.parametrize("slow", [False, True])
def test_a_job_cancelled_while_its_handler_runs_ends_at_once(slow):
    flow, start = one_step()
    state: dict[str, asyncio.Event] = {}

    @start
    async def begin(actions):
        await state["go"].wait()
        actions.dispatch_task("greet")

    async def body():
        state["go"] = asyncio.Event()
        async with serving(flow) as house:
            job_id = await house.create("/jobs/one")
            await house.cancel(job_id)
            assert (await house.job(job_id))["status"] == "cancelled"
            state["go"].set()
            await house.settled()
            assert (await house.job(job_id))["status"] == "cancelled"
            await (await house.registered("w1", "greet")).nothing()

    run(body())


@dataclass
class Reply:
    at: datetime
    words: tuple[str, ...]


def test_what_handlers_leave_is_written_as_json():
    flow, start = one_step()

    @start
    async def begin(state_history, actions):
        state_history["out"] = Reply(datetime(2026, 1, 2, tzinfo=UTC), ("a", "b"))
        actions.go_to("finished")

    async def body():
        async with serving(flow) as house:
            assert await result_of(house) == {"at": "2026-01-02T00:00:00Z", "words": ["a", "b"]}

    run(body())


def test_handlers_work_on_private_copies():
    flow, start = one_step()
    kept: list[Any] = []

    @start
    async def begin(initial_data, state_history, client, actions):
        initial_data["a"].append("mine")
        client.params["plan"] = "stolen"
        state_history["out"] = kept
        kept.append(1)
        actions.go_to("later")

    @flow.handler
    async def later(initial_data, state_history, actions):
        kept.append(2)
        state_history["out"].append(initial_data["a"])
        actions.go_to("finished")

    async def body():
        async with serving(flow) as house:
            job = await house.ended(await house.create("/jobs/one", {"a": []}))
            assert job["result"] == [1, []]
            assert job["initial_data"] == {"a": []}
            assert job["client_config"]["plan"] == "unknown"

    run(body())


def test_the_idempotency_key_is_the_same_for_every_run_of_a_step_and_differs_between_steps():
    flow, start = one_step()

    @start
    async def begin(actions, state_history):
        state_history["first"] = actions.idempotency_key
        actions.go_to("later")

    @flow.handler
    async def later(actions, state_history, job_id):
        state_history["out"] = [state_history["first"], actions.idempotency_key, job_id]
        actions.go_to("finished")

    async def body():
        async with serving(flow) as house:
            first, second, job_id = await result_of(house)
            assert first != second
            assert first.startswith(job_id)
            assert second.startswith(job_id)

    run(body())


def test_a_blueprint_that_circles_ends_with_the_limit_of_transitions():
    flow, start = one_step()

    @start
    async def begin(actions):
        actions.go_to("start")

    async def body():
        async with serving(flow) as house:
            error = await failure_of(house)
            assert error["code"] == "TRANSITION_LIMIT"
            assert "100" in error["message"]

    run(body())


def test_a_handler_changes_the_jobs_initial_data():
    async def body():
        flow = Blueprint("greet", api_endpoint="/jobs/greet")

        @flow.handler(is_start=True)
        async def start(actions, initial_data):
            initial_data["lost"] = True  # a private copy, as every handler's
            actions.update_context({"name": "Ada"})
            actions.update_context({"seen": [1]})
            actions.send_event("thought", {"text": "hm"}, metadata={"by": "start"})
            actions.go_to("finished")

        @flow.handler(is_end=True)
        async def finished(initial_data, name):
            return [initial_data, name]

        async with serving(flow) as house:
            job = await house.ended(await house.create("/jobs/greet", {"name": "Bob", "kept": 1}))
            assert job["result"] == [{"name": "Ada", "kept": 1, "seen": [1]}, "Ada"]
            assert job["initial_data"] == {"name": "Ada", "kept": 1, "seen": [1]}
            (told,) = [e for e in await house.history(job["id"]) if e["event_type"] == "worker_event:thought"]
            assert told["context_snapshot"]["payload"] == {"text": "hm"}
            assert told["context_snapshot"]["metadata"] == {"by": "start"}

    run(body())
