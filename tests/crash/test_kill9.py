"""A crash loses nothing: real processes, kill -9, the same files again."""

from __future__ import annotations

import asyncio
import random

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from tests.conftest import run
from tests.crash.site import Site, check


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.close()


def ran_once(site: Site, tasks: dict[str, list[str]]) -> None:
    begun, _ = site.runs()
    assert {task_id: begun[task_id] for of_job in tasks.values() for task_id in of_job if begun[task_id] != 1} == {}


@pytest.mark.parametrize("seed", range(4))
def test_every_202_is_kept_when_the_server_is_killed_during_submission(site, seed):
    async def scenario() -> None:
        chance = random.Random(seed)
        site.start_server()
        await site.serving()
        site.start_worker()
        async with site.client() as client:
            submits = [
                asyncio.create_task(site.submit(client, chance.choice(["single", "several"]), {"n": n}))
                for n in range(60)
            ]
            moment = chance.randint(3, 30)
            await site.until(lambda: len(site.accepted) >= moment, "some jobs accepted")
            site.kill_server()
            answered = await asyncio.gather(*submits)
            assert not all(answered), "the server was killed too late to matter"
            site.start_server()
            await site.serving()
            ran_once(site, await check(site, client))

    run(scenario())


@pytest.mark.parametrize("seed", range(3))
def test_tasks_that_workers_hold_survive_the_server(site, seed):
    async def scenario() -> None:
        chance = random.Random(100 + seed)
        site.start_server()
        await site.serving()
        site.start_worker()
        async with site.client() as client:
            for n in range(4):
                assert await site.submit(client, chance.choice(["single", "several"]), {"n": n, "gated": True})
            held = chance.randint(1, 4)
            await site.until(lambda: len(site.runs()[0]) >= held, "tasks leased and begun")
            site.kill_server()
            if chance.random() < 0.5:
                site.open_gate()
            site.start_server()
            await site.serving()
            site.open_gate()
            ran_once(site, await check(site, client))

    run(scenario())


@pytest.mark.parametrize("seed", range(3))
def test_results_in_flight_survive_the_server(site, seed):
    async def scenario() -> None:
        chance = random.Random(200 + seed)
        site.start_server()
        await site.serving()
        site.start_worker()
        async with site.client() as client:
            for n in range(8):
                assert await site.submit(client, "single", {"n": n, "gated": True})
            await site.until(lambda: len(site.runs()[0]) >= 8, "all tasks begun")
            site.open_gate()
            ended = chance.randint(1, 8)
            await site.until(lambda: site.runs()[1].total() >= ended, "results on their way")
            await SYSTEM_CLOCK.sleep(chance.random() * 0.02)
            site.kill_server()
            site.start_server()
            await site.serving()
            ran_once(site, await check(site, client))

    run(scenario())


@pytest.mark.parametrize("seed", range(3))
def test_results_in_the_journal_survive_the_worker(site, seed):
    async def scenario() -> None:
        chance = random.Random(300 + seed)
        site.start_server()
        await site.serving()
        site.start_worker()
        async with site.client() as client:
            for n in range(8):
                assert await site.submit(client, "single", {"n": n, "gated": True})
            await site.until(lambda: len(site.runs()[0]) >= 8, "all tasks begun")
            site.kill_server()
            site.open_gate()
            wanted = chance.randint(2, 8)
            await site.until(lambda: len(site.journal()) >= wanted, "results in the journal")
            site.kill_worker()
            journaled = site.journal()
            first, second = (site.start_server, site.start_worker)[:: chance.choice([1, -1])]
            first()
            second()
            await site.serving()
            tasks = await check(site, client)
            begun, _ = site.runs()
            assert {task_id: begun[task_id] for task_id in journaled if begun[task_id] != 1} == {}
            assert journaled <= {task_id for of_job in tasks.values() for task_id in of_job}

    run(scenario())


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_worker_loses_no_job(site, seed):
    async def scenario() -> None:
        chance = random.Random(400 + seed)
        site.start_server()
        await site.serving()
        site.start_worker()
        async with site.client() as client:
            for n in range(20):
                assert await site.submit(client, "single", {"n": n})
            await site.until(lambda: site.runs()[0].total() >= chance.randint(1, 15), "some tasks begun")
            site.kill_worker()
            site.start_worker()
            await check(site, client)

    run(scenario())
