"""What a job's end reports arrives, whatever its receiver does; by the virtual clock."""

from __future__ import annotations

import json

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from tests.egress._peer import answering, peer
from tests.webhooks._shop import flow, settled


async def test_a_finished_job_is_reported_once(orchestrator):
    orchestrator.add(flow())
    async with peer(answering(204)) as there, orchestrator.client() as client:
        job = await client.jobs.submit("shop", webhook_url=f"{there.url}/hook?a=b")
        assert await job.result() == {"sum": 3}
        row = await settled(orchestrator, job, status="delivered")
        await orchestrator.clock.advance(hours=2)
        (came,) = there.received
        assert came.line == "POST /hook?a=b HTTP/1.1"
        assert came.headers["content-type"] == "application/json"
        assert came.headers["webhook-id"] == row.event_id
        assert "webhook-signature" not in came.headers
        said = json.loads(came.body)
        assert said.pop("timestamp") == pytest.approx(row.created_at, abs=1)
        assert said == {
            "event": "job_finished",
            "job_id": job.id,
            "status": "finished",
            "result": {"sum": 3},
            "error": None,
            "state_history": {"seen": 1},
            "security": None,
            "metadata": None,
        }


@pytest.mark.parametrize(
    ("data", "event", "status", "error"),
    [
        ({"to": "failed"}, "job_failed", "failed", None),
        ({"fail": "boom"}, "job_failed", "failed", "boom"),
        ({"to": "quarantined"}, "job_quarantined", "quarantined", None),
    ],
)
async def test_other_ends_are_reported_under_their_own_names(orchestrator, data, event, status, error):
    orchestrator.add(flow())
    async with peer(answering()) as there, orchestrator.client() as client:
        job = await client.jobs.submit("shop", data, webhook_url=there.url)
        await job.wait()
        await settled(orchestrator, job, status="delivered")
        (came,) = there.received
        said = json.loads(came.body)
        assert (said["event"], said["status"]) == (event, status)
        assert said["error"] is error or error in said["error"]


async def test_a_cancelled_job_reports_nothing(orchestrator):
    orchestrator.add(flow())
    async with peer(answering()) as there, orchestrator.client() as client:
        by_state = await client.jobs.submit("shop", {"to": "cancelled"}, webhook_url=there.url)
        by_order = await client.jobs.submit("shop", webhook_url=there.url, delay=60)
        await by_order.cancel()
        await by_state.wait()
        await by_order.wait()
        await orchestrator.clock.advance(hours=1)
        assert there.received == []


async def test_a_job_without_a_webhook_leaves_no_message(orchestrator):
    orchestrator.add(flow())
    async with orchestrator.client() as client:
        job = await client.jobs.submit("shop")
        await job.result()
        assert (await orchestrator._site.core.store.outgoing_of("dev")) == []


@pytest.mark.parametrize("status", [500, 503, 404, 401, 302, 308, 199 + 200])
async def test_what_is_no_success_is_tried_for_an_hour(orchestrator, status):
    orchestrator.add(flow())
    async with peer(answering(status, b"no", location="http://127.0.0.1:1/")) as there, orchestrator.client() as client:
        began = orchestrator.clock.now()
        job = await client.jobs.submit("shop", webhook_url=there.url)
        await job.result()
        await orchestrator.clock.advance(hours=1.5)
        row = await settled(orchestrator, job, status="failed", code=status, attempts=10)
        assert len(there.received) == 10
        assert {came.headers["webhook-id"] for came in there.received} == {row.event_id}
        assert {came.body for came in there.received} == {row.body}
        stamps = [int(came.headers["webhook-timestamp"]) for came in there.received]
        assert stamps == sorted(set(stamps))
        assert 0.75 * 3600 < stamps[-1] - began < 1.25 * 3600
        assert row.error.startswith(str(status))


async def test_the_first_success_ends_it(orchestrator):
    replies = [500, 500, 201]

    async def respond(got, writer):
        await answering(replies.pop(0))(got, writer)

    orchestrator.add(flow())
    async with peer(respond) as there, orchestrator.client() as client:
        job = await client.jobs.submit("shop", webhook_url=there.url)
        await job.result()
        await orchestrator.clock.advance(hours=2)
        row = await settled(orchestrator, job, status="delivered", attempts=3)
        assert (row.code, row.error, row.due_at) == (201, None, None)
        assert row.delivered_at - row.created_at < 30
        assert len(there.received) == 3


async def test_gone_is_gone(orchestrator):
    orchestrator.add(flow())
    async with peer(answering(410)) as there, orchestrator.client() as client:
        job = await client.jobs.submit("shop", webhook_url=there.url)
        await settled(orchestrator, job, status="failed", attempts=1)
        await orchestrator.clock.advance(hours=2)
        assert len(there.received) == 1


@pytest.mark.parametrize(
    ("wish", "least"), [("120", 120), ("Fri, 01 Jan 2100 00:00:00 GMT", 3600), ("soon", 5), ("-1", 5)]
)
async def test_a_receiver_may_ask_for_more_time_within_reason(orchestrator, wish, least):
    orchestrator.add(flow())
    async with peer(answering(429, retry_after=wish)) as there, orchestrator.client() as client:
        job = await client.jobs.submit("shop", webhook_url=there.url)
        row = await settled(orchestrator, job, attempts=1)
        pause = row.due_at - int(there.received[0].headers["webhook-timestamp"])
        assert least <= pause <= least + 5


