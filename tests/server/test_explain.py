"""GET /jobs/{id}/explain: why a job does not go on."""

from __future__ import annotations

from typing import Any

from orchestrator_lite import Blueprint
from tests._support.house import House, serving
from tests.conftest import run
from tests.server.flows import ending, greet


async def explained(house: House, job_id: str) -> dict[str, Any]:
    reply = await house.api("GET", f"/jobs/{job_id}/explain")
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_no_worker_offers_the_skill():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            why = await explained(house, job_id)
            assert why["reason"] == "no_worker"
            assert why["job_id"] == job_id
            assert why["status"] == "waiting_for_worker"
            assert "no worker offers skill 'greet'" in why["sentence"]
            assert why["details"]["skill"] == "greet"

    run(body())


def test_three_workers_offer_an_older_version():
    async def body():
        flow = greet(skill_version=">=2")
        async with serving(flow) as house:
            for number in range(3):
                worker = house.worker(f"w{number}", "greet")
                worker.skills = [{"name": "greet", "version": "1.4"}]
                await worker.register()
            why = await explained(house, await house.create("/jobs/greet"))
            assert why["reason"] == "no_match"
            assert "3 workers" in why["sentence"]
            assert "1.4" in why["sentence"]
            assert set(why["details"]["refused"]) == {"w0", "w1", "w2"}

    run(body())


def test_all_workers_are_at_capacity():
    async def body():
        async with serving(greet()) as house:
            worker = house.worker("w1", "greet")
            await worker.register(resources={"max_concurrent_tasks": 1})
            await house.create("/jobs/greet")
            await worker.task()
            why = await explained(house, await house.create("/jobs/greet"))
            assert why["reason"] == "workers_busy"
            assert "the only worker that may run skill 'greet' is at capacity" in why["sentence"]
            assert "'w1' has 1 of 1 tasks" in why["sentence"]
            assert why["details"]["standing"]["w1"]["at_capacity"] is True

    run(body())


def test_a_job_that_waits_for_another_says_what_that_one_waits_for():
    async def body():
        parent = Blueprint("parent", api_endpoint="/jobs/parent")

        @parent.handler(is_start=True)
        async def start(actions):
            actions.run_blueprint("greet", {}, {"success": "finished"})

        async with serving(greet(), ending(parent, "finished")) as house:
            why = await explained(house, await house.create("/jobs/parent"))
            (child,) = why["details"]["children"]
            assert why["reason"] == "child"
            assert f"child job {child} (greet): job {child} (greet) waits" in why["sentence"]
            assert "no worker offers skill 'greet'" in why["sentence"]

    run(body())


def test_a_worker_that_is_gone_is_named():
    async def body():
        async with serving(greet()) as house:
            await house.registered("w1", "greet")
            house.clock.jump(121)
            sentence = (await explained(house, await house.create("/jobs/greet")))["sentence"]
            assert "no worker offers skill 'greet' (no worker is registered); 'w1' did and was last heard 1" in sentence

    run(body())


def test_the_only_worker_is_told_of_in_the_singular():
    async def body():
        async with serving(greet(max_cost=1)) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            said = "the only worker that offers skill 'greet' may not take this task: it names no price"
            assert (await explained(house, job_id))["sentence"].endswith(said)
            await worker.register(cost_per_skill={"greet": 1})
            said = "the only worker that may run skill 'greet' does not ask for a task ('w1' has 0 tasks,"
            assert said in (await explained(house, job_id))["sentence"]

    run(body())


def test_who_has_it_and_when_that_one_was_heard():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            await worker.beat(task)
            house.clock.jump(4)
            why = await explained(house, job_id)
            assert why["reason"] == "leased"
            assert "with worker 'w1'" in why["sentence"]
            assert "heard 4 s ago" in why["sentence"]
            assert 4 <= why["details"]["heard_ago"] < 5
            assert why["details"]["worker_id"] == "w1"

    run(body())


def test_which_retry_it_waits_for():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            for attempt in (1, 2):
                task = await worker.task()
                error = {
                    "code": "TRANSIENT_ERROR",
                    "message": "no",
                    "details": {"retry_after": 60 if attempt == 2 else 0},
                }
                await worker.answer(task, "failure", error=error)
            why = await explained(house, job_id)
            assert why["reason"] == "retry"
            assert "retry 2 of 3" in why["sentence"]
            assert why["details"]["retry_at"] > house.clock.now()

    run(body())


def test_it_waits_for_people():
    async def body():
        flow = Blueprint("ask", api_endpoint="/jobs/ask")

        @flow.handler(is_start=True)
        async def start(actions):
            actions.await_human_approval("the boss", "May we?", {"approved": "finished", "rejected": "failed"})

        @flow.handler(is_end=True)
        async def finished(): ...

        @flow.handler(is_end=True)
        async def failed(): ...

        async with serving(flow) as house:
            why = await explained(house, await house.create("/jobs/ask"))
            assert why["reason"] == "approval"
            assert "waits for approval by 'the boss'" in why["sentence"]
            assert why["details"]["decisions"] == ["approved", "rejected"]

    run(body())


def test_held_delayed_and_ended_jobs_say_so():
    async def body():
        async with serving(greet()) as house:
            held = await house.create("/jobs/greet", hold=True)
            assert (await explained(house, held))["reason"] == "held"
            delayed = await house.create("/jobs/greet", delay=60)
            assert (await explained(house, delayed))["reason"] == "delayed"
            await house.cancel(held)
            why = await explained(house, held)
            assert why["reason"] == "ended"
            assert "cancelled" in why["sentence"]

    run(body())
