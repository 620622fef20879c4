"""Deliveries are listed to whom they belong, and sent again."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from avtomatika_client import NotFoundError, ValidationFailedError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.testing import TestSettings
from orchestrator_lite.webhooks.deliverer import AT_ONCE, SECONDS
from tests.egress._peer import answering, peer
from tests.webhooks._shop import flow, settled

CLIENTS = """
[client_one]
token = "one"
plan = "free"
webhook_secret = "secret of one"

[client_two]
token = "two"
plan = "free"
"""


async def test_deliveries_are_listed_and_narrowed(orchestrator):
    orchestrator.add(flow())
    async with peer(answering()) as there, peer(answering(500)) as bad, orchestrator.client() as client:
        good = [await client.jobs.submit("shop", webhook_url=f"{there.url}/{number}") for number in range(3)]
        failing = await client.jobs.submit("shop", webhook_url=bad.url)
        for job in good:
            await settled(orchestrator, job, status="delivered")
        await settled(orchestrator, failing, attempts=1)
        listed = [delivery async for delivery in client.webhooks.deliveries(limit=2)]
        assert [delivery.job_id for delivery in listed] == [failing.id, *(job.id for job in reversed(good))]
        assert {delivery.job_id async for delivery in client.webhooks.deliveries(job_id=good[0].id)} == {good[0].id}
        (pending,) = [delivery async for delivery in client.webhooks.deliveries(status="pending")]
        assert pending == await client.webhooks.delivery(pending.id)
        assert (pending.code, pending.error, pending.attempts) == (500, "500 Internal Server Error", 1)
        assert pending.next_attempt_at > pending.created_at
        assert pending.event == "job_finished"
        assert listed[-1].status == "delivered"
        assert listed[-1].delivered_at is not None
        assert listed[-1].next_attempt_at is None


async def test_a_delivery_is_sent_again_under_its_own_id(orchestrator):
    orchestrator.add(flow())
    async with peer(answering()) as there, orchestrator.client() as client:
        job = await client.jobs.submit("shop", webhook_url=there.url)
        row = await settled(orchestrator, job, status="delivered")
        again = await client.webhooks.redeliver(row.id)
        assert (again.id, again.status, again.attempts) == (row.id, "pending", 0)
        await settled(orchestrator, job, status="delivered")
        first, second = there.received
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body


async def test_one_that_was_given_up_has_all_its_attempts_again(orchestrator):
    replies = [410]

    async def respond(got, writer):
        await answering(replies.pop() if replies else 500)(got, writer)

    orchestrator.add(flow())
    async with peer(respond) as there, orchestrator.client() as client:
        job = await client.jobs.submit("shop", webhook_url=there.url)
        row = await settled(orchestrator, job, status="failed", attempts=1)
        await client.webhooks.redeliver(row.id)
        await orchestrator.clock.advance(hours=1.5)
        await settled(orchestrator, job, status="failed", attempts=10)
        assert len(there.received) == 11


@pytest.mark.parametrize("delivery_id", [0, 999, 2**63, 10**30, -1])
async def test_what_is_not_there_is_not_found(orchestrator, delivery_id):
    async with orchestrator.client() as client:
        with pytest.raises(NotFoundError):
            await client.webhooks.delivery(delivery_id)
        with pytest.raises(NotFoundError):
            await client.webhooks.redeliver(delivery_id)


async def test_odd_queries_are_refused_by_name(orchestrator):
    async with orchestrator.client() as client:
        for field, value in [("status", "odd"), ("job_id", ""), ("cursor", "x"), ("cursor", "-1"), ("cursor", 2**63)]:
            with pytest.raises(ValidationFailedError, match=field):
                await client.webhooks.deliveries(**{field: value}).first_page()


@pytest.mark.parametrize(
    "url",
    [
        *("http://10.0.0.1/", "http://169.254.169.254/latest", "https://[fd00::1]/", "http://[::ffff:10.0.0.1]/"),
        *(
            "http://2130706433/",
            "http://0x7f.1/",
            "http://user:pw@example.com/",
            "http://example.com:0/",
            "ftp://example.com",
        ),
        *("http://a b/", "http://", "//example.com", "nothing", "http://" + "a" * 3000),
    ],
)
async def test_a_target_that_could_never_be_reached_is_refused_at_the_creation(orchestrator, url):
    orchestrator.add(flow())
    async with orchestrator.client() as client:
        with pytest.raises(ValidationFailedError, match="webhook_url") as caught:
            await client.jobs.submit("shop", webhook_url=url)
        assert caught.value.status == 400
        assert "pw" not in str(caught.value)
        assert [job async for job in client.jobs.list()] == []


async def test_a_name_that_leads_inside_fails_at_once_and_says_why(orchestrator):
    async def resolve(host, port):
        return ["10.0.0.1"]

    orchestrator.add(flow())
    async with orchestrator.client() as client:
        orchestrator._site.core.egress._resolve = resolve
        job = await client.jobs.submit("shop", webhook_url="http://inside.example/hook")
        row = await settled(orchestrator, job, status="failed", attempts=1)
        assert row.error.startswith("inside.example is not open to this server: it leads to a private address")
        assert "10.0" not in row.error


async def test_a_name_that_changes_its_mind_between_judge_and_connection_gets_nothing(orchestrator):
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    asked = []

    async def resolve(host, port):
        asked.append(host)
        return answers[min(len(asked), 2) - 1]

    orchestrator.add(flow())
    async with peer(answering()) as inside, orchestrator.client() as client:
        orchestrator._site.core.egress._resolve = resolve
        url = f"http://rebind.example:{inside.port}/"
        job = await client.jobs.submit("shop", webhook_url=url)
        await orchestrator.clock.advance(hours=2)
        row = await settled(orchestrator, job, status="failed")
        assert "a loopback address" in row.error
        assert inside.received == []
        assert len(asked) == 2  # the first went to the public address it was judged by, the second was refused


class TestClients:
    @pytest.fixture
    def orchestrator_settings(self, tmp_path):
        (tmp_path / "clients.toml").write_text(CLIENTS)
        return TestSettings(clients_file=tmp_path / "clients.toml", worker_token="w", webhook_secret="the server's")

    async def test_each_sees_its_own_and_is_signed_for_with_its_own_secret(self, orchestrator):
        orchestrator.add(flow())
        async with (
            peer(answering()) as there,
            orchestrator.client(client_token="one") as one,
            orchestrator.client(client_token="two") as two,
        ):
            for client in (one, two):
                await client.jobs.submit("shop", webhook_url=there.url)
            await orchestrator.clock.advance(5)
            (mine,) = [delivery async for delivery in one.webhooks.deliveries()]
            (other,) = [delivery async for delivery in two.webhooks.deliveries()]
            assert mine.job_id != other.job_id
            with pytest.raises(NotFoundError):
                await one.webhooks.delivery(other.id)
            with pytest.raises(NotFoundError):
                await one.webhooks.redeliver(other.id)
            assert [delivery async for delivery in one.webhooks.deliveries(job_id=other.job_id)] == []
            by_id = {came.headers["webhook-id"]: came for came in there.received}
            for delivery, secret in [(mine, "secret of one"), (other, "the server's")]:
                came = by_id[delivery.event_id]
                event = await one.webhooks.unwrap(came.body, came.headers, secret=secret)
                assert event.job_id == delivery.job_id

    async def test_many_silent_hosts_of_one_client_do_not_hold_up_another_client(self, orchestrator):
        async def silent(_, writer):
            await SYSTEM_CLOCK.sleep(60)

        orchestrator.add(flow())
        async with (
            AsyncExitStack() as hosts,
            peer(answering()) as there,
            orchestrator.client(client_token="one") as one,
            orchestrator.client(client_token="two") as two,
        ):
            for _ in range(AT_ONCE + 10):
                dead = await hosts.enter_async_context(peer(silent))
                await one.jobs.submit("shop", webhook_url=dead.url)
            began = orchestrator.clock.now()
            await two.jobs.submit("shop", webhook_url=there.url)
            while not there.received:
                await orchestrator.clock.advance(0.5)
            assert orchestrator.clock.now() - began < SECONDS / 2
