"""POST /jobs:wait: one request waits for many jobs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator_lite.engine.state import Client
from tests._support.house import PATIENCE, House, serving, soon, until
from tests.conftest import run
from tests.server.flows import greet


async def waited(house: House, *ids: str, **body: Any) -> dict[str, Any]:
    reply = await house.api("POST", "/jobs:wait", json={"ids": list(ids), **body})
    assert reply.status_code == 200, reply.text
    return reply.json()


async def is_watched(house: House, job_id: str) -> None:
    await until(lambda: job_id in house.lite._site.core._watchers.jobs())


def test_what_has_ended_is_answered_at_once_and_whole():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            first, second = await house.create("/jobs/greet"), await house.create("/jobs/greet")
            task = await worker.task()
            await worker.answer(task, data={"n": 1})
            answer = await waited(house, first, second, wait=PATIENCE)
            assert [job["id"] for job in answer["jobs"]] == [task["job_id"]]
            assert answer["jobs"][0] == await house.job(task["job_id"])
            assert answer["unknown"] == []
            assert answer["more"] is False

    run(body())


def test_it_is_held_until_one_of_them_ends():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            ids = [await house.create("/jobs/greet") for _ in range(3)]
            waiting = asyncio.create_task(waited(house, *ids, wait=PATIENCE))
            await is_watched(house, ids[2])
            task = await worker.task()
            await worker.answer(task)
            answer = await soon(waiting)
            assert [job["id"] for job in answer["jobs"]] == [task["job_id"]]
            assert house.lite._site.core._watchers.jobs() == []

    run(body())


def test_mode_all_waits_for_the_last_one():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            ids = [await house.create("/jobs/greet") for _ in range(3)]
            waiting = asyncio.create_task(waited(house, *ids, wait=PATIENCE, mode="all"))
            for _ in ids:
                await worker.answer(await worker.task())
            answer = await soon(waiting)
            assert sorted(job["id"] for job in answer["jobs"]) == ids

    run(body())


def test_when_the_time_is_up_it_tells_what_there_is():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            waiting = asyncio.create_task(waited(house, job_id, wait=30))
            await is_watched(house, job_id)
            house.clock.jump(31)
            assert await soon(waiting) == {"jobs": [], "unknown": [], "more": False}

    run(body())


def test_unknown_ids_spoil_nothing_and_are_not_waited_for():
    async def body():
        async with serving(greet()) as house:
            answer = await waited(house, "none", "../..", "\0", wait=PATIENCE)
            assert answer == {"jobs": [], "unknown": ["none", "../..", "\0"], "more": False}
            job_id = await house.create("/jobs/greet")
            await house.cancel(job_id)
            answer = await waited(house, "none", job_id, job_id)
            assert [job["id"] for job in answer["jobs"]] == [job_id]
            assert answer["unknown"] == ["none"]

    run(body())


def test_the_server_lets_go_of_those_who_wait_when_it_stops():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            waiting = asyncio.create_task(waited(house, job_id, wait=PATIENCE))
            await is_watched(house, job_id)
            house.lite._site.core.let_go()
            assert (await soon(waiting))["jobs"] == []

    run(body())


def test_an_answer_has_a_bound_and_says_that_there_is_more(monkeypatch):
    monkeypatch.setattr("orchestrator_lite.api.watching.FULL", 10)

    async def body():
        async with serving(greet()) as house:
            ids = [await house.create("/jobs/greet") for _ in range(3)]
            for job_id in ids:
                await house.cancel(job_id)
            left, found = ids, []
            while left:
                answer = await waited(house, *left)
                got = [job["id"] for job in answer["jobs"]]
                assert len(got) == 1
                assert answer["more"] is (len(left) > 1)
                found += got
                left = [job_id for job_id in left if job_id not in got]
            assert found == ids

    run(body())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "ids: Field required"),
        ({"ids": "x"}, "ids: Input should be a valid list"),
        ({"ids": [1]}, "ids.0: Input should be a valid string"),
        ({"ids": ["x"] * 1001}, "ids: List should have at most 1000 items"),
        ({"ids": [], "wait": -1}, "wait: Input should be greater than or equal to 0"),
        ({"ids": [], "mode": "some"}, "mode: Input should be 'any' or 'all'"),
        ([], "Invalid JSON body: expected an object"),
    ],
)
def test_bad_bodies_are_refused_by_the_field(body, said):
    async def check():
        async with serving() as house:
            reply = await house.api("POST", "/jobs:wait", json=body)
            assert reply.status_code == 400
            assert said in reply.json()["error"]

    run(check())


def test_another_clients_job_is_unknown():
    async def body():
        async with serving(greet()) as house:
            core = house.lite._site.core
            flow = core.blueprints.named("greet")
            theirs = await core.create(flow, Client(name="somebody else"), {"initial_data": {}})
            answer = await waited(house, theirs.id, wait=PATIENCE)
            assert answer["unknown"] == [theirs.id]
            for path in ("events", "explain"):
                assert (await house.api("GET", f"/jobs/{theirs.id}/{path}")).status_code == 404

    run(body())
