"""A blueprint that runs another: what it is given of its child, what a cancel reaches, what a restart leaves."""

from __future__ import annotations

from typing import Any

import pytest

from avtomatika_client import JobFailed
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_worker import Worker, skill
from orchestrator_lite import Blueprint, Orchestrator
from tests.conftest import run
from tests.server.flows import ending, greet

LEADS = {"success": "finished", "failure": "rejected", "cancelled": "stopped"}


def parent(child: str = "greet", transitions: dict[str, str] = LEADS, **options: Any) -> Blueprint:
    """Runs `child` with its own data."""
    flow = Blueprint("parent", api_endpoint="/jobs/parent")

    @flow.handler(is_start=True)
    async def start(initial_data, actions):
        actions.run_blueprint(child, initial_data, transitions, **options)

    @flow.handler(is_end=True)
    async def finished(job_id, state_history):
        return state_history

    return ending(flow, "rejected", "stopped")


@skill(name="greet")
async def works(params: dict[str, Any]) -> dict[str, Any]:
    if params.get("fail"):
        raise ValueError("boom")
    return {"message": f"Hello, {params['name']}!"}


worker = Worker("greeter", skills=[works])


async def test_a_child_runs_and_its_result_is_its_parents_data(orchestrator):
    orchestrator.add(parent())
    orchestrator.add(greet())
    async with orchestrator.working(worker), orchestrator.client() as client:
        job = await client.jobs.submit("parent", {"name": "Ada"})
        left = await job.result()
        assert left["message"] == "Hello, Ada!"
        (told,) = [value for key, value in left.items() if key.startswith("sub_job_")]
        assert (told["outcome"], told["final_state"], told["status"]) == ("success", "finished", "finished")
        (child,) = [listed async for listed in client.jobs.list(blueprint="greet")]
        state = (await child.refresh()).state
        assert (state.parent_job_id, state.depth, state.initial_data) == (job.id, 1, {"name": "Ada"})
        types = [event.event_type for event in await job.history()]
        assert types.index("worker_event:sub_job_started") < types.index("worker_event:sub_job_finished")


async def test_a_parent_that_waits_says_for_whom(orchestrator):
    orchestrator.add(parent())
    orchestrator.add(greet())
    async with orchestrator.client() as client:
        job = await client.jobs.submit("parent", {"name": "Ada"})
        state = (await job.refresh()).state
        assert (state.status, state.current_task_transitions) == ("waiting_for_sub_job", LEADS)
        assert state.child_job_ids == [state.child_job_id]
        explained = await orchestrator._site.core.explain(job.id)
        assert explained.reason == "child"
        assert state.child_job_id in explained.sentence


async def test_a_childs_failure_takes_the_transition_for_it(orchestrator):
    orchestrator.add(parent())
    orchestrator.add(greet())
    async with orchestrator.working(worker), orchestrator.client() as client:
        job = await client.jobs.submit("parent", {"fail": True})
        await job.wait()
        assert job.state.current_state == "rejected"


async def test_a_child_that_ends_in_its_first_step_is_told_of_too(orchestrator):
    broken = Blueprint("broken")

    @broken.handler(is_start=True)
    async def start():
        raise RuntimeError("no")

    orchestrator.add(parent("broken"))
    orchestrator.add(broken)
    async with orchestrator.client() as client:
        job = await client.jobs.submit("parent", {})
        await job.wait()
        assert (job.state.current_state, job.state.status) == ("rejected", "finished")


async def test_a_cancel_is_passed_down_to_the_last_child(orchestrator):
    middle = Blueprint("middle")

    @middle.handler(is_start=True)
    async def start(initial_data, actions):
        actions.run_blueprint("greet", initial_data, {"success": "finished"})

    for flow in (parent("middle", {"success": "finished"}), ending(middle, "finished"), greet()):
        orchestrator.add(flow)
    async with orchestrator.client() as client:
        job = await client.jobs.submit("parent", {})
        await job.cancel()
        await job.wait()
        states = {found.state.blueprint_name: found.state.status async for found in client.jobs.list()}
        assert states == {"parent": "cancelled", "middle": "cancelled", "greet": "cancelled"}


