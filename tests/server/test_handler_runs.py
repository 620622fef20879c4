"""How often a handler runs: once, unless a crash or a change of what it saw makes it run again."""

from __future__ import annotations

import asyncio

from orchestrator_lite import Blueprint
from orchestrator_lite.store import Change, Conflict
from orchestrator_lite.store.sqlite import SqliteStore
from tests._support.house import serving
from tests.conftest import run


class LosingStore(SqliteStore):
    """Loses the race for chosen commits, as if another process had been faster by something nobody sees."""

    def __init__(self, *lost: int) -> None:
        super().__init__(None)
        self.lost = set(lost)
        self.count = 0

    async def commit(self, *changes: Change) -> None:
        self.count += 1
        if self.count in self.lost:
            raise Conflict("Somebody else was faster.")
        await super().commit(*changes)


def counted(runs: list[str], gate: list[asyncio.Event]) -> Blueprint:
    flow = Blueprint("counted", api_endpoint="/jobs/counted")

    @flow.handler(is_start=True)
    async def start(actions):
        runs.append("start")
        actions.dispatch_task("greet", transitions={"success": "think"})

    @flow.handler
    async def think(actions):
        runs.append("think")
        if gate:
            await gate[0].wait()
        actions.go_to("finished")

    @flow.handler(is_end=True)
    async def finished():
        runs.append("finished")
        return "done"

    return flow


def test_a_lost_race_runs_no_handler_again_that_would_see_the_same():
    async def body():
        runs: list[str] = []
        store = LosingStore(2, 3)
        async with serving(counted(runs, []), store=store) as house:
            job_id = await house.create("/jobs/counted")
            worker = await house.registered("w1", "greet")
            await worker.answer(await worker.task())
            assert (await house.ended(job_id))["result"] == "done"
            assert runs == ["start", "think", "finished"]
            assert store.count == 4

    run(body())


def test_a_handler_still_at_work_when_the_race_is_lost_is_not_begun_anew():
    async def body():
        runs: list[str] = []
        gate = [asyncio.Event()]
        async with serving(counted(runs, gate), store=LosingStore(2)) as house:
            job_id = await house.create("/jobs/counted")
            worker = await house.registered("w1", "greet")
            await worker.answer(await worker.task())
            assert (await house.job(job_id))["status"] == "running"
            gate[0].set()
            assert (await house.ended(job_id))["result"] == "done"
            assert runs == ["start", "think", "finished"]

    run(body())


def test_what_happens_to_a_job_meanwhile_does_not_start_its_handler_a_second_time():
    async def body():
        runs: list[str] = []
        gate = [asyncio.Event()]
        async with serving(counted(runs, gate)) as house:
            job_id = await house.create("/jobs/counted")
            worker = await house.registered("w1", "greet", incarnation="one")
            task = await worker.task()
            await worker.answer(task)
            late = await worker.answer({**task, "attempt": 7})
            assert late["status"] == "ignored"
            assert "worker_event:late_result" in await house.event_types(job_id)
            gate[0].set()
            assert (await house.ended(job_id))["result"] == "done"
            assert runs == ["start", "think", "finished"]

    run(body())
