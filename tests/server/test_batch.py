"""Polls that take several tasks at once (feature `batch`)."""

from __future__ import annotations

import asyncio

import pytest

from tests._support.house import House, RawWorker, serving, soon
from tests.conftest import run
from tests.server.flows import fan, greet


async def several(worker: RawWorker, limit: object) -> list[dict]:
    params = {"limit": limit, "timeout": 20}
    reply = await worker.send("GET", f"/workers/{worker.worker_id}/tasks/next", params=params)
    assert reply.status_code == 200, reply.text
    return reply.json()["tasks"]


def test_a_poll_with_a_limit_takes_what_is_queued_up_to_it_in_order():
    async def body():
        async with serving(greet()) as house:
            jobs = [await house.create("/jobs/greet", {"name": str(n)}) for n in range(5)]
            worker = await house.registered("w1", "greet")
            first, second = await several(worker, 3), await several(worker, 64)
            assert [task["job_id"] for task in first + second] == jobs
            assert len(first) == 3

    run(body())


def test_a_poll_that_waits_gets_all_branches_it_has_room_for_with_their_creation():
    async def body():
        async with serving(fan()) as house:
            worker = await house.registered("w1", "greet")
            poll = asyncio.create_task(several(worker, 8))
            await house.holds_poll("w1")
            job_id = await house.create("/jobs/fan")
            tasks = await soon(poll)
            assert [task["job_id"] for task in tasks] == [job_id] * 3
            assert len({task["task_id"] for task in tasks}) == 3

    run(body())


def test_branches_are_spread_over_waiting_polls_before_one_gets_a_second():
    async def body():
        async with serving(fan()) as house:
            polls = []
            for name in ("w1", "w2"):
                worker = await house.registered(name, "greet")
                polls.append(asyncio.create_task(several(worker, 8)))
                await house.holds_poll(name)
            await house.create("/jobs/fan")
            taken = await soon(asyncio.gather(*polls))
            assert sorted(len(tasks) for tasks in taken) == [1, 2]

    run(body())


@pytest.mark.parametrize("limit", ["0", "65", "-1", "many", "1.5", "٣", "9" * 30])
def test_a_limit_that_is_no_number_from_1_to_64_is_refused_by_name(limit):
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            reply = await worker.send("GET", "/workers/w1/tasks/next", params={"limit": limit})
            assert reply.status_code == 400
            assert reply.json()["error"].startswith("limit: ")

    run(body())


def test_status_says_that_polls_may_be_batched():
    async def body():
        async with serving(greet()) as house:
            assert "batch" in (await status(house))["features"]

    run(body())


async def status(house: House) -> dict:
    return (await house.http.get("/_public/status")).json()
