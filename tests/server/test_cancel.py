"""Honest cancel: what waits ends at once, what runs ends on its worker's word or with its lease."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests._support.house import House, RawWorker, serving, soon
from tests.conftest import run
from tests.server.flows import fan, greet

OURS = pytest.mark.parametrize("incarnation", [None, "a"], ids=["official", "ours"])


async def leased(house: House, incarnation: str | None = "a", **kwargs: object) -> tuple[str, RawWorker, dict]:
    """A job whose task a worker has and has confirmed."""
    job_id = await house.create("/jobs/greet", **kwargs)
    worker = await house.registered("w1", "greet", incarnation=incarnation)
    task = await worker.task()
    await worker.ack(task)
    return job_id, worker, task


def test_a_waiting_job_is_cancelled_at_once_and_never_handed_out():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            assert await house.cancel(job_id) == "cancellation_request_accepted"
            assert (await house.job(job_id))["status"] == "cancelled"
            await (await house.registered("w1", "greet")).nothing()

    run(body())


@OURS
def test_a_running_task_is_told_by_heartbeat_and_cancelled_on_its_workers_word(incarnation):
    async def body():
        async with serving(greet()) as house:
            job_id, worker, task = await leased(house, incarnation)
            assert (await worker.beat(task))["cancel_task_ids"] == []
            assert await house.cancel(job_id) == "cancellation_request_accepted"
            job = await house.job(job_id)
            assert job["status"] == "waiting_for_worker"
            assert job["cancel_requested_at"] is not None
            for _ in range(2):
                assert set((await worker.beat(task))["cancel_task_ids"]) == {task["task_id"], job_id}
            reply = await worker.answer(task, "cancelled")
            assert reply == {"status": "result_accepted_success", "transition": "cancelled_handled"}
            assert (await house.ended(job_id))["status"] == "cancelled"
            assert (await worker.beat())["cancel_task_ids"] == []

    run(body())


@pytest.mark.parametrize("path", ["/_worker/ws/w1", "/_worker/ws"])
def test_an_open_socket_takes_the_command(path):
    async def body():
        async with serving(greet()) as house:
            job_id, worker, task = await leased(house)
            async with worker.socket(path) as socket:
                await house.settled()
                assert await house.cancel(job_id) == "cancellation_request_sent"
                command = json.loads(await socket.recv())
                assert command["command"] == command["type"] == "cancel_task"
                assert (command["task_id"], command["job_id"]) == (task["task_id"], job_id)
                assert await house.cancel(job_id) == "cancellation_request_sent", "asked again, it is told again"
                assert json.loads(await socket.recv())["task_id"] == task["task_id"]
            await house.settled()
            assert await house.cancel(job_id) == "cancellation_request_accepted"
            assert (await house.event_types(job_id)).count("worker_event:cancel_requested") == 1

    run(body())


def test_a_second_socket_of_a_worker_closes_the_first_with_1008():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            async with worker.socket() as first, worker.socket() as second:
                await first.wait_closed()
                assert (first.close_code, first.close_reason) == (1008, "New connection established")
                assert second.close_code is None

    run(body())


def test_two_unnamed_sockets_live_side_by_side():
    async def body():
        async with serving(greet()) as house:
            one, two = house.worker("w1", "greet"), house.worker("w2", "greet")
            one_headers = {k: v for k, v in one.headers.items() if k != "X-Worker-ID"}
            connecting = one.socket("/_worker/ws"), two.socket("/_worker/ws")
            for each in connecting:
                each.additional_headers = one_headers
            async with connecting[0] as first, connecting[1] as second:
                await house.settled()
                await (await first.ping())
                await (await second.ping())

    run(body())


def test_cancelled_is_not_said_before_the_worker_or_its_lease_says_it():
    async def body():
        async with serving(greet()) as house:
            job_id, _, _ = await leased(house)
            await house.cancel(job_id)
            house.clock.jump(13)
            await house.settled()
            assert (await house.job(job_id))["status"] == "waiting_for_worker"
            house.clock.jump(3)
            assert (await house.ended(job_id))["status"] == "cancelled"
            await (await house.registered("w2", "greet")).nothing()

    run(body())


def test_a_task_that_never_arrived_is_not_handed_out_after_a_cancel():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet", incarnation="a")
            await worker.task()
            await house.cancel(job_id)
            house.clock.jump(6)
            assert (await house.ended(job_id))["status"] == "cancelled"
            await worker.nothing()

    run(body())


def test_a_task_is_not_handed_out_again_after_a_cancel_when_its_worker_was_restarted():
    async def body():
        async with serving(greet()) as house:
            job_id, _, _ = await leased(house)
            await house.cancel(job_id)
            new = await house.registered("w1", "greet", incarnation="new")
            assert (await house.ended(job_id))["status"] == "cancelled"
            await new.nothing()

    run(body())


def test_a_cancel_is_still_told_after_the_worker_registered_again():
    async def body():
        async with serving(greet()) as house:
            job_id, worker, task = await leased(house)
            await house.cancel(job_id)
            await worker.register()
            assert task["task_id"] in (await worker.beat(task))["cancel_task_ids"]

    run(body())


def test_a_success_that_comes_first_finishes_the_job_and_the_history_says_so():
    async def body():
        async with serving(greet()) as house:
            job_id, worker, task = await leased(house)
            await house.cancel(job_id)
            await worker.answer(task, data={"message": "done"})
            job = await house.ended(job_id)
            assert (job["status"], job["result"]) == ("finished", {"message": "done"})
            completed = (await house.history(job_id))[-1]
            assert completed["event_type"] == "job_completed"
            assert completed["context_snapshot"]["completed_despite_cancel"] is True

    run(body())


def test_a_failure_after_a_cancel_is_not_tried_again():
    async def body():
        async with serving(greet()) as house:
            job_id, worker, task = await leased(house)
            await house.cancel(job_id)
            await worker.answer(task, "failure", error={"code": "TRANSIENT_ERROR", "message": "boom"})
            assert (await house.ended(job_id))["status"] == "cancelled"

    run(body())


@pytest.mark.parametrize("order", [("cancelled", "success"), ("success", "cancelled")])
def test_parallel_branches_end_cancelled_whichever_branch_says_so(order):
    async def body():
        async with serving(fan(branches=2)) as house:
            job_id = await house.create("/jobs/fan")
            worker = await house.registered("w1", "greet", incarnation="a")
            tasks = [await worker.task(), await worker.task()]
            await worker.ack(*tasks)
            await house.cancel(job_id)
            for task, status in zip(tasks, order, strict=True):
                await worker.answer(task, status)
            assert (await house.ended(job_id))["status"] == "cancelled"

    run(body())


def test_waiting_branches_are_dropped_and_the_running_one_is_told():
    async def body():
        async with serving(fan(branches=3)) as house:
            job_id = await house.create("/jobs/fan")
            worker = await house.registered("w1", "greet", incarnation="a")
            task = await worker.task()
            await worker.ack(task)
            await house.cancel(job_id)
            await worker.nothing()
            assert task["task_id"] in (await worker.beat(task))["cancel_task_ids"]
            await worker.answer(task, "cancelled")
            assert (await house.ended(job_id))["status"] == "cancelled"

    run(body())


@pytest.mark.parametrize("incarnation", [None, "i"])
def test_a_repeated_cancel_of_a_running_job_is_accepted_until_it_has_ended(incarnation):
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet", incarnation=incarnation)
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            for _ in range(3):
                assert await house.cancel(job_id) == "cancellation_request_accepted"
            assert (await house.event_types(job_id)).count("worker_event:cancel_requested") == 1
            await worker.answer(task, "cancelled")
            assert (await house.ended(job_id))["status"] == "cancelled"
            reply = await house.api("POST", f"/jobs/{job_id}/cancel")
            assert (reply.status_code, reply.json()) == (404, {"error": "Job not found or already terminal."})

    run(body())


def test_cancel_of_a_job_that_has_ended_or_does_not_exist_is_404_in_the_words_of_the_releases():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            await house.cancel(job_id)
            for unknown in (job_id, "no-such-job"):
                reply = await house.api("POST", f"/jobs/{unknown}/cancel")
                assert (reply.status_code, reply.json()) == (404, {"error": "Job not found or already terminal."})

    run(body())


def test_a_client_that_waits_learns_of_the_cancel_at_once():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            waiting = asyncio.create_task(house.job(job_id, wait=60))
            await until_watched(house, job_id)
            await house.cancel(job_id)
            assert (await soon(waiting))["status"] == "cancelled"

    async def until_watched(house: House, job_id: str) -> None:
        from tests._support.house import until

        await until(lambda: job_id in house.lite._site.core._watchers._waiting)

    run(body())
