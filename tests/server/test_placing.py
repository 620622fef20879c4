"""Who gets a task: by what it asks for, and by its strategy among those who may have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from orchestrator_lite import Blueprint
from tests._support.house import House, RawWorker, serving
from tests.conftest import run
from tests.server.flows import bare, ending, fan, greet

if TYPE_CHECKING:
    from pathlib import Path


async def waiting(house: House, worker_id: str, **said: Any) -> RawWorker:
    worker = house.worker(worker_id, "greet")
    await worker.register(**said)
    return worker


async def polls(house: House, worker: RawWorker, group: Any) -> Any:
    task = group.create_task(worker.next())
    await house.holds_poll(worker.worker_id)
    return task


def priced(cost: float, **more: Any) -> dict[str, Any]:
    return {"capabilities": {"cost_per_skill": {"greet": cost}}, **more}


async def served_by(house: House, workers: list[RawWorker], endpoint: str) -> str:
    """Which of the waiting workers a new job's task goes to; everybody's poll is answered, the tasks done."""
    import asyncio

    polling = {}
    for worker in workers:
        polling[worker.worker_id] = asyncio.ensure_future(worker.next())
        await house.holds_poll(worker.worker_id)
    job_id = await house.create(endpoint)
    done, rest = await asyncio.wait(polling.values(), return_when=asyncio.FIRST_COMPLETED)
    (winner,) = [name for name, poll in polling.items() if poll in done]
    for worker in workers:
        if polling[worker.worker_id] in rest:
            await worker.beat(status="draining")
            assert await polling[worker.worker_id] is None
            await worker.beat(status="idle")
        else:
            await worker.answer(polling[worker.worker_id].result())
    await house.ended(job_id)
    return winner


@pytest.mark.parametrize(
    ("strategy", "chosen"),
    [("default", "warm"), ("cheapest", "cheap"), ("overflow", "cheap"), ("best_value", "cheap")],
)
def test_a_strategy_chooses_among_those_who_wait(strategy, chosen):
    async def body():
        async with serving(greet(dispatch_strategy=strategy)) as house:
            workers = [
                await waiting(house, "dear", **priced(3.0)),
                await waiting(house, "warm", **priced(2.0, hot_skills=["greet"])),
                await waiting(house, "cheap", **priced(1.0)),
                await waiting(house, "unpriced"),
            ]
            assert await served_by(house, workers, "/jobs/greet") == chosen

    run(body())


def test_round_robin_goes_round():
    async def body():
        async with serving(greet(dispatch_strategy="round_robin")) as house:
            workers = [await waiting(house, name) for name in ("a", "b", "c")]
            winners = [await served_by(house, workers, "/jobs/greet") for _ in range(6)]
            assert sorted(winners[:3]) == ["a", "b", "c"]
            assert winners[3:] == winners[:3]

    run(body())


def test_least_connections_goes_to_whoever_has_least():
    async def body():
        async with serving(greet(dispatch_strategy="least_connections")) as house:
            busy, free = await waiting(house, "busy"), await waiting(house, "free")
            held = [await house.create("/jobs/greet") for _ in range(2)]
            for _ in held:
                await busy.task()
            assert await served_by(house, [busy, free], "/jobs/greet") == "free"

    run(body())


def test_the_best_value_is_not_the_cheapest_that_fails():
    async def body():
        async with serving(greet(dispatch_strategy="best_value"), bare()) as house:
            bad, good = await waiting(house, "bad", **priced(1.0)), await waiting(house, "good", **priced(1.2))
            for _ in range(8):
                job_id = await house.create("/jobs/bare")
                error = {"code": "PERMANENT_ERROR", "message": "no"}
                await bad.answer(await bad.task(), "failure", error=error)
                await house.ended(job_id)
            assert await served_by(house, [bad, good], "/jobs/greet") == "good"
            (shown,) = [w for w in (await house.api("GET", "/workers")).json() if w["worker_id"] == "bad"]
            assert 0.1 <= shown["reputation"] < 0.8

    run(body())


def test_a_task_waits_for_a_worker_that_has_what_it_asks_for():
    async def body():
        flow = greet(resource_requirements={"resources": {"devices": [{"type": "gpu"}]}}, skill_version=">=2")
        async with serving(flow) as house:
            plain = await waiting(house, "plain")
            job_id = await house.create("/jobs/greet")
            await plain.nothing()
            skill = {"name": "greet", "version": "2.3"}
            gpu = {"resources": {"devices": [{"type": "gpu", "model": "T4"}]}}
            old = house.worker("old", "greet")
            await old.register(supported_skills=[{**skill, "version": "1.9"}], **gpu)
            await old.nothing()
            able = house.worker("able", "greet")
            await able.register(supported_skills=[skill], **gpu)
            task = await able.task()
            assert task["skill_version"] == ">=2"
            await able.answer(task)
            assert (await house.ended(job_id))["status"] == "finished"

    run(body())


def test_a_waiting_poll_learns_of_a_lane_that_is_new():
    async def body():
        import asyncio

        async with serving(greet(max_cost=1.0)) as house:
            dear, cheap = await waiting(house, "dear", **priced(2.0)), await waiting(house, "cheap", **priced(0.5))
            async with asyncio.TaskGroup() as group:
                one, two = await polls(house, dear, group), await polls(house, cheap, group)
                await house.create("/jobs/greet")
                await two
                assert two.result() is not None
                await dear.beat(status="draining")
                assert await one is None

    run(body())


def test_a_heartbeat_that_lowers_the_price_wakes_the_poll():
    async def body():
        import asyncio

        async with serving(greet(max_cost=1.0)) as house:
            worker = await waiting(house, "w1", **priced(2.0))
            await house.create("/jobs/greet")
            async with asyncio.TaskGroup() as group:
                poll = await polls(house, worker, group)
                await worker.beat(capabilities={"cost_per_skill": {"greet": 0.9}})
                assert await poll is not None

    run(body())


def test_lanes_are_known_again_after_a_restart(tmp_path: Path):
    async def body():
        store = f"sqlite:///{tmp_path / 'lite.db'}"
        async with serving(greet(max_cost=1.0), store=store) as house:
            job_id = await house.create("/jobs/greet")
        async with serving(greet(max_cost=1.0), store=store) as house:
            worker = await waiting(house, "w1", **priced(0.5))
            await worker.answer(await worker.task())
            assert (await house.ended(job_id))["status"] == "finished"

    run(body())


def test_a_worker_gets_no_more_than_it_says_it_can_hold():
    async def body():
        import asyncio

        async with serving(fan(branches=3)) as house:
            worker = await waiting(house, "w1", resources={"max_concurrent_tasks": 2})
            job_id = await house.create("/jobs/fan")
            first, _ = await worker.task(), await worker.task()
            await worker.nothing()
            third = asyncio.ensure_future(worker.next())
            await worker.answer(first, data=1)
            task = await third
            assert task is not None
            assert task["task_id"] == f"{job_id}-3"

    run(body())


def test_many_odd_requirements_leave_nothing_behind():
    async def body():
        flow = ending(Blueprint("greet", api_endpoint="/jobs/greet"), "finished")

        @flow.handler(is_start=True)
        async def start(initial_data, actions):
            actions.dispatch_task("greet", {}, {"success": "finished"}, max_cost=initial_data["n"])

        async with serving(flow) as house:
            worker = await waiting(house, "w1", **priced(0.0))
            for number in range(1, 601):
                await house.create("/jobs/greet", {"n": number})
                await worker.answer(await worker.task())
            core = house.lite._site.core
            await core.desk.write_renewals()
            assert core._dispatcher.lanes._count == 0

    run(body())


def test_a_worker_that_lets_a_task_run_on_is_told_to_stop_and_another_tries():
    async def body():
        async with serving(greet(timeout_seconds=5)) as house:
            worker = await waiting(house, "w1")
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            house.clock.jump(10)
            assert (await worker.beat(task))["cancel_task_ids"] == []
            house.clock.jump(11)
            assert task["task_id"] in (await worker.beat(task))["cancel_task_ids"]
            assert "worker_event:task_retry" in await house.event_types(job_id)

    run(body())
