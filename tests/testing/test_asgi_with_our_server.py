"""The real server, client and worker over the transport without a network, with and without faults."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from avtomatika_client import APIConnectionError, AsyncClient, ServerError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_worker import Context, Worker, skill
from avtomatika_worker._definition import RunOptions
from avtomatika_worker._run import running
from avtomatika_worker._settings import Target
from orchestrator_lite import Blueprint, Orchestrator
from orchestrator_lite.testing._faults.faults import Faults
from orchestrator_lite.testing._memory.transport import AsgiTransport
from orchestrator_lite.testing._orchestrator import VirtualOrchestrator
from tests.conftest import run

URL = "http://127.0.0.1"


def blueprint() -> Blueprint:
    flow = Blueprint("flow", api_endpoint="/jobs/flow")

    @flow.handler(is_start=True)
    async def start(initial_data: Any, actions: Any) -> None:
        actions.dispatch_task("work", params=initial_data, transitions={"success": "finished"})

    @flow.handler(is_end=True)
    async def finished() -> None: ...

    return flow


@skill(name="work")
async def work(name: str) -> dict[str, str]:
    return {"message": f"Hello, {name}!"}


@contextlib.asynccontextmanager
async def house(*skills):
    """A server, a worker where there are skills, and a client; at the end no task is left."""
    faults = Faults()
    before = asyncio.all_tasks()
    async with Orchestrator([blueprint()], store="memory") as lite:

        def connect() -> AsgiTransport:
            return AsgiTransport(lite._front, SYSTEM_CLOCK, faults=faults)

        async with contextlib.AsyncExitStack() as stack:
            transport = connect()
            stack.push_async_callback(transport.aclose)
            client = AsyncClient(URL, client_token=lite.client_token, transport=transport)
            if skills:
                targets = (Target(URL, lite.worker_token),)
                options = RunOptions(transport=connect, threads=False, fleeting=True, targets=targets)
                worker = Worker("w", skills=list(skills))
                await stack.enter_async_context(running(worker.definition(), options))
            yield client, faults
    assert asyncio.all_tasks() == before


def test_a_job_runs_and_its_progress_is_seen():
    seen = asyncio.Event()

    @skill(name="work")
    async def telling(name: str, ctx: Context) -> dict[str, str]:
        await ctx.progress(0.5, "half way")
        await seen.wait()
        return {"message": f"Hello, {name}!"}

    async def body() -> None:
        async with house(telling) as (client, _):
            job = await client.jobs.submit("flow", {"name": "Ada"})
            while (await job.refresh()).state.progress != 0.5:
                await SYSTEM_CLOCK.sleep(0.01)
            seen.set()
            assert await job.result(timeout=10) == {"message": "Hello, Ada!"}

    run(body())


def test_a_cancel_reaches_the_skill_over_the_socket():
    inside = asyncio.Event()

    @skill(name="work")
    async def endless() -> None:
        inside.set()
        await asyncio.Event().wait()

    async def body() -> None:
        async with house(endless) as (client, _):
            job = await client.jobs.submit("flow", {})
            await inside.wait()
            await job.cancel()
            assert (await job.wait(timeout=10)).status == "cancelled"

    run(body())


@pytest.mark.parametrize(
    "setting",
    [
        lambda faults: faults.drop_response("POST /_worker/tasks/result", times=2),
        lambda faults: faults.drop_request("POST /_worker/tasks/result", times=2),
        lambda faults: faults.duplicate("POST /_worker/tasks/result"),
        lambda faults: faults.status(503, "POST /_worker/*", times=2, retry_after=0.05),
        lambda faults: faults.drop_response("GET /_worker/workers/{id}/tasks/next"),
        lambda faults: faults.delay(0.05, times=20),
        lambda faults: faults.close_websocket(),
    ],
    ids=["lost ack", "lost result", "twice", "unavailable", "lost task", "slow", "cut"],
)
def test_a_job_survives_a_bad_network(setting):
    async def body() -> None:
        async with VirtualOrchestrator([blueprint()]) as lite:
            async with lite.working(Worker("w", skills=[work])), lite.client() as client:
                setting(lite.faults)
                job = await client.jobs.submit("flow", {"name": "Ada"})
                assert await job.result(timeout=60) == {"message": "Hello, Ada!"}
            lite.faults.clear()

    run(body())


def test_a_call_is_repeated_only_where_that_does_no_harm():
    async def body() -> None:
        async with house() as (client, faults):
            faults.status(429, "POST /api/v1/jobs/flow", retry_after=0.01)
            faults.drop_response("POST /api/v1/jobs/flow")
            job = await client.jobs.submit("flow", {})  # its key makes one job of both
            assert [found.id async for found in client.jobs.list()] == [job.id]
            faults.drop_request("GET /api/v1/jobs/{id}", times=2)
            assert (await job.refresh()).id == job.id
            faults.drop_response("POST /api/v1/jobs/{id}/retry")
            with pytest.raises(APIConnectionError) as caught:
                await job.retry()
            assert (caught.value.sent, caught.value.attempts) == (True, 1)
            faults.status(503, "POST /api/v1/jobs/{id}/retry")
            with pytest.raises(ServerError, match="a fault set by the test"):
                await job.retry()
            assert faults.unused() == []

    run(body())
