"""What a server with a secret sends is what Standard Webhooks verifies, and our client."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from standardwebhooks import Webhook

from orchestrator_lite.testing import TestSettings
from tests.egress._peer import answering, peer
from tests.webhooks._shop import flow, settled

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(params=[SECRET, SECRET.removeprefix("whsec_"), "just some words"])
def secret(request):
    return request.param


@pytest.fixture
def orchestrator_settings(secret):
    return TestSettings(webhook_secret=secret)


async def test_each_attempt_is_signed_anew(orchestrator, secret):
    replies = [500, 200]

    async def respond(got, writer):
        await answering(replies.pop(0))(got, writer)

    orchestrator.add(flow())
    async with peer(respond) as there, orchestrator.client() as client:
        job = await client.jobs.submit("shop", webhook_url=there.url)
        await settled(orchestrator, job, status="delivered")
    first, second = there.received
    theirs = Webhook(secret.encode() if " " in secret else secret)
    for came in (first, second):
        assert theirs.verify(came.body, came.headers)["job_id"] == job.id
        plain = hmac.digest(secret.encode(), came.body, hashlib.sha256).hex()
        assert came.headers["x-webhook-signature"] == f"sha256={plain}"
    assert second.body == first.body
    assert second.headers["webhook-id"] == first.headers["webhook-id"]
    assert second.headers["webhook-signature"] != first.headers["webhook-signature"]


def test_a_secret_that_is_no_secret_is_refused_when_it_is_set():
    for wrong in ("", "whsec_", "whsec_ä"):
        with pytest.raises(ValueError, match="webhook_secret"):
            TestSettings(webhook_secret=wrong)
    assert base64.b64decode(SECRET.removeprefix("whsec_"))


async def test_the_secret_is_nowhere_in_what_can_be_seen(orchestrator, secret, caplog):
    caplog.set_level("DEBUG")
    orchestrator.add(flow())
    async with peer(answering(500)) as there, orchestrator.client() as client:
        job = await client.jobs.submit("shop", webhook_url=there.url)
        await settled(orchestrator, job, attempts=2)
    assert secret not in caplog.text
    assert secret not in repr(orchestrator.settings)
