"""A submit that outlives its server: with a key there is one job, whatever was killed when."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import datetime

import pytest
from tenacity import stop_after_delay, wait_random

from avtomatika_client import AsyncClient, ConflictError, Retry
from tests.conftest import run
from tests.crash.site import PATIENCE, Site, check

STUBBORN = Retry(stop=stop_after_delay(PATIENCE), wait=wait_random(0.01, 0.1))


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.close()


def stubborn(site: Site) -> AsyncClient:
    return AsyncClient(site.url, client_token="dev-client-token", timeout=PATIENCE, retries=STUBBORN)


async def all_numbers(client: AsyncClient) -> Counter[int]:
    """How many jobs there are of each number."""
    jobs = [job async for job in client.jobs.list(limit=500)]
    return Counter([(await job.refresh()).state.initial_data["n"] for job in jobs])


@pytest.mark.parametrize("seed", range(2))
def test_submits_outlast_a_killed_server_and_each_is_one_job(site, seed):
    async def scenario() -> None:
        chance = random.Random(500 + seed)
        site.start_server()
        await site.serving()
        async with stubborn(site) as client:
            await client.status()  # it knows by now that the server takes keys
            done: list[str] = []

            async def submit(n: int) -> None:
                job = await client.jobs.submit("single", {"n": n})
                done.append(job.id)

            submits = [asyncio.create_task(submit(n)) for n in range(60)]
            moment = chance.randint(1, 25)
            await site.until(lambda: len(done) >= moment, "some jobs accepted")
            site.kill_server()
            site.start_server()
            await asyncio.gather(*submits)
            assert await all_numbers(client) == Counter(range(60))
            site.accepted += done
            site.start_worker()
            await check(site, client)

    run(scenario())


def test_many_submitted_at_once_outlast_a_killed_server(site):
    async def scenario() -> None:
        site.start_server()
        await site.serving()
        async with stubborn(site) as client:
            first = await client.jobs.submit("single", {"n": 1000})
            submitting = asyncio.create_task(client.jobs.submit_many("single", [{"n": n} for n in range(900)]))
            pages = client.jobs.list(limit=5)
            while len((await pages.first_page()).items) < 5:
                pass
            site.kill_server()
            site.start_server()
            jobs = await submitting
            assert len({first.id, *(job.id for job in jobs)}) == 901
            assert await all_numbers(client) == Counter([*range(900), 1000])

    run(scenario())


def test_a_key_and_a_delay_outlive_a_killed_server(site):
    async def scenario() -> None:
        site.start_server()
        await site.serving()
        async with stubborn(site) as client:
            arguments = {"delay": 4, "idempotency_key": "order-17"}
            job = await client.jobs.submit("single", {"n": 1}, **arguments)
            site.kill_server()
            site.start_server()
            await site.serving()
            assert (await client.jobs.submit("single", {"n": 1}, **arguments)).id == job.id
            with pytest.raises(ConflictError):
                await client.jobs.submit("single", {"n": 2}, **arguments)
            site.start_worker()
            assert await job.result(timeout=PATIENCE) == 1
            events = [event for event in await job.history() if event.event_type in {"job_created", "state_started"}]
            created, started = (datetime.fromisoformat(event.timestamp) for event in events[:2])
            assert (started - created).total_seconds() >= 4

    run(scenario())
