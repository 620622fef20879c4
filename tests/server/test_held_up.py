"""A server that was held up itself does not take its own silence for that of its workers."""

from __future__ import annotations

import asyncio

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.runtime.timekeeper import OVERSLEPT, Timekeeper
from tests._support.house import serving
from tests.conftest import run
from tests.server.flows import greet
from tests.store.dict_store import DictStore


def test_a_server_that_could_not_listen_gives_leases_a_fresh_window(caplog):
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet", incarnation="a")
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            SYSTEM_CLOCK.sleep_blocking(7.2)  # nothing is heard or said; the task is to be acknowledged within 5 s
            await house.settled()
            await (await house.registered("w2", "greet", incarnation="b")).nothing()
            assert (await house.job(job_id))["task_worker_id"] == "w1"
            await worker.answer(task)
            assert (await house.ended(job_id))["status"] == "finished"
            assert not [event for event in await house.event_types(job_id) if "lease" in event]

    run(body())
    assert [record for record in caplog.records if "held up" in record.getMessage()]


@pytest.mark.parametrize("when", ["in its shortest rest", "in a long rest", "before hearing of a lease"])
def test_it_is_known_whenever_the_server_is_held_up(when):
    async def body():
        store, looked, told = DictStore(), asyncio.Event(), asyncio.Event()
        await store.open()

        async def look():
            looked.set()

        async def overslept():
            told.set()

        async def nothing_is_due(_):
            raise AssertionError

        keeper = Timekeeper(store, SYSTEM_CLOCK, before=look, answer=nothing_is_due, overslept=overslept)
        running = asyncio.create_task(keeper.run())
        await looked.wait()
        if when != "in its shortest rest":
            await SYSTEM_CLOCK.sleep(0.1)
            keeper.expect(SYSTEM_CLOCK.now() + 0.1)
        if when == "in a long rest":
            await SYSTEM_CLOCK.sleep(0)
        SYSTEM_CLOCK.sleep_blocking(OVERSLEPT + 0.3)
        if when == "in its shortest rest":
            keeper.expect(SYSTEM_CLOCK.now())
        async with SYSTEM_CLOCK.timeout(10):
            await told.wait()
        running.cancel()
        await asyncio.wait((running,))

    run(body())
