"""Skills that call skills, through the server of this house: failures, limits, lending, cancel, checkpoints."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel

from avtomatika_client import AsyncClient, JobFailed
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_worker import (
    CallFailedError,
    CallRefusedError,
    Context,
    NotSupportedError,
    PermanentError,
    TransientError,
    Worker,
    skill,
)
from orchestrator_lite import Blueprint, Orchestrator
from orchestrator_lite.testing import NeverEndsError
from tests.conftest import run
from tests.server.flows import ending
from tests.worker._peer import Peer
from tests.worker._setup import working
from tests.worker.test_way import a_task


def agency() -> Blueprint:
    """A job that has the skill `agent` run with its data."""
    flow = Blueprint("agency", api_endpoint="/jobs/agency")

    @flow.handler(is_start=True)
    async def start(initial_data: Any, actions: Any) -> None:
        actions.dispatch_task("agent", params=initial_data, transitions={"success": "finished", "failure": "failed"})

    return ending(flow, "finished", "failed")


@asynccontextmanager
async def house(*workers: Worker):
    """The server and these workers over real sockets; gives the client."""
    async with AsyncExitStack() as stack:
        lite = await stack.enter_async_context(Orchestrator([agency()], store="memory").listening(port=0))
        for worker in workers:
            await stack.enter_async_context(lite.working(worker))
        yield await stack.enter_async_context(AsyncClient(lite.url))


@skill
async def double(n: int) -> int:
    return 2 * n


class Query(BaseModel):
    n: int


async def test_a_skill_calls_another_and_gets_what_it_returns(orchestrator):
    @skill
    async def agent(n: int, ctx: Context) -> list[Any]:
        return [await ctx.call("double", {"n": n}), await ctx.call("double", Query(n=5))]

    orchestrator.add(agency())
    worker = Worker("w", skills=[agent, double], max_concurrent_tasks=2)
    async with orchestrator.working(worker), orchestrator.client() as client:
        job = await client.jobs.submit("agency", {"n": 21})
        assert await job.result() == [42, 10]
        calls = [found.state async for found in client.jobs.list(blueprint="skill:double")]
        assert len(calls) == 2
        assert calls[0].status == "finished"


@pytest.mark.parametrize("plain", [False, True])
async def test_an_agent_and_its_tool_share_one_slot(orchestrator, plain: bool):
    """The slot is lent while the agent waits; so is, for plain functions, the thread."""

    @skill(name="tool")
    def tool(n: int) -> int:
        return n + 1

    if plain:

        @skill(name="agent")
        def agent(n: int, ctx: Context) -> int:
            return ctx.blocking.call("tool", {"n": n}) + ctx.blocking.call("tool", {"n": n})
    else:

        @skill(name="agent")
        async def agent(n: int, ctx: Context) -> int:
            return sum(await asyncio.gather(*(ctx.call("tool", {"n": n}) for _ in range(2))))

    orchestrator.add(agency())
    worker = Worker("w", skills=[agent, tool], max_concurrent_tasks=1)
    async with orchestrator.working(worker), orchestrator.client() as client:
        jobs = [await client.jobs.submit("agency", {"n": n}) for n in range(5)]
        assert [await job.result() for job in jobs] == [2, 4, 6, 8, 10]


async def test_time_goes_on_while_a_plain_function_waits_for_its_call(orchestrator):
    """A thread holds a virtual clock; one that only waits for the loop must not."""

    @skill
    async def tool() -> str:
        await SYSTEM_CLOCK.sleep(3600)
        return "an hour later"

    @skill
    def agent(ctx: Context) -> Any:
        return ctx.blocking.call("tool")

    orchestrator.add(agency())
    worker = Worker("w", skills=[agent, tool], max_concurrent_tasks=1)
    async with orchestrator.working(worker), orchestrator.client() as client:
        assert await (await client.jobs.submit("agency", {})).result() == "an hour later"


async def test_a_skill_that_calls_itself_with_a_limit_of_one_never_locks_itself_out(orchestrator):
    @skill(max_concurrent=1)
    async def agent(n: int, ctx: Context) -> int:
        return 0 if n == 0 else 1 + await ctx.call("agent", {"n": n - 1})

    orchestrator.add(agency())
    async with orchestrator.working(Worker("w", skills=[agent])), orchestrator.client() as client:
        assert await (await client.jobs.submit("agency", {"n": 7})).result() == 7


async def test_calls_are_nested_eight_deep(orchestrator):
    said = []

    @skill
    async def agent(n: int, ctx: Context) -> int:
        try:
            return await ctx.call("agent", {"n": n + 1})
        except CallRefusedError as error:
            said.append(error.message)
            return n

    orchestrator.add(agency())
    async with orchestrator.working(Worker("w", skills=[agent])), orchestrator.client() as client:
        assert await (await client.jobs.submit("agency", {"n": 0})).result() == 8
    assert said == ["Calls may be nested 8 deep"]


async def test_slots_are_taken_back_before_an_agent_goes_on(orchestrator):
    """With one slot, agent and tool never run their own code at the same time."""
    busy = []

    async def works(seconds: float) -> None:
        busy.append(1)
        assert len(busy) == 1
        await SYSTEM_CLOCK.sleep(seconds)
        busy.pop()

    @skill
    async def tool() -> None:
        await works(1)

    @skill
    async def agent(ctx: Context) -> None:
        await works(1)
        await ctx.call("tool")
        await works(1)

    orchestrator.add(agency())
    worker = Worker("w", skills=[agent, tool], max_concurrent_tasks=1)
    async with orchestrator.working(worker), orchestrator.client() as client:
        jobs = [await client.jobs.submit("agency", {}) for _ in range(3)]
        for job in jobs:
            await job.result()


async def test_what_has_begun_ends_before_more_is_begun(orchestrator):
    """A lent slot takes the tool's task first: twenty agents in the queue do not all begin at once."""
    begun, most = set(), 0

    @skill
    async def tool() -> None: ...

    @skill
    async def agent(n: int, ctx: Context) -> None:
        nonlocal most
        begun.add(n)
        most = max(most, len(begun))
        await ctx.call("tool")
        begun.discard(n)

    orchestrator.add(agency())
    worker = Worker("w", skills=[agent, tool], max_concurrent_tasks=1)
    async with orchestrator.client() as client:
        jobs = [await client.jobs.submit("agency", {"n": n}) for n in range(20)]
        async with orchestrator.working(worker):
            for job in jobs:
                await job.result()
    assert most <= 2


