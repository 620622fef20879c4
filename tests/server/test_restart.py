"""A server that was down for an hour goes on where it stopped: everything it answered lies in its store."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from orchestrator_lite import Blueprint
from tests._support.clocks import JumpingClock
from tests._support.house import House, serving, soon, until
from tests.conftest import run
from tests.server.flows import bare, fan, greet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOUR = 3600.0


class Site:
    """A server that can be stopped and started on the same file."""

    def __init__(self, file: Path, *blueprints: Blueprint) -> None:
        self.store = f"sqlite:///{file}"
        self.blueprints = blueprints
        self.starts = 0

    @asynccontextmanager
    async def up(self) -> AsyncIterator[House]:
        """The server; from the second start on after an hour's downtime."""
        clock = JumpingClock()
        clock.jump(self.starts * HOUR)
        self.starts += 1
        async with serving(*self.blueprints, store=self.store, clock=clock) as house:
            yield house


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lite.db"


def test_a_waiting_job_is_handed_out_after_a_restart(file):
    async def body():
        site = Site(file, greet())
        async with site.up() as house:
            job_id = await house.create("/jobs/greet", {"a": 1})
            await house.registered("w1", "greet", incarnation="a")
        async with site.up() as house:
            worker = house.worker("w1", "greet", incarnation="a")  # known from before: it need not register
            task = await worker.task()
            assert (task["job_id"], task["params"], task["attempt"]) == (job_id, {"a": 1}, 1)
            await worker.answer(task)
            await house.ended(job_id)

    run(body())


@pytest.mark.parametrize("incarnation", [None, "a"], ids=["official", "ours"])
def test_a_leased_task_is_answered_after_a_restart_and_not_run_again(file, incarnation):
    async def body():
        site = Site(file, greet())
        async with site.up() as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet", incarnation=incarnation)
            task = await worker.task()
            await worker.ack(task)
        async with site.up() as house:
            assert (await house.job(job_id))["task_worker_id"] == "w1"
            worker = house.worker("w1", "greet", incarnation=incarnation)
            assert (await worker.beat(task))["cancel_task_ids"] == []
            await worker.nothing()
            await worker.answer(task, data=1)
            assert (await house.ended(job_id))["result"] == 1
            assert (await house.event_types(job_id)).count("task_finished") == 1
            assert "worker_event:lease_lost" not in await house.event_types(job_id)

    run(body())


def test_every_lease_gets_one_fresh_window_after_a_restart(file):
    async def body():
        site = Site(file, greet())
        async with site.up() as house:
            await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet", incarnation="a")
            await worker.ack(await worker.task())
        async with site.up() as house:
            other = await house.registered("w2", "greet", incarnation="b")
            house.clock.jump(13)
            await house.settled()
            await other.nothing()
            poll = asyncio.create_task(other.task())
            await house.holds_poll("w2")
            house.clock.jump(3)
            assert (await soon(poll))["attempt"] == 2

    run(body())


def test_a_start_that_was_replaced_before_the_restart_is_still_refused(file):
    async def body():
        site = Site(file, greet())
        async with site.up() as house:
            await house.registered("w1", "greet", incarnation="old")
            await house.registered("w1", "greet", incarnation="new")
        async with site.up() as house:
            reply = await house.worker("w1", incarnation="old").send("PATCH", "/workers/w1")
            assert reply.status_code == 409

    run(body())


def test_a_cancel_is_still_told_after_a_restart_and_ends_with_the_workers_word(file):
    async def body():
        site = Site(file, greet())
        async with site.up() as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet", incarnation="a")
            task = await worker.task()
            await worker.ack(task)
            await house.cancel(job_id)
        async with site.up() as house:
            worker = house.worker("w1", "greet", incarnation="a")
            assert set((await worker.beat(task))["cancel_task_ids"]) == {task["task_id"], job_id}
            await worker.answer(task, "cancelled")
            assert (await house.ended(job_id))["status"] == "cancelled"

    run(body())


def test_a_cancel_ends_with_the_lease_of_a_worker_that_never_came_back(file):
    async def body():
        site = Site(file, greet())
        async with site.up() as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet", incarnation="a")
            await worker.task()
            await house.cancel(job_id)
        async with site.up() as house:
            house.clock.jump(17)
            assert (await house.ended(job_id))["status"] == "cancelled"

    run(body())


@pytest.mark.parametrize("where", ["start", "finished"])
def test_a_handler_that_was_running_runs_again_after_a_restart(file, where):
    flow = greet()
    runs: list[str] = []
    gates: dict[str, asyncio.Event] = {}
    default = flow.defaults.pop(where).function

    async def slow(actions, initial_data):
        runs.append(where)
        await gates["go"].wait()
        if where == "start":
            await default(initial_data, actions)

    flow.handler(where, is_start=where == "start")(slow)

    async def body():
        site = Site(file, flow)
        gates["go"] = asyncio.Event()
        async with site.up() as house:
            job_id = await house.create("/jobs/greet")
            if where == "finished":
                worker = await house.registered("w1", "greet")
                await worker.answer(await worker.task())
            await until(lambda: len(runs) == 1)
        async with site.up() as house:
            await until(lambda: len(runs) == 2)
            gates["go"].set()
            if where == "start":
                worker = await house.registered("w1", "greet")
                await worker.answer(await worker.task())
            assert (await house.ended(job_id))["status"] == "finished"
            assert (await house.event_types(job_id)).count("task_dispatched") == 1

    run(body())


