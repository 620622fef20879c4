"""The worker and the server of this house, over real sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from avtomatika_client import AsyncClient
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_worker import Context, SupersededError, TransientError, Worker, skill
from avtomatika_worker._definition import RunOptions
from avtomatika_worker._run import Run, running
from orchestrator_lite import Blueprint, Orchestrator
from tests.conftest import run


def blueprint() -> Blueprint:
    flow = Blueprint("flow", api_endpoint="/jobs/flow")

    @flow.handler(is_start=True)
    async def start(initial_data: Any, actions: Any) -> None:
        actions.dispatch_task("work", params=initial_data, transitions={"success": "finished", "odd": "oddly"})

    @flow.handler(is_end=True)
    async def finished() -> None: ...

    @flow.handler(is_end=True, status="finished")
    async def oddly() -> None: ...

    return flow


async def ended(job: Any) -> str:
    return str((await job.wait(timeout=20)).status)


def test_a_job_runs_and_its_progress_and_result_are_seen():
    seen = asyncio.Event()

    @skill(name="work")
    async def work(name: str, ctx: Context) -> dict[str, str]:
        await ctx.progress(0.5, "half way")
        await seen.wait()
        return {"message": f"Hello, {name}!"}

    async def body() -> None:
        async with Orchestrator([blueprint()], store="memory").listening(port=0) as lite:
            worker = Worker("w", skills=[work], orchestrators=lite.url, journal=None)
            async with worker, AsyncClient(lite.url) as client:
                job = await client.jobs.submit("flow", {"name": "Ada"})
                while (await job.refresh()).state.progress != 0.5:
                    await SYSTEM_CLOCK.sleep(0.01)
                seen.set()
                assert await job.result(timeout=10) == {"message": "Hello, Ada!"}

    run(body())


@pytest.mark.parametrize("socket", [True, False])
def test_a_cancelled_job_ends_when_its_skill_has_ended(socket: bool):
    inside = asyncio.Event()
    cleaned = []

    @skill(name="work")
    async def work() -> None:
        try:
            inside.set()
            await SYSTEM_CLOCK.sleep(60)
        finally:
            await SYSTEM_CLOCK.sleep(0.05)
            cleaned.append(True)

    async def body() -> None:
        async with Orchestrator([blueprint()], store="memory").listening(port=0) as lite:
            worker = Worker("w", skills=[work], orchestrators=lite.url, journal=None)
            async with AsyncClient(lite.url) as client, running(worker.definition(), RunOptions()) as run_:
                link = run_.hub.links[lite.url]
                job = await client.jobs.submit("flow", {})
                await inside.wait()
                while link._channel._socket is None:
                    await SYSTEM_CLOCK.sleep(0.01)
                if not socket:
                    link._channel._on_command = lambda _: None
                await job.cancel()
                if not socket:
                    run_.hub.beat(lite.url)
                assert await ended(job) == "cancelled"
                assert cleaned

    run(body())


def test_a_transient_failure_is_tried_again_with_a_higher_attempt():
    attempts = []

    @skill(name="work")
    async def work(ctx: Context) -> str:
        attempts.append(ctx.attempt)
        if len(attempts) < 3:
            raise TransientError("not yet")
        return "done"

    async def body() -> None:
        async with Orchestrator([blueprint()], store="memory").listening(port=0) as lite:
            worker = Worker("w", skills=[work], orchestrators=lite.url, journal=None)
            async with worker, AsyncClient(lite.url) as client:
                job = await client.jobs.submit("flow", {})
                assert await ended(job) == "finished"

    run(body())
    assert attempts == sorted(attempts)
    assert len(attempts) == 3


def test_an_interrupted_task_goes_to_the_next_worker_without_burning_an_attempt():
    attempts = []
    inside = asyncio.Event()

    @skill(name="work")
    async def work(ctx: Context) -> str:
        attempts.append(ctx.attempt)
        inside.set()
        if len(attempts) == 1:
            await SYSTEM_CLOCK.sleep(60)
        return "done"

    async def body() -> None:
        async with (
            Orchestrator([blueprint()], store="memory").listening(port=0) as lite,
            AsyncClient(lite.url) as client,
        ):
            worker = Worker("w", skills=[work], orchestrators=lite.url, journal=None)
            job = await client.jobs.submit("flow", {})
            async with running(worker.definition(), RunOptions(grace=0.05)):
                await inside.wait()
            async with worker:
                assert await ended(job) == "finished"

    run(body())
    assert len(attempts) == 2


def test_a_drain_does_not_wait_for_the_servers_hold():
    async def body() -> None:
        async with Orchestrator([blueprint()], store="memory").listening(port=0) as lite:
            worker = Worker("w", orchestrators=lite.url, journal=None)
            async with running(worker.definition(), RunOptions()) as run_:
                while not run_.hub.links[lite.url]._polling:
                    await SYSTEM_CLOCK.sleep(0.01)
                began = SYSTEM_CLOCK.monotonic()
            assert SYSTEM_CLOCK.monotonic() - began < 5

    run(body())


def test_the_older_of_two_starts_with_one_id_stops():
    @skill(name="work")
    async def work() -> int:
        return 1

    async def body() -> None:
        async with (
            Orchestrator([blueprint()], store="memory").listening(port=0) as lite,
            AsyncClient(lite.url) as client,
        ):
            worker = Worker("w", worker_id="same", skills=[work], orchestrators=lite.url, journal=None)
            options = RunOptions(fleeting=True)
            older = Run(worker.definition(), options)
            serving = asyncio.create_task(older.serve())
            await older.started.wait()
            while not older.hub.links[lite.url].session.known:
                await SYSTEM_CLOCK.sleep(0.01)
            async with running(worker.definition(), options):
                with pytest.raises(SupersededError):
                    await serving
                job = await client.jobs.submit("flow", {})
                assert await job.result(timeout=10) == 1

    run(body())


def test_a_task_runs_no_longer_than_its_blueprint_allows():
    flow = Blueprint("short", api_endpoint="/jobs/short")

    @flow.handler(is_start=True)
    async def start(actions: Any) -> None:
        actions.dispatch_task("work", transitions={"TIMEOUT_ERROR": "finished"}, timeout_seconds=0.05, priority=1)

    @flow.handler(is_end=True)
    async def finished() -> None: ...

    @skill(name="work")
    async def work(ctx: Context) -> None:
        remaining = ctx.remaining()
        assert remaining is not None
        assert remaining <= 0.05
        await asyncio.Event().wait()

    async def body() -> None:
        async with Orchestrator([flow], store="memory").listening(port=0) as lite:
            worker = Worker("w", skills=[work], orchestrators=lite.url, journal=None)
            async with worker, AsyncClient(lite.url) as client:
                job = await client.jobs.submit("short", {})
                assert await ended(job) == "finished"
                events = [event.event_type for event in await job.history()]
                assert events.count("worker_event:task_retry") == 3

    run(body())
