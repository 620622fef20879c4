"""A task that stands in the queue is found by a worker that may have it, whatever happens in between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from orchestrator_lite import Blueprint
from orchestrator_lite.store import StoreUnavailable
from orchestrator_lite.store.sqlite import SqliteStore
from tests._support.house import House, RawWorker, serving, soon
from tests.conftest import run
from tests.server.flows import ending, fan, greet

if TYPE_CHECKING:
    from orchestrator_lite.store import Change, TaskRow


class Gated(SqliteStore):
    """A store whose answers can be held back, and which can refuse to write."""

    def __init__(self) -> None:
        super().__init__(None)
        self.refuses = self.holds_lanes = self.holds_lease = False
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def _hold(self) -> None:
        self.asked.set()
        await self.gate.wait()

    async def commit(self, *changes: Change) -> None:
        if self.refuses:
            self.refuses = False
            await self._hold()
            raise StoreUnavailable("the disk is full")
        await super().commit(*changes)

    async def lanes(self) -> list[str]:
        found = await super().lanes()
        if self.holds_lanes:
            await self._hold()
        return found

    async def lease(self, *arguments: Any) -> list[TaskRow]:
        found = await super().lease(*arguments)
        if self.holds_lease:
            self.holds_lease = False
            await self._hold()
        return found


def priced(cost: float) -> dict[str, Any]:
    return {"capabilities": {"cost_per_skill": {"greet": cost}}}


async def polling(house: House, worker: RawWorker) -> asyncio.Task[dict[str, Any] | None]:
    poll = asyncio.create_task(worker.next())
    await house.holds_poll(worker.worker_id)
    return poll


async def quiet(house: House, *polls: asyncio.Task[Any]) -> None:
    """Have what still waits answered empty."""
    house.lite._site.core._dispatcher.dismiss()
    for poll in polls:
        assert await soon(poll) is None


def test_a_lane_that_appears_while_empty_ones_are_forgotten_is_kept():
    async def body():
        store = Gated()
        async with serving(greet(max_cost=1.0), store=store) as house:
            worker = house.worker("w1", "greet")
            await worker.register(**priced(0.5))
            store.holds_lanes = True
            lanes = house.lite._site.core._dispatcher.lanes
            forgetting = asyncio.create_task(lanes.forget_empty(store.lanes))
            await store.asked.wait()
            job_id = await house.create("/jobs/greet")
            store.gate.set()
            await forgetting
            await worker.answer(await worker.task())
            assert (await house.ended(job_id))["status"] == "finished"

    run(body())


def test_a_poll_whose_task_could_not_be_written_looks_for_what_came_meanwhile():
    async def body():
        store = Gated()
        async with serving(greet(), store=store) as house:
            poll = await polling(house, await house.registered("w1", "greet"))
            store.refuses = True
            refused = asyncio.create_task(house.api("POST", "/jobs/greet", json={}))
            await store.asked.wait()
            job_id = await house.create("/jobs/greet")
            store.gate.set()
            assert (await refused).status_code == 503
            task = await soon(poll)
            assert task is not None
            assert task["job_id"] == job_id

    run(body())


def test_a_poll_whose_time_is_over_is_answered_though_its_task_could_not_be_written():
    async def body():
        store = Gated()
        async with serving(greet(), store=store) as house:
            worker = await house.registered("w1", "greet")
            poll = asyncio.create_task(worker.next(timeout=0.2))
            await house.holds_poll("w1")
            store.refuses = True
            refused = asyncio.create_task(house.api("POST", "/jobs/greet", json={}))
            await store.asked.wait()
            house.clock.jump(1)
            await house.settled()
            store.gate.set()
            assert (await refused).status_code == 503
            assert await soon(poll) is None

    run(body())


def test_an_offer_that_changes_while_the_store_is_asked_is_asked_for_too():
    async def body():
        store = Gated()
        async with serving(greet(max_cost=1.0), store=store) as house:
            worker = house.worker("w1", "greet")
            await worker.register(**priced(2.0))
            await house.create("/jobs/greet")
            store.holds_lease = True
            poll = asyncio.create_task(worker.next())
            await store.asked.wait()
            await worker.beat(**priced(0.5))
            store.gate.set()
            assert await soon(poll) is not None

    run(body())


def test_an_official_worker_that_registers_anew_is_given_what_it_offers_now():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "other")
            poll = await polling(house, worker)
            await house.create("/jobs/greet")
            worker.skills = ["greet"]
            await worker.register()
            assert await soon(poll) is not None

    run(body())


def test_a_task_is_passed_on_when_who_was_woken_for_it_takes_none_any_more():
    async def body():
        async with serving(greet()) as house:
            gone = await house.registered("gone", "greet", incarnation="one")
            await house.create("/jobs/greet")
            task = await gone.task()
            polls = [await polling(house, await house.registered(name, "greet")) for name in ("w1", "w2")]
            house.lite._site.core.desk.workers.get("w1").status = "draining"
            house.clock.jump(6)  # it was never acknowledged
            found = await soon(polls[1])
            assert found is not None
            assert found["task_id"] == task["task_id"]
            assert await soon(polls[0]) is None

    run(body())


def test_a_task_is_passed_on_when_who_was_woken_for_it_finds_a_better_one():
    async def body():
        urgent = Blueprint("urgent", api_endpoint="/jobs/urgent")

        @urgent.handler(is_start=True)
        async def start(actions):
            actions.dispatch_task("scan", {}, {"success": "finished"}, priority=5)

        async with serving(greet(), ending(urgent, "finished")) as house:
            gone = await house.registered("gone", "greet", "scan", incarnation="one")
            await house.create("/jobs/greet")
            await gone.task()
            await house.create("/jobs/urgent")
            await gone.task()
            both = await polling(house, await house.registered("both", "greet", "scan"))
            one = await polling(house, await house.registered("one", "greet"))
            house.clock.jump(6)
            found = await soon(both), await soon(one)
            assert [task and task["type"] for task in found] == ["scan", "greet"]

    run(body())


def test_a_batch_is_no_larger_than_what_the_worker_can_hold():
    async def body():
        async with serving(fan(branches=5)) as house:
            worker = house.worker("w1", "greet")
            await worker.register(resources={"max_concurrent_tasks": 2})
            await house.create("/jobs/fan")
            reply = await worker.send("GET", "/workers/w1/tasks/next", params={"limit": 10, "timeout": 0})
            assert len(reply.json()["tasks"]) == 2
            await worker.nothing()

    run(body())


def test_one_odd_worker_keeps_no_task_from_the_others():
    async def body():
        model = {"name": "sd", "version": "1"}
        requirements = {"installed_software": {"python": ">=3"}, "installed_artifacts": [model]}
        async with serving(greet(resource_requirements=requirements, max_cost=1)) as house:
            odd = house.worker("odd", "greet")
            costs = {"capabilities": {"cost_per_skill": {"greet": 10**400}}}
            artifacts = [{**model, "version": ["1"]}]
            await odd.register(installed_software={"python": {}}, installed_artifacts=artifacts, **costs)
            poll = await polling(house, odd)
            able = house.worker("able", "greet")
            await able.register(installed_software={"python": "3.12"}, installed_artifacts=[model], **priced(1))
            job_id = await house.create("/jobs/greet")
            await able.answer(await able.task())
            assert (await house.ended(job_id))["status"] == "finished"
            await quiet(house, poll)

    run(body())
