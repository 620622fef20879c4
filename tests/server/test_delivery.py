"""A task reaches a worker, or it goes to another one: design "Delivery"."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests._support.house import House, RawWorker, serving, soon
from tests.conftest import run
from tests.server.flows import greet


async def hang_up_while_polling(house: House, worker: RawWorker) -> None:
    """Open a poll, wait until the server holds it, and close the connection."""
    writer = await worker.open_poll()
    await house.holds_poll(worker.worker_id)
    writer.close()
    await writer.wait_closed()


def test_job_submitted_before_any_worker_waits_and_is_done():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet", {"name": "Ada"})
            assert (await house.job(job_id))["status"] == "waiting_for_worker"
            worker = await house.registered("w1", "greet")
            task = await worker.task()
            assert (task["type"], task["params"], task["attempt"]) == ("greet", {"name": "Ada"}, 1)
            assert (await house.job(job_id))["task_worker_id"] == "w1"
            await worker.answer(task, data={"message": "Hello"})
            assert (await house.ended(job_id))["result"] == {"message": "Hello"}

    run(body())


def test_a_held_poll_gets_the_task_of_a_job_created_meanwhile():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            poll = asyncio.create_task(worker.task())
            await house.holds_poll("w1")
            job_id = await house.create("/jobs/greet")
            assert (await soon(poll))["job_id"] == job_id

    run(body())


def test_a_poll_without_a_task_is_answered_204_when_its_hold_is_over():
    async def body():
        async with serving(greet(), poll_hold=30) as house:
            worker = await house.registered("w1", "greet")
            poll = asyncio.create_task(worker.next())
            await house.holds_poll("w1")
            house.clock.jump(31)
            assert await soon(poll) is None

    run(body())


@pytest.mark.parametrize("incarnation", [None, "first"], ids=["official", "ours"])
def test_a_poll_whose_client_is_gone_never_takes_a_task(incarnation):
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet", incarnation=incarnation)
            for _ in range(10):
                await hang_up_while_polling(house, worker)
                job_id = await house.create("/jobs/greet")
                task = await worker.task()
                assert (task["job_id"], task["attempt"]) == (job_id, 1)
                await worker.answer(task)

    run(body())


def test_a_task_goes_past_a_dead_poll_to_a_live_one():
    async def body():
        async with serving(greet()) as house:
            dead, living = await house.registered("dead", "greet"), await house.registered("living", "greet")
            await hang_up_while_polling(house, dead)
            poll = asyncio.create_task(living.task())
            await house.holds_poll("living")
            job_id = await house.create("/jobs/greet")
            assert (await soon(poll))["job_id"] == job_id

    run(body())


def test_an_unacknowledged_lease_of_our_worker_returns_within_5_seconds_with_the_same_attempt():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            lost = await house.registered("lost", "greet", incarnation="a")
            assert (await lost.task())["attempt"] == 1
            other = await house.registered("other", "greet", incarnation="b")
            taken = house.clock.now()
            house.clock.jump(4)
            await house.settled()
            await other.nothing()
            poll = asyncio.create_task(other.task())
            await house.holds_poll("other")
            house.clock.jump(1.2)
            task = await soon(poll)
            assert house.clock.now() - taken < 6.4
            assert (task["job_id"], task["attempt"]) == (job_id, 1)
            assert "worker_event:lease_lost" not in await house.event_types(job_id)

    run(body())


def test_an_acknowledged_lease_of_our_worker_is_lost_15_seconds_after_its_last_sign_of_life():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            silent = await house.registered("silent", "greet", incarnation="a")
            task = await silent.task()
            await silent.ack(task)
            other = await house.registered("other", "greet", incarnation="b")
            house.clock.jump(13)
            await house.settled()
            await other.nothing()
            poll = asyncio.create_task(other.task())
            await house.holds_poll("other")
            house.clock.jump(3)
            again = await soon(poll)
            assert (again["task_id"], again["attempt"]) == (task["task_id"], 2)
            lost = [e for e in await house.history(job_id) if e["event_type"] == "worker_event:lease_lost"]
            assert [(event["worker_id"], event["attempt_number"]) for event in lost] == [("silent", 1)]

    run(body())


@pytest.mark.parametrize("how", ["heartbeat", "header", "progress", "socket"])
def test_every_evidence_of_delivery_keeps_an_unacknowledged_lease(how):
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet", incarnation="a")
            task = await worker.task()
            pair = {"task_id": task["task_id"], "attempt": task["attempt"]}
            if how == "heartbeat":
                await worker.beat(acks=[pair])
            elif how == "header":
                await worker.next(timeout=0, ack=task)
            else:
                async with worker.socket() as socket:
                    frame = {"event": "ack", "acks": [pair]}
                    if how == "progress":
                        frame = {"event": "progress_update", "progress": 0.1, **pair}
                    await socket.send(json.dumps(frame))
                    await socket.send("{}")
                    await house.settled()
            other = await house.registered("other", "greet", incarnation="b")
            house.clock.jump(10)
            await house.settled()
            await other.nothing()

    run(body())


def test_an_official_worker_loses_its_lease_60_seconds_after_its_last_sign_of_life():
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            silent = await house.registered("silent", "greet")
            await silent.task()
            other = await house.registered("other", "greet")
            house.clock.jump(55)
            await silent.send("PATCH", "/workers/silent")  # an empty heartbeat is a sign of life
            heard = house.clock.now()
            house.clock.jump(55)
            await house.settled()
            await other.nothing()
            poll = asyncio.create_task(other.task())
            await house.holds_poll("other")
            house.clock.jump(6)
            assert (await soon(poll))["attempt"] == 2
            assert house.clock.now() - heard < 63

    run(body())


def test_an_official_worker_that_never_gave_a_sign_of_its_task_gets_it_again_with_the_same_attempt():
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            silent = await house.registered("silent", "greet")
            await silent.task()
            house.clock.jump(62)
            await house.settled()
            assert (await (await house.registered("other", "greet")).task())["attempt"] == 1

    run(body())


def test_an_official_worker_loses_a_task_that_two_heartbeats_do_not_name():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            task = await worker.task()
            await worker.beat()
            assert (await house.job(job_id))["task_worker_id"] == "w1"
            await worker.beat()
            assert (await house.job(job_id))["task_worker_id"] is None
            again = await worker.task()
            assert (again["task_id"], again["attempt"]) == (task["task_id"], 1)

    run(body())


def test_a_task_once_named_and_then_not_named_twice_is_a_new_attempt():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            task = await worker.task()
            await worker.beat(task)
            await worker.beat()
            await worker.beat(task)
            await worker.beat()
            assert (await house.job(job_id))["task_worker_id"] == "w1"
            await worker.beat()
            assert (await worker.task())["attempt"] == 2
            assert "worker_event:lease_lost" in await house.event_types(job_id)

    run(body())


def test_a_heartbeat_may_name_the_job_instead_of_the_task():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            await worker.task()
            for _ in range(3):
                await worker.send("PATCH", "/workers/w1", json={"current_tasks": [job_id]})
            assert (await house.job(job_id))["task_worker_id"] == "w1"

    run(body())


def test_heartbeats_of_release_b3_which_name_nothing_keep_the_task():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            await worker.task()
            beat = {"load": 0, "status": "idle", "supported_tasks": ["greet"], "hot_cache": []}
            for _ in range(4):
                house.clock.jump(50)
                assert (await worker.send("PATCH", "/workers/w1", json=beat)).status_code == 200
                await house.settled()
                assert (await house.job(job_id))["task_worker_id"] == "w1"

    run(body())


@pytest.mark.parametrize("status", ["draining", "offline"])
def test_a_worker_that_drains_has_its_open_poll_answered_at_once(status):
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet", incarnation="a")
            poll = asyncio.create_task(worker.next())
            await house.holds_poll("w1")
            await worker.beat(status=status)
            assert await soon(poll) is None
            await house.create("/jobs/greet")
            await worker.nothing()
            await worker.beat(status="idle")
            await worker.task()

    run(body())


def test_higher_priority_goes_first_and_equal_ones_in_their_order():
    async def body():
        flows = [greet(f"p{priority}", priority=priority) for priority in (0, 5)]
        async with serving(*flows) as house:
            jobs = [await house.create(f"/jobs/p{priority}") for priority in (0, 5, 0, 5)]
            worker = await house.registered("w1", "greet")
            assert [(await worker.task())["job_id"] for _ in jobs] == [jobs[1], jobs[3], jobs[0], jobs[2]]

    run(body())


def test_a_worker_gets_only_tasks_of_its_skills():
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            await (await house.registered("w1", "ocr")).nothing()
            await (await house.registered("w2")).nothing()

    run(body())


@pytest.mark.parametrize(
    "skills",
    [
        {"supported_skills": ["greet"]},
        {"supported_tasks": ["greet"]},
        {"available_skills": ["greet"]},
        {"supported_skills": [{"name": "greet", "type": "greet"}], "hot_skills": None},
    ],
    ids=["skills", "tasks", "available", "objects"],
)
def test_skills_are_read_under_every_key_the_releases_use(skills):
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            worker = house.worker("w1")
            reply = await worker.send("POST", "/workers/register", json={"worker_id": "w1", **skills})
            assert reply.json()["status"] == "registered"
            await worker.task()

    run(body())


def test_the_deadline_on_the_wire_is_whole_seconds():
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet", result_timeout=30.5)
            task = await (await house.registered("w1", "greet")).task()
            assert type(task["deadline"]) is int

    run(body())