def test_a_task_that_waits_for_its_retry_is_tried_again_after_a_restart(file):
    async def body():
        site = Site(file, bare("greet"))
        async with site.up() as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet", incarnation="a")
            await worker.answer(await worker.task(), "failure", error={"code": "TRANSIENT_ERROR", "message": "boom"})
        async with site.up() as house:
            worker = house.worker("w1", "greet", incarnation="a")
            task = await worker.task()
            assert task["attempt"] == 2
            assert (await house.job(job_id))["retry_count"] == 1
            await worker.answer(task)
            await house.ended(job_id)

    run(body())


@pytest.mark.parametrize("timeout", ["dispatch_timeout", "result_timeout"])
def test_a_timeout_that_passed_during_the_downtime_ends_the_job_at_the_start(file, timeout):
    async def body():
        site = Site(file, greet())
        async with site.up() as house:
            job_id = await house.create("/jobs/greet", **{timeout: 600})
            later = await house.create("/jobs/greet", **{timeout: 2 * HOUR})
        async with site.up() as house:
            assert (await house.ended(job_id))["error"]["code"] == "TIMEOUT_ERROR"
            assert (await house.job(later))["status"] == "waiting_for_worker"

    run(body())


def test_parallel_branches_go_on_where_they_stood(file):
    async def body():
        site = Site(file, fan(branches=3))
        async with site.up() as house:
            job_id = await house.create("/jobs/fan")
            worker = await house.registered("w1", "greet", incarnation="a")
            done, leased = await worker.task(), await worker.task()
            await worker.ack(done, leased)
            await worker.answer(done, data=0)
        async with site.up() as house:
            worker = house.worker("w1", "greet", incarnation="a")
            waiting = await worker.task()
            assert (await worker.answer(done, data="again"))["status"] == "ignored"
            await worker.answer(waiting, data=2)
            await worker.answer(leased, data=1)
            assert (await house.ended(job_id))["result"] == [["success", 0], ["success", 1], ["success", 2]]

    run(body())


def test_an_ended_job_with_its_history_is_there_after_a_restart(file):
    async def body():
        site = Site(file, greet())
        async with site.up() as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            await worker.answer(await worker.task(), data={"a": [1, None, "ё"]})
            before = await house.ended(job_id), await house.history(job_id)
        async with site.up() as house:
            assert (await house.job(job_id), await house.history(job_id)) == before

    run(body())


def test_whatever_a_heartbeat_said_the_server_starts_again(file):
    async def body():
        site = Site(file, greet())
        async with site.up() as house:
            worker = await house.registered("w1", "other", incarnation="a")
            said = {"worker_type": 5, "max_concurrent_tasks": "many", "holding": 1, "unheard": [None]}
            await worker.beat(supported_skills=["greet", {"name": "more"}, 7], **said)
            await house.create("/jobs/greet")
        async with site.up() as house:
            await house.worker("w1", "greet", incarnation="a").task()

    run(body())


def test_a_job_whose_blueprint_is_gone_waits_and_harms_nobody(file):
    async def body():
        async with Site(file, bare("old")).up() as house:
            job_id = await house.create("/jobs/old")
            worker = await house.registered("w1", "greet", incarnation="a")
            task = await worker.task()
            await worker.ack(task)
        async with Site(file, greet()).up() as house:
            worker = house.worker("w1", "greet", incarnation="a")
            assert (await worker.answer(task, data=1))["status"] == "result_accepted_success"
            assert (await house.job(job_id))["status"] == "running"
            other = await house.create("/jobs/greet")
            await worker.answer(await worker.task())
            await house.ended(other)
        async with Site(file, bare("old")).up() as house:
            assert (await house.ended(job_id))["result"] == 1

    run(body())


def test_a_job_whose_blueprint_is_missing_after_a_restart_goes_on_when_it_is_added(file, caplog):
    async def body():
        site = Site(file, greet())
        async with site.up() as house:
            jobs = [await house.create("/jobs/greet") for _ in range(2)]
        without = Site(file, greet("other"))
        async with without.up() as house:
            worker = await house.registered("w1", "greet")
            for _ in jobs:
                await worker.answer(await worker.task())
            assert [(await house.job(job_id))["status"] for job_id in jobs] == ["running", "running"]
            house.lite.add(greet())
            assert [(await house.ended(job_id))["status"] for job_id in jobs] == ["finished", "finished"]
        assert [record.getMessage() for record in caplog.records if "not loaded" in record.getMessage()] == [
            "jobs wait: blueprint 'greet' is not loaded"
        ]

    run(body())
