"""Files in virtual time: hours pass between two transfers, none passes under one; faults are outlived."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from avtomatika_worker import Context, Worker, skill
from orchestrator_lite import Blueprint

SIZE = 3_000_000

flow = Blueprint("flow", api_endpoint="/jobs/flow")


@flow.handler(is_start=True)
async def start(actions: Any) -> None:
    actions.dispatch_task("work", params={}, transitions={"success": "finished", "failure": "failed"})


@flow.handler(is_end=True)
async def finished(task_files: Any) -> int:
    return len(await task_files.read_bytes("out"))


@flow.handler(is_end=True)
async def failed() -> None: ...


@skill(name="work")
async def slow(ctx: Context) -> None:
    path = await ctx.files.download("in")
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(3000, event.set)
    await event.wait()
    await ctx.files.upload("out", path)


@skill(name="work")
def plain(ctx: Context) -> None:
    ctx.files.blocking.upload("out", ctx.files.blocking.download("in"))


@pytest.mark.parametrize(("work", "seconds"), [(slow, 3000), (plain, 0)])
async def test_no_time_passes_under_a_transfer(orchestrator, work, seconds, tmp_path):
    orchestrator.add(flow)
    path = tmp_path / "in"
    path.write_bytes(b"x" * SIZE)
    async with orchestrator.working(Worker("w", skills=[work])), orchestrator.client() as client:
        began = orchestrator.clock.monotonic()
        job = await client.jobs.submit("flow", {}, files={"in": path, "other": b"123"})
        assert await job.result() == SIZE
        assert seconds <= orchestrator.clock.monotonic() - began < seconds + 5
        told: list[tuple[int, int | None]] = []
        fetched = await job.files.download("out", to=tmp_path, on_progress=lambda *at: told.append(at))
        assert fetched.stat().st_size == SIZE
        assert told[-1] == (SIZE, SIZE)
        assert [file.name for file in await job.files.list()] == ["in", "other", "out"]
        assert await job.files.download("other") == b"123"


async def test_faults_on_the_way_are_outlived(orchestrator):
    orchestrator.add(flow)
    orchestrator.faults.drop_response("PUT /api/*")
    orchestrator.faults.drop_response("POST /api/*/release")
    orchestrator.faults.status(503, "GET /_worker/jobs/*")
    orchestrator.faults.drop_request("PUT /_worker/jobs/*")
    async with orchestrator.working(Worker("w", skills=[slow])), orchestrator.client() as client:
        job = await client.jobs.submit("flow", {}, files={"in": b"123"})
        assert await job.result() == 3