async def test_a_failed_call_says_whose_and_why(orchestrator):
    caught = []

    @skill
    async def tool() -> None:
        raise PermanentError("no paper", details={"tray": 2})

    @skill
    async def agent(ctx: Context) -> None:
        try:
            await ctx.call("tool")
        except CallFailedError as error:
            caught.append(error)
            raise

    orchestrator.add(agency())
    async with orchestrator.working(Worker("w", skills=[agent, tool])), orchestrator.client() as client:
        job = await client.jobs.submit("agency", {})
        await job.wait()
    (error,) = caught
    assert (error.skill, error.status) == ("tool", "failed")
    assert error.error == {"code": "PERMANENT_ERROR", "message": "no paper", "details": {"tray": 2}}
    assert "no paper" in str(error)
    assert job.state.error["code"] == "DEPENDENCY_ERROR"


async def test_a_call_is_tried_again_as_any_task(orchestrator):
    tries = []

    @skill
    async def tool() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise TransientError("not yet")
        return len(tries)

    @skill
    async def agent(ctx: Context) -> Any:
        return await ctx.call("tool")

    orchestrator.add(agency())
    async with orchestrator.working(Worker("w", skills=[agent, tool])), orchestrator.client() as client:
        assert await (await client.jobs.submit("agency", {})).result() == 3


async def test_a_call_has_a_time_of_its_own(orchestrator):
    @skill
    async def tool() -> None:
        await SYSTEM_CLOCK.sleep(3600)

    @skill
    async def agent(ctx: Context) -> str:
        with pytest.raises(CallFailedError) as caught:
            await ctx.call("tool", timeout=5)
        return str(caught.value.error["code"])

    orchestrator.add(agency())
    async with orchestrator.working(Worker("w", skills=[agent, tool])), orchestrator.client() as client:
        assert await (await client.jobs.submit("agency", {})).result() == "TIMEOUT_ERROR"


async def test_a_skill_nobody_ever_published_is_refused(orchestrator):
    @skill
    async def agent(ctx: Context) -> None:
        await ctx.call("nobody's")

    orchestrator.add(agency())
    async with orchestrator.working(Worker("w", skills=[agent])), orchestrator.client() as client:
        job = await client.jobs.submit("agency", {})
        with pytest.raises(JobFailed, match="published"):
            await job.result()
        assert job.state.error["code"] == "PERMANENT_ERROR"


