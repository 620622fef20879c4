"""A server that was held up itself does not take its own silence for that of its workers."""

from __future__ import annotations

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from tests._support.house import serving
from tests.conftest import run
from tests.server.flows import greet


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
