"""What a job's end reports survives the server: killed between the commit and the delivery, or while it delivers."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from standardwebhooks import Webhook

from tests.conftest import run
from tests.crash.site import Site
from tests.egress._peer import Received, answering, peer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def site(tmp_path, monkeypatch):
    for name, value in [("EGRESS_ALLOW", "127.0.0.1"), ("WEBHOOK_SECRET", SECRET)]:
        monkeypatch.setenv(f"ORCHESTRATOR_LITE_{name}", value)
    site = Site(tmp_path)
    yield site
    site.close()


def told(received: list[Received]) -> Counter[str]:
    """How often each job was reported; every report is signed, and a job's reports are one event."""
    ids = {}
    for came in received:
        job_id = Webhook(SECRET).verify(came.body, came.headers)["job_id"]
        assert ids.setdefault(job_id, came.headers["webhook-id"]) == came.headers["webhook-id"]
    return Counter(json.loads(came.body)["job_id"] for came in received)


def test_a_message_that_was_never_sent_is_sent_after_the_next_start(site):
    async def scenario() -> None:
        async with peer(answering()) as there:
            port = there.port
        site.start_server()
        await site.serving()
        site.start_worker()
        async with site.client() as client:
            jobs = [
                await client.jobs.submit("single", {"n": n}, webhook_url=f"http://127.0.0.1:{port}/") for n in range(5)
            ]
            for job in jobs:
                await job.result(timeout=20)
            site.kill_server()
            async with peer(answering(), port=port) as there:
                site.start_server()
                await site.until(lambda: len(told(there.received)) == 5, "all five reports")
                assert told(there.received) == Counter(job.id for job in jobs)

    run(scenario())


def test_a_message_under_way_when_the_server_dies_is_sent_again_under_the_same_id(site):
    async def scenario() -> None:
        async def deadly(got, writer):
            if len(there.received) == 1:
                site.kill_server()  # it was received, and the server never learns of it
            else:
                await answering()(got, writer)

        async with peer(deadly) as there:
            site.start_server()
            await site.serving()
            site.start_worker()
            async with site.client() as client:
                job = await client.jobs.submit("single", {"n": 1}, webhook_url=there.url)
                await site.until(lambda: len(there.received) == 1, "the first report")
                site.start_server()
                await site.serving()
                await site.until(lambda: len(there.received) == 2, "the second report")
                assert told(there.received) == {job.id: 2}
                for _ in range(100):
                    (delivery,) = [delivery async for delivery in client.webhooks.deliveries(job_id=job.id)]
                    if delivery.status == "delivered":
                        break
                assert delivery.attempts == 1

    run(scenario())