@pytest.mark.parametrize("params", [{"n": float("nan")}, {"n": object()}, [1]])
async def test_params_that_are_no_json_object_are_refused_where_they_stand(orchestrator, params: Any):
    @skill
    async def agent(ctx: Context) -> None:
        with pytest.raises((ValueError, TypeError)):
            await ctx.call("double", params)

    orchestrator.add(agency())
    async with orchestrator.working(Worker("w", skills=[agent, double])), orchestrator.client() as client:
        await (await client.jobs.submit("agency", {})).result()
        assert len([job async for job in client.jobs.list()]) == 1


async def test_cancelling_a_job_cancels_what_its_task_has_called(orchestrator):
    ended = []

    @skill
    async def tool() -> None:
        try:
            await SYSTEM_CLOCK.sleep(3600)
        finally:
            ended.append("tool")

    @skill
    async def agent(ctx: Context) -> None:
        try:
            await ctx.call("tool")
        finally:
            ended.append("agent")

    orchestrator.add(agency())
    worker = Worker("w", skills=[agent, tool], max_concurrent_tasks=1)
    async with orchestrator.working(worker), orchestrator.client() as client:
        job = await client.jobs.submit("agency", {})
        await SYSTEM_CLOCK.sleep(10)
        await job.cancel()
        await job.wait()
        (call,) = [found async for found in client.jobs.list(blueprint="skill:tool")]
        await call.wait()
        assert (job.status, call.status) == ("cancelled", "cancelled")
    assert sorted(ended) == ["agent", "tool"]


async def test_a_call_nobody_waits_for_any_longer_is_cancelled(orchestrator):
    @skill
    async def tool() -> None:
        await SYSTEM_CLOCK.sleep(3600)

    @skill
    async def agent(ctx: Context) -> str:
        try:
            async with SYSTEM_CLOCK.timeout(5):
                await ctx.call("tool")
        except TimeoutError:
            await SYSTEM_CLOCK.sleep(5)
            return "gone on"
        return "?"

    orchestrator.add(agency())
    async with orchestrator.working(Worker("w", skills=[agent, tool])), orchestrator.client() as client:
        job = await client.jobs.submit("agency", {})
        assert await job.result() == "gone on"
        (call,) = [found async for found in client.jobs.list(blueprint="skill:tool")]
        assert (await call.refresh()).status == "cancelled"
        assert call.state.updated_at < job.state.updated_at


async def test_an_attempt_that_is_tried_again_leaves_no_call_behind(orchestrator):
    begun = []

    @skill
    async def tool(n: int) -> int:
        if n == 1:
            await SYSTEM_CLOCK.sleep(3600)
        return n

    @skill
    async def agent(ctx: Context) -> Any:
        begun.append(asyncio.create_task(ctx.call("tool", {"n": ctx.attempt})))
        if ctx.attempt == 1:
            await SYSTEM_CLOCK.sleep(1)
            raise TransientError("once more")
        return await begun[-1]

    orchestrator.add(agency())
    async with orchestrator.working(Worker("w", skills=[agent, tool])), orchestrator.client() as client:
        assert await (await client.jobs.submit("agency", {})).result() == 2
        states = {found.state.status async for found in client.jobs.list(blueprint="skill:tool")}
        assert states == {"cancelled", "finished"}
        begun[0].cancel()
        await asyncio.wait(begun)


async def test_a_worker_that_drains_hands_back_an_agent_whose_tool_does_not_come(orchestrator):
    @skill
    async def agent(ctx: Context) -> list[Any]:
        return [ctx.attempt, await ctx.call("double", {"n": 4})]

    orchestrator.add(agency())
    async with orchestrator.client() as client:
        async with orchestrator.working(Worker("tools", skills=[double])):
            pass
        async with orchestrator.working(Worker("agents", skills=[agent])):
            job = await client.jobs.submit("agency", {})
            while not [call async for call in client.jobs.list(blueprint="skill:double")]:
                await SYSTEM_CLOCK.sleep(0.1)
        async with orchestrator.working(Worker("both", skills=[agent, double], max_concurrent_tasks=1)):
            assert await job.result() == [2, 8]
        states = [str(call.status) async for call in client.jobs.list(blueprint="skill:double")]
        assert sorted(states) == ["cancelled", "finished"]


