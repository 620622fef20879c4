"""Messages outlast the server that wrote them, whether it was stopped or not."""

from __future__ import annotations

import json

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite import Orchestrator, Settings
from tests._support.house import until
from tests.conftest import run
from tests.egress._peer import answering, peer
from tests.webhooks._shop import flow


def server(tmp_path):
    store = f"sqlite:///{tmp_path}/lite.db"
    return Orchestrator([flow()], store=store, settings=Settings(egress_allow=["127.0.0.1"], durability="process"))


def test_what_a_stopped_server_had_not_delivered_the_next_one_does(tmp_path):
    async def body():
        async with peer(answering()) as gone:
            port = gone.port
        async with server(tmp_path) as lite, lite.client() as client:
            jobs = [await client.jobs.submit("shop", webhook_url=f"http://127.0.0.1:{port}/") for _ in range(20)]
            core = lite._site.core
            await until(lambda: core.webhooks.counted.attempts >= 20)
        async with peer(answering(), port=port) as there, server(tmp_path) as lite, lite.client() as client:
            async for delivery in client.webhooks.deliveries(status="pending"):
                await client.webhooks.redeliver(delivery.id)
            await until(lambda: lite._site.core.webhooks.counted.delivered == 20)
            assert {json.loads(came.body)["job_id"] for came in there.received} == {job.id for job in jobs}
            assert (await lite._site.core.store.counts()).outgoing == 0

    run(body())


def test_stopping_waits_a_moment_for_what_is_under_way_and_no_longer(tmp_path):
    async def slow(got, writer):
        await SYSTEM_CLOCK.sleep(0.5 if "soon" in got.line else 60)
        await answering()(got, writer)

    async def body():
        async with peer(slow) as there:
            async with server(tmp_path) as lite, lite.client() as client:
                for path in ("soon", "never"):
                    await client.jobs.submit("shop", webhook_url=f"{there.url}/{path}")
                await until(lambda: len(there.received) == 2)
                began = SYSTEM_CLOCK.monotonic()
            assert SYSTEM_CLOCK.monotonic() - began < 8
            async with server(tmp_path) as lite, lite.client() as client:
                found = {delivery.url.rpartition("/")[2]: delivery async for delivery in client.webhooks.deliveries()}
                assert found["soon"].status == "delivered"
                assert (found["never"].status, found["never"].attempts) == ("pending", 0)

    run(body())


def test_heavy_messages_are_not_all_taken_into_memory(tmp_path):
    async def body():
        async def silent(_, writer):
            await SYSTEM_CLOCK.sleep(60)

        async with (
            peer(silent) as there,
            peer(answering()) as quick,
            server(tmp_path) as lite,
            lite.client() as client,
        ):
            heavy = "x" * 1_000_000
            for number in range(30):
                await client.jobs.submit("shop", {"return": heavy}, webhook_url=f"{there.url}/{number}")
            await until(lambda: len(there.received) == 4)
            assert lite._site.core.webhooks._weight < 20_000_000
            await client.jobs.submit("shop", webhook_url=quick.url)
            await until(lambda: quick.received)

    run(body())
