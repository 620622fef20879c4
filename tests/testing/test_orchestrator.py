"""The server a test is given: in its process, on virtual time, with clients and workers inside."""

from __future__ import annotations

import asyncio
import threading

import pytest

from avtomatika_client import JobFailed, WaitTimeout
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_worker import Context, Worker, skill
from orchestrator_lite import Blueprint, Orchestrator
from orchestrator_lite.testing._errors import ClosedError, MisuseError, NeverEndsError, OtherLoopError
from orchestrator_lite.testing._orchestrator import VirtualOrchestrator
from orchestrator_lite.testing._time import clock as virtual_clock
from tests.conftest import run

NAME = {"name": "Ada"}


def greet_flow(**dispatch):
    flow = Blueprint("greet", api_endpoint="/jobs/greet")

    @flow.handler(is_start=True)
    async def start(initial_data, actions):
        actions.dispatch_task(
            "greet",
            params={"name": initial_data["name"]},
            transitions={"success": "finished", "failure": "failed"},
            **dispatch,
        )

    @flow.handler(is_end=True)
    async def finished(): ...

    @flow.handler(is_end=True)
    async def failed(): ...

    return flow


@skill
async def greet(name: str, ctx: Context) -> dict[str, str]:
    await ctx.progress(0.5, "half way")
    return {"message": f"Hello, {name}!"}


@skill(name="greet")
async def slow_greet(name: str) -> dict[str, str]:
    await SYSTEM_CLOCK.sleep(3600)
    return {"message": f"Hello, {name}!"}


@skill(name="greet")
async def endless_greet(name: str) -> dict[str, str]:
    await asyncio.Event().wait()
    return {}


@skill(name="greet")
def plain_greet(name: str) -> dict[str, str]:
    SYSTEM_CLOCK.sleep_blocking(0.05)
    return {"message": f"Hello, {name}!"}


worker = Worker("greeter", skills=[greet])


def virtually(body):
    """Run `body(orchestrator)` as the plugin runs a test, and close behind it; returns what it left behind."""

    async def whole():
        lite = VirtualOrchestrator()
        try:
            await body(lite)
        finally:
            left = lite.problems()
            await lite.close_in_loop()
        return left

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        left = runner.run(whole())
        assert not asyncio.all_tasks(runner.get_loop())
        return left


@pytest.mark.parametrize("one", [worker, Worker("plain", skills=[plain_greet])])
def test_a_job_is_done_by_a_worker_inside(one):
    async def body(lite):
        lite.add(greet_flow())
        async with lite.working(one), lite.client() as client:
            job = await client.jobs.submit("greet", NAME)
            assert await job.result() == {"message": "Hello, Ada!"}

    assert virtually(body) == []


def test_one_definition_serves_many_tests_and_loops():
    flow = greet_flow()

    async def body(lite):
        lite.add(flow)
        async with lite.working(worker), lite.client() as client:
            assert await (await client.jobs.submit("greet", NAME)).result() == {"message": "Hello, Ada!"}

            assert len([each async for each in client.jobs.list()]) == 1

    for _ in range(3):
        virtually(body)


def test_two_hours_without_a_worker_end_a_job_by_its_dispatch_timeout_in_milliseconds():
    async def body(lite):
        lite.add(greet_flow())
        async with lite.client() as client:
            job = await client.jobs.submit("greet", NAME, dispatch_timeout=3600)
            await lite.clock.advance(minutes=59)
            assert (await job.refresh()).status == "waiting_for_worker"
            began = SYSTEM_CLOCK.monotonic()
            await lite.clock.advance(hours=2)
            assert SYSTEM_CLOCK.monotonic() - began < 0.5
            assert (await job.refresh()).status == "failed"

    virtually(body)


def test_two_hours_with_a_worker_keep_it_alive_and_take_less_than_three_seconds():
    async def body(lite):
        lite.add(greet_flow())
        async with lite.working(worker), lite.client() as client:
            began = SYSTEM_CLOCK.monotonic()
            await lite.clock.advance(hours=2)
            took = SYSTEM_CLOCK.monotonic() - began
            assert lite.clock.elapsed == pytest.approx(7200, abs=5)
            assert len(await client.workers.list()) == 1
            job = await client.jobs.submit("greet", NAME)
            assert await job.result() == {"message": "Hello, Ada!"}
            assert took < 3

    virtually(body)


def test_awaiting_a_job_moves_time_by_itself():
    async def body(lite):
        lite.add(greet_flow())
        async with lite.working(Worker("slow", skills=[slow_greet])), lite.client() as client:
            job = await client.jobs.submit("greet", NAME)
            assert await job.result() == {"message": "Hello, Ada!"}
            assert lite.clock.elapsed >= 3600

    virtually(body)