async def test_a_wait_for_a_tool_that_never_comes_names_it(orchestrator):
    @skill
    async def agent(ctx: Context) -> Any:
        return await ctx.call("double", {"n": 4})

    orchestrator.add(agency())
    async with orchestrator.client() as client:
        async with orchestrator.working(Worker("tools", skills=[double])):
            pass
        async with orchestrator.working(Worker("agents", skills=[agent])):
            job = await client.jobs.submit("agency", {})
            with pytest.raises(NeverEndsError, match=r"no worker offers skill 'double'.*waits for 1 call"):
                await job.result()


async def test_a_lost_answer_begins_no_second_job(orchestrator):
    @skill
    async def agent(ctx: Context) -> Any:
        return await ctx.call("double", {"n": 2})

    orchestrator.add(agency())
    async with orchestrator.working(Worker("w", skills=[agent, double])), orchestrator.client() as client:
        orchestrator.faults.drop_response("POST /_worker/tasks/*/calls", times=2)
        orchestrator.faults.drop_response("GET /_worker/tasks/*/calls/*", times=2)
        assert await (await client.jobs.submit("agency", {})).result() == 4
        assert len([found async for found in client.jobs.list(blueprint="skill:double")]) == 1


def test_servers_without_calls_are_named():
    """W12: never a success that is none."""

    @skill(name="work")
    async def work(ctx: Context) -> None:
        with pytest.raises(NotSupportedError, match="checkpoints"):
            await ctx.checkpoint(1)
        await ctx.call("tool")

    async def body() -> None:
        async with working(peer, skills=[work]):
            peer.hand_out(a_task())
            await peer.until(lambda: peer.results)

    with Peer() as peer:
        run(body())
    assert peer.results[0]["error"]["code"] == "PERMANENT_ERROR"
    assert "does not offer calls" in peer.results[0]["error"]["message"]


def test_a_thread_that_waits_is_released_by_a_cancel():
    inside = threading.Event()

    @skill(name="tool")
    async def tool() -> None:
        inside.set()
        await SYSTEM_CLOCK.sleep(3600)

    @skill(name="agent")
    def agent(ctx: Context) -> None:
        ctx.blocking.call("tool")

    async def body() -> None:
        async with house(Worker("w", skills=[agent, tool], max_concurrent_tasks=1)) as client:
            job = await client.jobs.submit("agency", {})
            while not inside.is_set():
                await SYSTEM_CLOCK.sleep(0.01)
            await job.cancel()
            await job.wait(timeout=20)
            assert job.status == "cancelled"

    run(body())


async def test_a_checkpoint_is_there_for_the_next_attempt(orchestrator):
    seen = []

    @skill
    async def agent(ctx: Context) -> Any:
        seen.append(ctx.last_checkpoint)
        await ctx.checkpoint({"done": ctx.attempt})
        assert ctx.last_checkpoint == {"done": ctx.attempt}
        if ctx.attempt < 3:
            raise TransientError("on we go")
        return ctx.last_checkpoint

    orchestrator.add(agency())
    async with orchestrator.working(Worker("w", skills=[agent])), orchestrator.client() as client:
        assert await (await client.jobs.submit("agency", {})).result() == {"done": 3}
    assert seen == [None, {"done": 1}, {"done": 2}]


async def test_plain_functions_leave_checkpoints_too(orchestrator):
    @skill
    def agent(ctx: Context) -> Any:
        if ctx.attempt == 1:
            ctx.blocking.checkpoint([1, 2])
            raise TransientError
        return ctx.last_checkpoint

    orchestrator.add(agency())
    async with orchestrator.working(Worker("w", skills=[agent])), orchestrator.client() as client:
        assert await (await client.jobs.submit("agency", {})).result() == [1, 2]


@pytest.mark.parametrize("value", [object(), "x" * (1024 * 1024)])
async def test_a_checkpoint_that_cannot_be_kept_says_so(orchestrator, value: object):
    @skill
    async def agent(ctx: Context) -> None:
        with pytest.raises(ValueError, match="checkpoint"):
            await ctx.checkpoint(value)

    orchestrator.add(agency())
    async with orchestrator.working(Worker("w", skills=[agent])), orchestrator.client() as client:
        await (await client.jobs.submit("agency", {})).result()


def test_a_plain_function_is_told_what_to_call():
    ctx = Context(task_id="t", job_id="j", skill="s")
    assert ctx.last_checkpoint is None
    with pytest.raises(NotSupportedError, match="belongs to no orchestrator"):
        ctx.blocking.call("tool")
