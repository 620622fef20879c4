"""Webhooks by the command line."""

from __future__ import annotations

from tests._support.house import serving, until
from tests.cli._command import piped
from tests.conftest import run
from tests.egress._peer import answering, peer
from tests.webhooks._shop import flow


def test_deliveries_are_listed_and_sent_again():
    async def body():
        async with (
            peer(answering(204)) as there,
            serving(flow(), egress_allow=["127.0.0.1"]) as house,
        ):
            job_id = await house.create("/jobs/shop", webhook_url=there.url)
            await until(lambda: there.received)
            core = house.lite._site.core
            await until(lambda: core.webhooks.counted.delivered)
            done = await piped(house, "webhooks", "deliveries", "--job", job_id)
            (delivery,) = done.json
            assert (delivery["event"], delivery["status"], delivery["code"]) == ("job_finished", "delivered", 204)
            assert (await piped(house, "webhooks", "deliveries", "--status", "failed")).json == []
            again = await piped(house, "webhooks", "redeliver", str(delivery["id"]))
            assert again.json["status"] == "pending"
            await until(lambda: len(there.received) == 2)
            assert (await piped(house, "webhooks", "redeliver", "99")).code == 4
            assert "status" in (await piped(house, "webhooks", "deliveries", "--status", "odd")).said
            assert (await piped(house, "webhooks", "redeliver", "x")).code == 2

    run(body())
