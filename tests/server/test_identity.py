"""Who holds a task when a worker is started anew, and what a late answer is worth: design "Leases"."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.store import SqliteStore
from tests._support.house import serving, soon, until
from tests.conftest import run
from tests.server.flows import greet

if TYPE_CHECKING:
    from orchestrator_lite.store import TaskRow


def test_a_restarted_worker_frees_its_old_leases_at_once():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            old = await house.registered("w1", "greet", incarnation="old")
            task = await old.task()
            await old.ack(task)
            other = await house.registered("w2", "greet", incarnation="other")
            poll = asyncio.create_task(other.task())
            await house.holds_poll("w2")
            await house.registered("w1", "greet", incarnation="new")
            again = await soon(poll)
            assert (again["task_id"], again["attempt"]) == (task["task_id"], 2)
            assert "worker_event:lease_lost" in await house.event_types(job_id)

    run(body())


def test_a_task_the_old_start_never_acknowledged_is_freed_with_the_same_attempt():
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            old = await house.registered("w1", "greet", incarnation="old")
            await old.task()
            new = await house.registered("w1", "greet", incarnation="new")
            assert (await new.task())["attempt"] == 1

    run(body())


def test_a_result_the_restarted_worker_holds_is_not_run_again_and_is_applied():
    async def body():
        async with serving(greet()) as house:
            job_id, freed_id = await house.create("/jobs/greet"), await house.create("/jobs/greet")
            old = await house.registered("w1", "greet", incarnation="old")
            held, freed = await old.task(), await old.task()
            await old.ack(held, freed)
            new = house.worker("w1", "greet", incarnation="new")
            await new.register(holding=[{"task_id": held["task_id"], "attempt": held["attempt"]}])
            again = await new.task()
            assert (again["job_id"], again["attempt"]) == (freed_id, 2)
            await new.nothing()
            reply = await new.answer(held, data={"message": "kept"})
            assert reply == {"status": "result_accepted_success", "transition": "success_transition"}
            assert (await house.ended(job_id))["result"] == {"message": "kept"}

    run(body())


def test_registering_again_with_the_same_incarnation_frees_nothing():
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet", incarnation="a")
            task = await worker.task()
            await worker.ack(task)
            await worker.register()
            await worker.nothing()
            assert (await worker.answer(task))["status"] == "result_accepted_success"

    run(body())


def test_registering_again_with_the_same_incarnation_acknowledges_nothing():
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet", incarnation="a")
            await worker.task()
            await worker.register()
            other = await house.registered("w2", "greet", incarnation="b")
            poll = asyncio.create_task(other.task())
            await house.holds_poll("w2")
            house.clock.jump(6)
            assert (await soon(poll))["attempt"] == 1

    run(body())


def test_an_official_worker_that_registers_again_keeps_its_tasks():
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            task = await worker.task()
            await worker.register()
            await worker.nothing()
            assert (await worker.answer(task))["status"] == "result_accepted_success"

    run(body())


@pytest.mark.parametrize("request_of", ["poll", "heartbeat", "ping", "result", "socket"])
def test_every_request_of_a_superseded_start_is_answered_409(request_of):
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            old = await house.registered("w1", "greet", incarnation="old")
            task = await old.task()
            await house.registered("w1", "greet", incarnation="new")
            if request_of == "socket":
                async with old.socket() as socket:
                    await socket.wait_closed()
                    assert socket.close_code == 4409
                    assert "superseded" in (socket.close_reason or "")
                return
            reply = await {
                "poll": lambda: old.send("GET", "/workers/w1/tasks/next"),
                "heartbeat": lambda: old.send("PATCH", "/workers/w1", json={"current_tasks": []}),
                "ping": lambda: old.send("PATCH", "/workers/w1"),
                "result": lambda: old.send(
                    "POST", "/tasks/result", json={**task, "worker_id": "w1", "status": "success"}
                ),
            }[request_of]()
            assert reply.status_code == 409
            assert "superseded" in reply.json()["error"]

    run(body())


def test_a_superseded_start_does_not_win_its_place_back_by_registering_again(tmp_path):
    async def body():
        store = f"sqlite:///{tmp_path / 'lite.db'}"
        for first in (True, False):  # the second time by a server that was started anew
            async with serving(greet(), store=store) as house:
                old = house.worker("w1", "greet", incarnation="old")
                new = house.worker("w1", "greet", incarnation="new")
                if first:
                    await old.register()
                await new.register()
                again = {"worker_id": "w1", "supported_skills": ["greet"], "incarnation": "old"}
                reply = await old.send("POST", "/workers/register", json=again)
                assert reply.status_code == 409
                assert "superseded" in reply.json()["error"]
                await house.create("/jobs/greet")
                await new.answer(await new.task())

    run(body())


def test_the_open_poll_of_a_superseded_start_takes_no_task():
    async def body():
        async with serving(greet()) as house:
            old = await house.registered("w1", "greet", incarnation="old")
            poll = asyncio.create_task(old.next())
            await house.holds_poll("w1")
            new = await house.registered("w1", "greet", incarnation="new")
            assert await soon(poll) is None
            await house.create("/jobs/greet")
            await new.task()

    run(body())


class SlowLeases(SqliteStore):
    """A store whose `lease` takes until it is let go: what happens meanwhile happens while a poll asks it."""

    asked = False

    def __init__(self) -> None:
        super().__init__(None)
        self.go = asyncio.Event()

    async def lease(self, *args: Any, **kwargs: Any) -> list[TaskRow]:
        self.asked = True
        await self.go.wait()
        return await super().lease(*args, **kwargs)


@pytest.mark.parametrize("meanwhile", ["replaced", "draining", "stopped"])
def test_a_poll_that_was_asking_the_store_meanwhile_is_not_held(meanwhile):
    async def body():
        store = SlowLeases()
        async with serving(greet(), store=store) as house:
            old = await house.registered("w1", "greet", incarnation="old")
            poll = asyncio.create_task(old.next())
            await until(lambda: store.asked)
            if meanwhile == "replaced":
                await house.registered("w1", "greet", incarnation="new")
            elif meanwhile == "draining":
                await old.beat(status="draining")
            else:
                house.lite._site.core.let_go()
            store.go.set()
            began = SYSTEM_CLOCK.monotonic()
            assert await soon(poll) is None
            assert SYSTEM_CLOCK.monotonic() - began < 5, "a poll that is held lasts twenty"

    run(body())


def test_a_late_result_of_an_earlier_attempt_is_recorded_and_ignored():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            slow = await house.registered("slow", "greet", incarnation="a")
            first = await slow.task()
            await slow.ack(first)
            house.clock.jump(17)
            await house.settled()
            other = await house.registered("other", "greet", incarnation="b")
            second = await other.task()
            assert second["attempt"] == 2
            late = await slow.answer(first, data={"message": "late"})
            assert (late["status"], late["reason"]) == ("ignored", "stale_task")
            assert (await house.job(job_id))["status"] == "waiting_for_worker"
            await other.answer(second, data={"message": "right"})
            assert (await house.ended(job_id))["result"] == {"message": "right"}
            recorded = [e for e in await house.history(job_id) if e["event_type"] == "worker_event:late_result"]
            assert [e["context_snapshot"]["data"] for e in recorded] == [{"message": "late"}]

    run(body())


def test_a_late_result_counts_while_the_task_has_not_been_handed_out_again():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            slow = await house.registered("slow", "greet", incarnation="a")
            task = await slow.task()
            await slow.ack(task)
            house.clock.jump(17)
            await house.settled()
            assert (await slow.answer(task, data=1))["status"] == "result_accepted_success"
            assert (await house.ended(job_id))["result"] == 1
            await slow.nothing()

    run(body())


@pytest.mark.parametrize("incarnation", [None, "a"], ids=["official", "ours"])
def test_a_late_renewal_revives_a_lease_that_has_not_been_handed_out_again(incarnation):
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            slow = await house.registered("slow", "greet", incarnation=incarnation)
            task = await slow.task()
            await slow.beat(task)
            house.clock.jump(62)
            await house.settled()
            assert (await house.job(job_id))["task_worker_id"] is None
            assert (await slow.beat(task))["cancel_task_ids"] == []
            assert (await house.job(job_id))["task_worker_id"] == "slow"
            await (await house.registered("other", "greet")).nothing()
            assert (await slow.answer(task))["status"] == "result_accepted_success"

    run(body())


def test_a_renewal_after_the_task_was_handed_out_again_tells_the_worker_to_stop():
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            slow = await house.registered("slow", "greet", incarnation="a")
            task = await slow.task()
            await slow.ack(task)
            house.clock.jump(17)
            await house.settled()
            other = await house.registered("other", "greet", incarnation="b")
            again = await other.task()
            assert task["task_id"] in (await slow.beat(task))["cancel_task_ids"]
            assert (await other.answer(again))["status"] == "result_accepted_success"

    run(body())


def test_the_same_result_sent_twice_counts_once_and_is_recorded_once():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet", incarnation="a")
            task = await worker.task()
            await worker.answer(task, data={"message": "Hi"})
            again = await worker.answer(task, data={"message": "Hi"})
            assert again["status"] == "ignored"
            assert again["reason"] == "job_already_terminated"
            assert (await house.event_types(job_id)).count("task_finished") == 1
            assert "worker_event:late_result" not in await house.event_types(job_id)

    run(body())


def test_an_official_worker_cannot_answer_another_ones_task():
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            holder = await house.registered("holder", "greet")
            task = await holder.task()
            reply = await (await house.registered("other", "greet")).answer(task)
            assert (reply["status"], reply["reason"]) == ("ignored", "worker_mismatch")
            assert (await holder.answer(task))["status"] == "result_accepted_success"

    run(body())


def test_a_worker_the_server_does_not_know_is_told_to_register():
    async def body():
        async with serving(greet()) as house:
            ours, official = house.worker("w1", "greet", incarnation="a"), house.worker("w2", "greet")
            assert (await ours.send("GET", "/workers/w1/tasks/next")).status_code == 404
            assert (await ours.beat())["require_full_sync"] is True
            assert (await official.beat())["require_full_sync"] is True
            poll = asyncio.create_task(official.next())
            await house.settled()
            house.clock.jump(35)
            assert await soon(poll) is None

    run(body())


class SlowList(SqliteStore):
    """A store whose list of leases is old when it arrives: what happens meanwhile is not in it."""

    def __init__(self) -> None:
        super().__init__(None)
        self.read, self.go = asyncio.Event(), asyncio.Event()

    async def leases(self, worker_id: str | None = None) -> list[TaskRow]:
        rows = await super().leases(worker_id)
        if rows:
            self.read.set()
            await self.go.wait()
        return rows


def test_a_result_that_is_applied_while_its_worker_registers_leaves_no_lease_behind():
    async def body():
        store = SlowList()
        async with serving(greet(), store=store) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet", incarnation="a")
            task = await worker.task()
            await worker.ack(task)
            holding = [{"task_id": task["task_id"], "attempt": task["attempt"]}]
            registering = asyncio.create_task(worker.register(holding=holding))
            await soon(asyncio.ensure_future(store.read.wait()))
            assert (await worker.answer(task))["status"] == "result_accepted_success"
            store.go.set()
            await soon(registering)
            assert len(house.lite._site.core.desk.leases) == 0
            assert (await house.ended(job_id))["status"] == "finished"

    run(body())
