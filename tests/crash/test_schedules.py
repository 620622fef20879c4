"""Schedules of a server that is killed again and again: every time has one job."""

from __future__ import annotations

import random
from datetime import datetime

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from tests.conftest import run
from tests.crash.site import Site


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.close()


async def dues(client) -> list[str]:
    """When the jobs there are were due."""
    return sorted([(await client.jobs.get(job.id)).state.metadata["due"] async for job in client.jobs.list(limit=500)])


def test_a_server_that_is_killed_again_and_again_runs_every_second_once(site):
    async def scenario() -> None:
        chance = random.Random(7)
        site.start_server()
        await site.serving()
        async with site.client() as client:
            for name in ("one", "two", "three"):
                await client.schedules.create(name, "single", {"n": 1}, cron="* * * * * *", catch_up="all")
            for _ in range(5):
                # around the full second, when jobs and notes of them are written
                now = SYSTEM_CLOCK.now()
                await SYSTEM_CLOCK.sleep(1 - now % 1 + chance.uniform(0.0, 0.02))
                site.kill_server()
                site.start_server()
                await site.serving()
            await SYSTEM_CLOCK.sleep(1.1)
            for schedule in await client.schedules.list():
                await client.schedules.pause(schedule.name)
            found = await dues(client)
        moments = [datetime.fromisoformat(due).timestamp() for due in found]
        first, last = min(moments), max(moments)
        assert last - first >= 5
        for moment in sorted(set(moments))[1:-1]:
            assert moments.count(moment) == 3, found
        assert len(set(moments)) == last - first + 1, found

    run(scenario())