def test_awaiting_a_job_that_waits_for_its_dispatch_timeout_ends_with_it():
    async def body(lite):
        lite.add(greet_flow())
        async with lite.client() as client:
            job = await client.jobs.submit("greet", NAME, dispatch_timeout=86400)
            with pytest.raises(JobFailed):
                await job.result()
            assert lite.clock.elapsed == pytest.approx(86400, abs=1)

    virtually(body)


def test_a_wait_without_a_worker_fails_with_the_reason():
    async def body(lite):
        lite.add(greet_flow())
        async with lite.client() as client:
            job = await client.jobs.submit("greet", NAME)
            with pytest.raises(NeverEndsError, match=f"job {job.id} .* no worker offers skill 'greet'") as caught:
                await job.result()
            assert "\n" not in str(caught.value)
            assert (await job.refresh()).status == "waiting_for_worker"

    virtually(body)


def test_a_wait_for_a_skill_that_never_ends_fails_with_the_reason():
    async def body(lite):
        lite.add(greet_flow())
        async with lite.working(Worker("endless", worker_id="e-1", skills=[endless_greet])), lite.client() as client:
            job = await client.jobs.submit("greet", NAME)
            with pytest.raises(NeverEndsError, match="skill 'greet' has been with worker 'e-1' for"):
                await job.result()

    virtually(body)


def test_a_wait_of_the_tests_own_that_never_ends_cancels_it_and_tells():
    async def body(lite):
        async with lite.client():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                assert "never ends: no job, task or timer is left" in str(lite.failure)
                asyncio.current_task().uncancel()

    virtually(body)


def test_a_wait_with_a_deadline_ends_at_it_and_not_before():
    async def body(lite):
        lite.add(greet_flow())
        async with lite.working(Worker("endless", skills=[endless_greet])), lite.client() as client:
            job = await client.jobs.submit("greet", NAME)
            with pytest.raises(WaitTimeout):
                await job.result(timeout=1800)
            assert lite.clock.elapsed == pytest.approx(1800, abs=5)

    virtually(body)


def test_many_jobs_are_waited_for_as_they_end():
    async def body(lite):
        lite.add(greet_flow())
        async with lite.working(worker), lite.client() as client:
            jobs = await client.jobs.submit_many("greet", [NAME] * 20)
            ended = [job async for job in client.jobs.as_completed(jobs, timeout=60)]
            assert sorted(job.id for job in ended) == sorted(job.id for job in jobs)

    virtually(body)


def test_a_lost_worker_costs_its_lease_and_another_does_the_task():
    async def body(lite):
        lite.add(greet_flow())
        async with lite.client() as client:
            first = lite.working(Worker("endless", max_concurrent_tasks=1, skills=[endless_greet]))
            await first.__aenter__()
            job = await client.jobs.submit("greet", NAME)
            await lite.clock.advance(seconds=1)
            lite.faults.drop_request("/_worker/*", times=None)
            await lite.clock.advance(seconds=30)
            lite.faults.clear()
            async with lite.working(worker):
                assert await job.result() == {"message": "Hello, Ada!"}
                assert "lease_lost" in str(await job.history())
            await first.__aexit__(None, None, None)

    virtually(body)


def test_a_lost_answer_to_a_result_is_made_good():
    async def body(lite):
        lite.add(greet_flow())
        lite.faults.drop_response("POST /_worker/tasks/result", times=2)
        async with lite.working(worker), lite.client() as client:
            job = await client.jobs.submit("greet", NAME)
            assert await job.result() == {"message": "Hello, Ada!"}
            history = [event.event_type for event in await job.history()]
            assert history.count("task_finished") == 1

    assert virtually(body) == []


def test_a_worker_left_running_and_an_open_client_are_told_and_ended():
    async def body(lite):
        await lite.working(worker).__aenter__()
        await lite.client().__aenter__()

    left = virtually(body)
    assert left[0].startswith("worker 'greeter' was still running when the test ended: use `async with")
    assert left[1].startswith("a client was still open when the test ended: use `async with")


def test_a_fault_that_never_struck_is_told():
    async def body(lite):
        lite.faults.status(503, "POST /nowhere")

    assert len(virtually(body)) == 1


def test_a_worker_may_be_working_before_the_blueprint_is_there_and_jobs_wait_for_it():
    async def body(lite):
        async with lite.working(worker), lite.client() as client:
            lite.add(greet_flow())
            job = await client.jobs.submit("greet", NAME)
            assert (await job.wait()).status == "finished"

    virtually(body)


def test_a_closed_orchestrator_says_so():
    kept = []

    async def body(lite):
        async with lite.client():
            kept.append(lite)

    virtually(body)

    async def again():
        for use in (lambda: kept[0].client().__aenter__(), lambda: kept[0].working(worker).__aenter__()):
            with pytest.raises(ClosedError, match="`orchestrator` fixture"):
                await use()
        with pytest.raises(ClosedError, match="`orchestrator` fixture"):
            kept[0].add(greet_flow())

    run(again())


