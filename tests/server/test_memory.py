"""How much of its jobs a server keeps in memory."""

from __future__ import annotations

import asyncio
import gc
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import soak
from benchmarks._line_ups import line_ups
from orchestrator_lite.runtime import jobs, keys
from tests._support.house import serving
from tests.conftest import run
from tests.server.flows import greet

if TYPE_CHECKING:
    from tests._support.house import House, RawWorker


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


async def one_of_everything(house: House, worker: RawWorker, number: int) -> None:
    """A job that finishes, with a key, watched and waited for; one that is cancelled; requests that fail."""
    headers = {"Idempotency-Key": f"key-{number}"}
    reply = await house.api("POST", "/jobs/greet", json={"initial_data": {"n": number}}, headers=headers)
    job_id = reply.json()["job_id"]
    wait = asyncio.ensure_future(house.api("GET", f"/jobs/{job_id}", params={"wait": 20}))
    task = await worker.task()
    await worker.beat(task)
    await worker.answer(task, data={"message": "hello"})
    assert (await wait).json()["status"] == "finished"
    await house.history(job_id)
    await house.api("GET", f"/jobs/{job_id}/explain")
    cancelled = await house.create("/jobs/greet", result_timeout=60)
    await house.cancel(cancelled)
    assert (await house.api("GET", f"/jobs/unknown-{number}")).status_code == 404


def test_a_job_that_has_ended_leaves_no_object_behind(monkeypatch):
    monkeypatch.setattr(jobs, "KEPT", 20)
    monkeypatch.setattr(keys, "REMEMBERED", 20)

    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet", incarnation="i1")
            counts = []
            for part in range(5):
                for number in range(100):
                    await one_of_everything(house, worker, part * 100 + number)
                gc.collect()
                counts.append(len(gc.get_objects()))
            grown = [after - before for before, after in pairwise(counts[1:])]
            assert min(grown) < 100, counts  # of a single list or dict a job it would be 100 and more each time

    run(body())


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_stays_flat_over_tens_of_thousands_of_jobs():
    """A minute or two of what `python -m benchmarks soak` does with 100,000."""
    (line_up,) = line_ups(["ours-process"], Path())
    looks = list(soak.soak(line_up, 40_000))
    for name in ("server", "worker"):
        assert looks[-1][name] - looks[soak.WARM - 1][name] < soak.BOUND, looks
