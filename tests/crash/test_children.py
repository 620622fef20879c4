"""Jobs that begin jobs, and agents, through kill -9 of the server and of the worker."""

from __future__ import annotations

import random

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from tests.conftest import run
from tests.crash.site import PATIENCE, Site, check


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.mark.parametrize("seed", range(3))
def test_parents_and_children_survive_the_server(site, seed):
    """Killed three times at any moment: every parent ends, and has begun each child once."""

    async def scenario() -> None:
        chance = random.Random(seed)
        site.start_server()
        await site.serving()
        site.start_worker()
        async with site.client() as client:
            for n in range(20):
                assert await site.submit(client, "lineage", {"n": n})
            for _ in range(3):
                await SYSTEM_CLOCK.sleep(chance.random() * 0.3)
                site.kill_server()
                site.start_server()
                await site.serving()
            await check(site, client)
            jobs = [job async for job in client.jobs.list(limit=100)]
            assert len(jobs) == 3 * 20
            assert {str(job.status) for job in jobs} == {"finished"}

    run(scenario())


def test_a_killed_agent_goes_on_from_its_checkpoint(site):
    async def scenario() -> None:
        site.start_server()
        await site.serving()
        site.start_worker()
        async with site.client() as client:
            assert await site.submit(client, "agency", {"steps": 5, "stops_at": 3})
            await site.until((site.folder / "half_way").exists, "three checkpoints")
            site.kill_worker()
            site.start_worker()
            (job_id,) = site.accepted
            job = client.jobs.handle(job_id)
            assert await job.result(timeout=PATIENCE) == {"n": 5, "attempts": [1, 2]}
            calls = [call async for call in client.jobs.list(blueprint="skill:work")]
            assert len(calls) == 5

    run(scenario())


@pytest.mark.parametrize("seed", range(2))
def test_calls_outlast_the_server(site, seed):
    """The agent does not notice; no call is made twice."""

    async def scenario() -> None:
        chance = random.Random(seed)
        site.start_server()
        await site.serving()
        site.start_worker()
        async with site.client() as client:
            for _ in range(3):
                assert await site.submit(client, "agency", {"steps": 10, "stops_at": 99})
            await site.until(lambda: site.runs()[0].total() >= chance.randint(1, 20), "some calls begun")
            site.kill_server()
            site.start_server()
            await site.serving()
            await check(site, client)
            jobs = [client.jobs.handle(job_id) for job_id in site.accepted]
            assert [(await job.result())["attempts"] for job in jobs] == [[1]] * 3
            assert len([call async for call in client.jobs.list(blueprint="skill:work")]) == 30

    run(scenario())