def test_another_event_loop_is_refused():
    async def body(lite):
        async with lite.client():

            def elsewhere():
                with pytest.raises(OtherLoopError, match="belongs to the event loop of"):
                    asyncio.run(lite.client().__aenter__())
                told.append(True)

            told = []
            thread = threading.Thread(target=elsewhere)
            thread.start()
            await asyncio.to_thread(thread.join)
            assert told

    virtually(body)


def test_misuse_is_told_in_one_line():
    async def body(lite):
        with pytest.raises(MisuseError, match=r"async with orchestrator\.client"), lite.client():
            pass
        with pytest.raises(MisuseError, match=r"async with orchestrator\.working"), lite.working(worker):
            pass
        with pytest.raises(MisuseError, match="is not open"):
            _ = lite.client().jobs
        with pytest.raises(MisuseError, match="needs a worker"):
            lite.working()
        with pytest.raises(MisuseError, match="runs a Worker, not"):
            lite.working(greet)

    virtually(body)


def test_the_environment_of_the_tests_makes_no_difference(monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_LITE_CLIENT_TOKEN", "x")
    monkeypatch.setenv("ORCHESTRATOR_LITE_STORE", "sqlite:////nowhere/x.db")

    async def body(lite):
        async with lite.client() as client:
            assert await client.workers.list() == []

    virtually(body)


def test_a_skill_that_blocks_a_thread_for_long_is_given_up(monkeypatch):
    monkeypatch.setattr(virtual_clock, "PATIENCE", 0.5)
    release = threading.Event()

    @skill(name="greet")
    def stuck(name: str) -> None:
        release.wait(30)

    async def body(lite):
        lite.add(greet_flow())
        async with lite.working(Worker("stuck", skills=[stuck])), lite.client() as client:
            job = await client.jobs.submit("greet", NAME)
            with pytest.raises(NeverEndsError, match="real seconds"):
                await job.result()

    try:
        virtually(body)
    finally:
        release.set()


def test_a_test_that_blocks_its_event_loop_is_ended_and_named(monkeypatch):
    monkeypatch.setattr(virtual_clock, "PATIENCE", 1.1)

    async def body(lite):
        async with lite.client() as client:
            with pytest.raises(NeverEndsError, match=r"test_orchestrator\.py:\d+: body\(\) has blocked the event loop"):
                SYSTEM_CLOCK.sleep_blocking(30)
            assert await client.workers.list() == []

    virtually(body)


def test_a_skill_that_blocks_the_event_loop_is_ended_and_named(monkeypatch):
    monkeypatch.setattr(virtual_clock, "PATIENCE", 1.1)

    @skill(name="greet")
    async def blocking(name: str) -> None:
        SYSTEM_CLOCK.sleep_blocking(30)

    async def body(lite):
        lite.add(greet_flow())
        async with lite.working(Worker("blocking", skills=[blocking])), lite.client() as client:
            job = await client.jobs.submit("greet", NAME)
            with pytest.raises(NeverEndsError, match=r"test_orchestrator\.py:\d+: blocking\(\) has blocked the event"):
                await job.result()

    began = SYSTEM_CLOCK.monotonic()
    virtually(body)
    assert SYSTEM_CLOCK.monotonic() - began < 15


def test_a_turn_of_the_loop_that_ends_in_time_is_left_alone(monkeypatch):
    monkeypatch.setattr(virtual_clock, "PATIENCE", 2.0)

    async def body(lite):
        async with lite.client() as client:
            SYSTEM_CLOCK.sleep_blocking(0.6)
            await lite.clock.advance(hours=1)
            SYSTEM_CLOCK.sleep_blocking(0.6)
            assert await client.workers.list() == []

    virtually(body)


def test_the_same_runs_on_the_machines_own_time():
    async def body():
        inside = Orchestrator(blueprints=[greet_flow()], store="memory")
        async with inside as lite, lite.client() as client, lite.working(worker):
            assert await (await client.jobs.submit("greet", NAME)).result() == {"message": "Hello, Ada!"}

    run(body())


def test_outside_its_block_an_orchestrator_says_what_to_do():
    async def body():
        with pytest.raises(Exception, match="async with orchestrator:"):
            await Orchestrator(store="memory").client().__aenter__()

    run(body())


def test_two_of_them_share_a_loop_one_within_the_other():
    async def body(lite):
        lite.add(greet_flow())
        async with lite.working(worker), lite.client() as client:
            async with VirtualOrchestrator([greet_flow()]) as other, other.working(worker), other.client() as theirs:
                jobs = [await each.jobs.submit("greet", NAME) for each in (client, theirs)]
                assert [await job.result() for job in jobs] == [{"message": "Hello, Ada!"}] * 2
                await other.clock.advance(hours=1)
            before = lite.clock.elapsed
            await lite.clock.advance(hours=1)
            assert lite.clock.elapsed - before == pytest.approx(3600)
            job = await client.jobs.submit("greet", NAME)
            assert await job.result() == {"message": "Hello, Ada!"}

    assert virtually(body) == []
