"""How much of its jobs a server keeps in memory."""

from __future__ import annotations

from orchestrator_lite.runtime import jobs
from tests._support.house import serving
from tests.conftest import run
from tests.server.flows import greet


def test_heavy_jobs_are_not_all_kept_in_memory(monkeypatch):
    monkeypatch.setattr(jobs, "HEAVIEST", 100_000)

    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            ids = [await house.create("/jobs/greet", {"name": "x" * 30_000}) for _ in range(10)]
            kept = house.lite._site.core._runner.jobs
            assert len(kept._live) == 1
            for job_id in ids:
                await worker.answer(await worker.task(), data={"message": "hello"})
                assert (await house.ended(job_id))["result"] == {"message": "hello"}
            assert kept._size == sum(kept._sizes.values()) <= 100_000
            assert kept._sizes.keys() == kept._live.keys()

    run(body())


def test_a_job_heavier_than_what_is_kept_is_served_all_the_same(monkeypatch):
    monkeypatch.setattr(jobs, "HEAVIEST", 1)

    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet", {"name": "Ada"})
            await worker.answer(await worker.task(), data={"message": "hello"})
            assert (await house.ended(job_id))["status"] == "finished"

    run(body())
