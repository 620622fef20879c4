"""Jobs that start later, go first, or may enter few states: over HTTP, through restarts and cancels."""

from __future__ import annotations

import pytest

from avtomatika_worker import Worker, skill
from orchestrator_lite import Blueprint
from tests._support.clocks import JumpingClock
from tests._support.house import serving
from tests.conftest import run
from tests.server.flows import greet
from tests.server.test_hold import counting, release


def test_a_delayed_job_starts_when_its_time_has_come_and_explain_tells_when():
    async def body():
        ran: list[str] = []
        clock = JumpingClock()
        async with serving(counting(ran), clock=clock) as house:
            job_id = await house.create("/jobs/counting", delay=60)
            job = await house.job(job_id)
            assert (job["status"], ran) == ("pending", [])
            assert job["starts_at"] == pytest.approx(job["created_at"] + 60)
            told = await house.lite._site.core.explain(job_id)
            assert told.reason == "delayed"
            assert "starts in 60 s" in told.sentence
            clock.jump(50)
            await house.settled()
            assert ran == []
            clock.jump(11)
            assert (await house.ended(job_id))["result"] == 1
            assert ran == [job_id]
            assert await house.event_types(job_id) == [
                *("job_created", "worker_event:delayed", "state_started", "job_completed"),
            ]

    run(body())


async def test_a_wait_in_virtual_time_goes_over_the_delay(orchestrator):
    @skill(name="greet")
    async def answer(params: dict) -> dict:
        return params

    orchestrator.add(greet())
    async with orchestrator.working(Worker("w", skills=[answer])), orchestrator.client() as client:
        began = orchestrator.clock.now()
        job = await client.jobs.submit("greet", {"name": "Ada"}, delay=3600)
        assert await job.result() == {"name": "Ada"}
        assert orchestrator.clock.now() - began >= 3600


@pytest.mark.parametrize("slept_through", [True, False])
def test_a_delay_survives_a_restart(tmp_path, slept_through):
    async def body():
        ran: list[str] = []
        clock = JumpingClock()
        store = f"sqlite:///{tmp_path / 'lite.db'}"
        async with serving(counting(ran), clock=clock, store=store) as house:
            job_id = await house.create("/jobs/counting", delay=60)
        clock.jump(70 if slept_through else 10)
        async with serving(counting(ran), clock=clock, store=store) as house:
            if not slept_through:
                await house.settled()
                assert ran == []
                clock.jump(51)
            assert (await house.ended(job_id))["status"] == "finished"
            assert ran == [job_id]

    run(body())


def test_a_delayed_job_is_cancelled_at_once_and_never_starts():
    async def body():
        ran: list[str] = []
        clock = JumpingClock()
        async with serving(counting(ran), clock=clock) as house:
            job_id = await house.create("/jobs/counting", delay=60)
            assert await house.cancel(job_id) == "cancellation_request_accepted"
            assert (await house.job(job_id))["status"] == "cancelled"
            clock.jump(61)
            await house.settled()
            assert ran == []
            reply = await house.api("POST", f"/jobs/{job_id}/cancel")
            assert (reply.status_code, reply.json()) == (404, {"error": "Job not found or already terminal."})

    run(body())


def test_the_dispatch_timeout_of_a_delayed_job_begins_with_its_task():
    async def body():
        clock = JumpingClock()
        async with serving(greet(), clock=clock) as house:
            job_id = await house.create("/jobs/greet", delay=60, dispatch_timeout=30)
            clock.jump(61)
            await house.settled()
            assert (await house.job(job_id))["status"] == "waiting_for_worker"
            clock.jump(20)
            await house.settled()
            assert (await house.job(job_id))["status"] == "waiting_for_worker"
            clock.jump(11)
            assert (await house.ended(job_id))["error"]["code"] == "TIMEOUT_ERROR"

    run(body())


def test_a_delayed_job_that_is_held_starts_when_both_are_over():
    async def body():
        ran: list[str] = []
        clock = JumpingClock()
        async with serving(counting(ran), clock=clock) as house:
            early = await house.create("/jobs/counting", delay=60, hold=True)
            late = await house.create("/jobs/counting", delay=60, hold=True)
            await release(house, early)
            await house.settled()
            assert ran == []
            clock.jump(61)
            assert (await house.ended(early))["status"] == "finished"
            assert ran == [early]
            await release(house, late)
            assert (await house.ended(late))["status"] == "finished"

    run(body())


def test_jobs_of_a_higher_priority_go_first():
    async def body():
        async with serving(greet()) as house:
            order = {}
            for priority in (None, -1, 7, 2.5):
                order[await house.create("/jobs/greet", priority=priority)] = priority
            worker = await house.registered("w1", "greet", incarnation="i")
            tasks = [await worker.task() for _ in order]
            assert [order[task["job_id"]] for task in tasks] == [7, 2.5, None, -1]
            assert [task["priority"] for task in tasks] == [7.0, 2.5, 0.0, -1.0]

    run(body())


def test_a_job_that_circles_ends_at_its_own_limit():
    flow = Blueprint("circle", api_endpoint="/jobs/circle")

    @flow.handler(is_start=True)
    async def start(actions):
        actions.go_to("start")

    @flow.handler(is_end=True)
    async def finished(): ...

    async def body():
        async with serving(flow) as house:
            job = await house.ended(await house.create("/jobs/circle", max_transitions=5))
            assert (job["status"], job["error"]["code"], job["step"]) == ("failed", "TRANSITION_LIMIT", 5)

    run(body())


@pytest.mark.parametrize("limit", [0, 101, -1, 1.5, "5", True, [1]])
def test_a_wrong_limit_is_refused_in_the_words_of_the_release(limit):
    async def body():
        async with serving(greet()) as house:
            for more in ({}, {"initial_data": {}}):
                reply = await house.api("POST", "/jobs/greet", json={"max_transitions": limit, **more})
                assert reply.status_code == 400
                assert reply.json() == {"error": "'max_transitions' must be an integer between 1 and 100"}

    run(body())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("delay", value) for value in (-1, "soon", [1], 1e12, True and {"a": 1})),
        *(("priority", value) for value in ("high", 1e7, -1e7, [])),
    ],
)
def test_a_wrong_delay_or_priority_is_named(field, value):
    async def body():
        async with serving(greet()) as house:
            reply = await house.api("POST", "/jobs/greet", json={"initial_data": {}, field: value})
            assert reply.status_code == 400
            assert reply.json()["error"].startswith(f"{field}: ")
            assert (await house.api("GET", "/jobs")).json() == []

    run(body())


def test_a_job_that_could_not_end_in_time_is_refused():
    async def body():
        async with serving(greet()) as house:
            body = {"initial_data": {}, "delay": 60, "result_timeout": 60}
            reply = await house.api("POST", "/jobs/greet", json=body)
            assert reply.status_code == 400
            assert "delay" in reply.json()["error"]
            assert "result_timeout" in reply.json()["error"]

    run(body())


def test_a_body_of_delay_or_priority_alone_is_data_as_in_the_releases():
    async def body():
        async with serving(greet()) as house:
            for data in ({"priority": 3}, {"delay": "long"}):
                reply = await house.api("POST", "/jobs/greet", json=data)
                job = await house.job(reply.json()["job_id"])
                assert (job["initial_data"], job["status"]) == (data, "waiting_for_worker")

    run(body())
