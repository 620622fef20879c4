"""ctx.event: what a skill tells while it runs is in the job's history before its result is."""

from __future__ import annotations

import pytest

from avtomatika_worker import Context, Worker, skill
from orchestrator_lite import Blueprint
from tests.conftest import run


def thinking() -> Blueprint:
    flow = Blueprint("think", api_endpoint="/jobs/think")

    @flow.handler(is_start=True)
    async def start(initial_data, actions):
        actions.dispatch_task(
            initial_data["skill"], params={}, transitions={"success": "finished", "failure": "failed"}
        )

    @flow.handler(is_end=True)
    async def finished(): ...

    @flow.handler(is_end=True)
    async def failed(): ...

    return flow


@skill
async def think(ctx: Context) -> str:
    await ctx.event("thought", {"text": "first"})
    await ctx.event("thought", {"text": "second"})
    return "done"


@skill
def plod(ctx: Context) -> str:
    ctx.blocking.event("thought", {"text": "in a thread"})
    return "done"


@skill
async def babble(ctx: Context) -> list[str]:
    errors = []
    for kind, payload in [("progress", 1), ("a b", 1), ("big", "x" * 70_000), ("odd", object())]:
        try:
            await ctx.event(kind, payload)
        except ValueError as error:
            errors.append(str(error).split(":")[0].split(" ")[0])
    return errors


WORKER = Worker("thinker", skills=[think, plod, babble])


@pytest.mark.parametrize(("name", "texts"), [("think", ["first", "second"]), ("plod", ["in a thread"])])
async def test_events_of_a_skill_are_read_by_whoever_watches(orchestrator, name, texts):
    orchestrator.add(thinking())
    async with orchestrator.working(WORKER), orchestrator.client() as client:
        job = await client.jobs.submit("think", {"skill": name})
        events = [event async for event in job.events()]
        thoughts = [event for event in events if event.type == "worker_event:thought"]
        assert [event.payload["text"] for event in thoughts] == texts
        types = [event.type for event in events]
        assert types.index("task_finished") > types.index("worker_event:thought")


async def test_an_answer_that_is_lost_writes_it_once(orchestrator):
    orchestrator.add(thinking())
    orchestrator.faults.drop_response("POST /_worker/events", times=2)
    async with orchestrator.working(WORKER), orchestrator.client() as client:
        job = await client.jobs.submit("think", {"skill": "think"})
        assert await job.result() == "done"
        types = [event.event_type for event in await job.history()]
        assert types.count("worker_event:thought") == 2


async def test_one_that_cannot_be_told_does_not_fail_the_task(orchestrator):
    orchestrator.add(thinking())
    orchestrator.faults.status(503, "POST /_worker/events", times=5)
    async with orchestrator.working(WORKER), orchestrator.client() as client:
        assert await (await client.jobs.submit("think", {"skill": "think"})).result() == "done"


async def test_what_is_no_event_is_refused_where_it_is_said(orchestrator):
    orchestrator.add(thinking())
    async with orchestrator.working(WORKER), orchestrator.client() as client:
        assert await (await client.jobs.submit("think", {"skill": "babble"})).result() == ["an", "an", "an", "what"]


def test_without_an_orchestrator_it_is_left_out():
    run(Context(task_id="t", job_id="j", skill="s").event("thought", {}))