async def test_a_receiver_that_comes_up_later_gets_it(orchestrator):
    orchestrator.add(flow())
    async with peer(answering()) as gone:
        port = gone.port
    async with orchestrator.client() as client:
        job = await client.jobs.submit("shop", webhook_url=f"http://127.0.0.1:{port}/")
        await job.result()
        await orchestrator.clock.advance(minutes=5)
        row = await settled(orchestrator, job, status="pending")
        assert row.error == "no connection"
        async with peer(answering(), port=port) as there:
            await orchestrator.clock.advance(minutes=40)
            assert (await settled(orchestrator, job, status="delivered")).attempts == row.attempts + 1
            assert len(there.received) == 1


async def test_a_receiver_that_drips_is_left_after_ten_seconds(orchestrator):
    async def drip(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(100):
            writer.write(b"x-%d: y\r\n" % number)
            await writer.drain()
            await SYSTEM_CLOCK.sleep(1)

    orchestrator.add(flow())
    async with peer(drip) as there, orchestrator.client() as client:
        job = await client.jobs.submit("shop", webhook_url=there.url)
        row = await settled(orchestrator, job, attempts=1)
        assert row.error == "no whole answer within 10 s"
        assert row.status == "pending"


async def test_a_huge_answer_is_not_read(orchestrator):
    async def endless(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65536)
            await writer.drain()

    orchestrator.add(flow())
    async with peer(endless) as there, orchestrator.client() as client:
        job = await client.jobs.submit("shop", webhook_url=there.url)
        await settled(orchestrator, job, status="delivered", attempts=1)
        assert len(there.received) == 1


async def test_one_dead_host_does_not_hold_up_another(orchestrator):
    async def silent(_, writer):
        await SYSTEM_CLOCK.sleep(60)

    orchestrator.add(flow())
    async with peer(silent) as dead, peer(answering()) as there, orchestrator.client() as client:
        for _ in range(150):
            await client.jobs.submit("shop", webhook_url=f"{dead.url}/")
        began = orchestrator.clock.now()
        job = await client.jobs.submit("shop", webhook_url=f"{there.url}/")
        row = await settled(orchestrator, job, status="delivered")
        assert row.delivered_at - began < 2
        rows = await orchestrator._site.core.store.outgoing_of("dev", limit=200)
        assert sum(row.attempts for row in rows if row.job_id != job.id) <= 8


async def test_many_messages_to_one_host_all_arrive_each_once(orchestrator):
    orchestrator.add(flow())
    async with peer(answering()) as there, orchestrator.client() as client:
        jobs = await client.jobs.submit_many("shop", [{}] * 300, webhook_url=there.url)
        for job in jobs:
            await job.wait()
        await orchestrator.clock.advance(minutes=2)
        assert sorted(json.loads(came.body)["job_id"] for came in there.received) == sorted(job.id for job in jobs)
        counted = orchestrator._site.core.webhooks.counted
        assert (counted.delivered, counted.failed) == (300, 0)


async def test_messages_to_a_host_that_is_gone_end_within_the_hour_too(orchestrator):
    async with peer(answering()) as gone:
        port = gone.port
    orchestrator.add(flow())
    async with orchestrator.client() as client:
        for _ in range(120):
            await client.jobs.submit("shop", webhook_url=f"http://127.0.0.1:{port}/")
        await orchestrator.clock.advance(hours=1.5)
        rows = await orchestrator._site.core.store.outgoing_of("dev", limit=200)
        assert {(row.status, row.attempts, row.error) for row in rows} == {("failed", 10, "no connection")}


async def test_a_job_that_ends_once_more_is_another_event(orchestrator):
    orchestrator.add(flow())
    async with peer(answering()) as there, orchestrator.client() as client:
        job = await client.jobs.submit("shop", {"to": "quarantined"}, webhook_url=there.url)
        await settled(orchestrator, job, status="delivered", kind="job_quarantined")
        await orchestrator._site.core.let_out(job.id, None)
        await settled(orchestrator, job, status="delivered", kind="job_failed")
        first, second = there.received
        assert first.headers["webhook-id"] != second.headers["webhook-id"]
        assert [json.loads(came.body)["event"] for came in there.received] == ["job_quarantined", "job_failed"]


async def test_names_are_resolved_while_virtual_time_stands_still(orchestrator):
    orchestrator.add(flow())
    async with peer(answering()) as there, orchestrator.client() as client:
        job = await client.jobs.submit("shop", webhook_url=f"http://localhost:{there.port}/")
        assert (await settled(orchestrator, job, status="delivered")).attempts == 1
        assert there.received[0].headers["host"] == f"localhost:{there.port}"


@pytest.mark.parametrize("field", ["x" * 200_000, "y: z\r\n" * 3000])
async def test_endless_headers_are_no_answer(orchestrator, field):
    async def respond(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nx: " + field.encode() + b"\r\n" * 2)

    orchestrator.add(flow())
    async with peer(respond) as there, orchestrator.client() as client:
        job = await client.jobs.submit("shop", webhook_url=there.url)
        row = await settled(orchestrator, job, attempts=1)
        assert row.status == ("pending" if "x" in field else "delivered")