async def test_a_cancel_may_have_a_transition(orchestrator):
    orchestrator.add(parent())
    orchestrator.add(greet())
    async with orchestrator.client() as client:
        job = await client.jobs.submit("parent", {})
        await (await client.jobs.get((await job.refresh()).state.child_job_id)).cancel()
        await job.wait()
        assert job.state.current_state == "stopped"


async def test_a_parent_whose_time_is_over_takes_its_child_with_it(orchestrator):
    orchestrator.add(parent())
    orchestrator.add(greet())
    async with orchestrator.client() as client:
        job = await client.jobs.submit("parent", {}, result_timeout=60)
        child = await client.jobs.get((await job.refresh()).state.child_job_id)
        await orchestrator.clock.advance(61)
        assert (await job.refresh()).status == "failed"
        assert (await child.refresh()).status == "cancelled"


async def test_a_childs_own_time_is_a_failure_of_it(orchestrator):
    orchestrator.add(parent(result_timeout=5))
    orchestrator.add(greet())
    async with orchestrator.client() as client:
        job = await client.jobs.submit("parent", {})
        await job.wait()
        assert job.state.current_state == "rejected"


@pytest.mark.parametrize("name", ["nowhere", "parent"])
async def test_unknown_blueprints_and_endless_descent_fail_their_job(orchestrator, name: str):
    orchestrator.add(parent(name, {"success": "finished"}))
    async with orchestrator.client() as client:
        job = await client.jobs.submit("parent", {})
        with pytest.raises(JobFailed):
            await job.result()
        jobs = [found async for found in client.jobs.list()]
        assert len(jobs) == (1 if name == "nowhere" else 9)
        deepest = (await jobs[0].refresh()).state
        assert deepest.error["code"] == "HANDLER_ERROR"
        assert ("no blueprint 'nowhere'" if name == "nowhere" else "nested 8 deep") in deepest.error["message"]


def test_names_of_calls_are_no_names_of_blueprints():
    with pytest.raises(Exception, match="skill:"):
        Orchestrator([greet("skill:greet")])


def test_a_restart_loses_neither_child_nor_parent(tmp_path):
    async def body() -> None:
        store = f"sqlite:///{tmp_path}/lite.db"
        flows = [parent(), greet()]
        async with Orchestrator(flows, store=store) as lite, lite.client() as client:
            job_id = (await client.jobs.submit("parent", {"name": "Ada"})).id
        async with Orchestrator(flows, store=store) as lite, lite.client() as client, lite.working(worker):
            job = await client.jobs.get(job_id)
            assert (await job.result(timeout=20))["message"] == "Hello, Ada!"

    run(body())


@pytest.mark.parametrize("name", ["child", "orphans"])
def test_what_a_crash_leaves_undone_between_parent_and_child_is_done_at_the_next_start(tmp_path, name, monkeypatch):
    """The commit is there, its effect was not: `insist` is what would have been killed."""
    from orchestrator_lite.runtime.family import Family

    async def killed(self, work) -> None: ...

    async def body() -> None:
        store = f"sqlite:///{tmp_path}/lite.db"
        flows = [parent(), greet()]
        with monkeypatch.context() as patch:
            patch.setattr(Family, "insist", killed)
            async with Orchestrator(flows, store=store) as lite, lite.client() as client:
                job = await client.jobs.submit("parent", {"name": "Ada"})
                child_id = (await job.refresh()).state.child_job_id
                if name == "orphans":
                    await job.cancel()
                else:
                    await (await client.jobs.get(child_id)).cancel()
        async with Orchestrator(flows, store=store) as lite, lite.client() as client:
            again = await client.jobs.get(job.id)
            await again.wait(timeout=20)
            assert (await client.jobs.get(child_id)).status == "cancelled"
            while (await lite._site.core.store.due(SYSTEM_CLOCK.now())).timers:
                await SYSTEM_CLOCK.sleep(0.01)

    run(body())
