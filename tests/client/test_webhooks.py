"""A webhook is what it says it is, or it is refused with the reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from avtomatika_client import AsyncClient, Client, WebhookVerificationError, webhooks
from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock
from avtomatika_client.protocol.webhooks import key_of, plain_signature, signature
from tests.conftest import run

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = json.dumps({"event": "job_finished", "job_id": "j", "status": "finished", "result": {"消息": 1}}).encode()


def signed(body=BODY, secret=SECRET, event_id="msg_1", age=0.0, **other):
    stamp = str(int(SYSTEM_CLOCK.now() - age))
    return {
        "webhook-id": event_id,
        "webhook-timestamp": stamp,
        "webhook-signature": signature(secret, event_id, stamp, body),
        **other,
    }


def test_it_is_signed_as_standard_webhooks_does():
    """The example of the specification's own libraries."""
    stamp = datetime.fromtimestamp(int(SYSTEM_CLOCK.now()), UTC)
    theirs = Webhook(SECRET).sign("msg_1", stamp, BODY.decode())
    assert signature(SECRET, "msg_1", str(int(stamp.timestamp())), BODY) == theirs
    assert Webhook(SECRET).verify(BODY, signed())["job_id"] == "j"


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("whsec_aGVsbG8=", b"hello"),
        ("whsec_aGVsbG8", b"hello"),
        ("aGVsbG8=", b"hello"),
        ("your_secret_key", b"your_secret_key"),
        ("с ключом", "с ключом".encode()),
        ("s", b"s"),
    ],
)
def test_a_secret_is_base64_where_it_can_be(secret, key):
    assert key_of(secret) == key
    assert webhooks.verify(BODY, signed(secret=secret), secret)["job_id"] == "j"


def test_the_seeds_own_form_has_their_test_vector():
    canonical = (
        '{"data":{"execution_id":"exec_123456","flow_id":1,"result":{"execution_time":1.45,"output":{"消息":"ok"}},'
        '"status":"completed"},"event":"flow.executed","timestamp":"2023-06-10T12:30:45Z"}'
    )
    expected = "sha256=0aae19603f684ded55eac0e480efcdac71a98b18469332af2603ff3ebcc31a5e"
    assert plain_signature("your_secret_key", canonical.encode()) == expected
    sent = {"X-Webhook-Signature": expected}
    assert webhooks.verify(canonical.encode(), sent, "your_secret_key", tolerance=None)["event"] == "flow.executed"
    with pytest.raises(WebhookVerificationError, match="s old"):
        webhooks.verify(canonical.encode(), sent, "your_secret_key")


class WSGIHeaders:
    """As werkzeug has them: no mapping, but it has items."""

    def items(self):
        return [(name.title(), value) for name, value in signed().items()]


@pytest.mark.parametrize(
    "headers",
    [
        signed,
        lambda: {name.upper(): value for name, value in signed().items()},
        lambda: list(signed().items()),
        lambda: [(name.encode(), value.encode()) for name, value in signed().items()],
        WSGIHeaders,
        lambda: signed(**{"webhook-signature": f"v2,xx v1,AAAA {signed()['webhook-signature']}"}),
    ],
)
def test_headers_may_be_in_any_shape(headers):
    event = webhooks.unwrap(BODY, headers(), SECRET)  # made now: a signature does not last long
    assert (event.event, event.job_id, event.result) == ("job_finished", "j", {"消息": 1})


@pytest.mark.parametrize("body", [BODY.decode(), json.loads(BODY), [1], None])
def test_what_is_no_longer_the_raw_body_is_refused_with_the_reason(body):
    with pytest.raises(WebhookVerificationError, match="pass the raw body as bytes"):
        webhooks.verify(body, signed(), SECRET)


@pytest.mark.parametrize(
    ("body", "headers", "why"),
    [
        (BODY + b" ", lambda: signed(), "does not fit"),
        (BODY, lambda: signed(secret="other"), "does not fit"),
        (BODY, lambda: {**signed(), "webhook-id": "msg_2"}, "does not fit"),
        (BODY, lambda: {**signed(), "webhook-timestamp": "1"}, "does not fit"),
        (BODY, lambda: {**signed(), "webhook-signature": "v1,ä"}, "does not fit"),
        (BODY, lambda: {**signed(), "webhook-signature": ""}, "does not fit"),
        (BODY, lambda: {"webhook-id": "x", "webhook-signature": "v1,x"}, "webhook-timestamp is missing"),
        (BODY, lambda: {"webhook-timestamp": "1", "webhook-signature": "v1,x"}, "webhook-id is missing"),
        (BODY, dict, "not signed"),
        (BODY, lambda: signed(age=301), " s old"),
        (BODY, lambda: signed(age=-9999), "ahead of this clock"),
        (b"no json", lambda: signed(b"no json"), "no JSON"),
        (b"[1]", lambda: signed(b"[1]"), "no event"),
        (
            BODY,
            lambda: {**signed(secret="other"), "x-webhook-signature": plain_signature(SECRET, BODY)},
            "does not fit",
        ),
        (BODY, lambda: {"x-webhook-signature": plain_signature(SECRET, BODY)}, "does not tell its time"),
    ],
)
def test_everything_else_is_refused_with_the_reason(body, headers, why):
    with pytest.raises(WebhookVerificationError, match=why) as caught:
        webhooks.unwrap(body, headers(), SECRET)
    assert SECRET not in str(caught.value)


def test_a_stamp_that_is_no_time_is_refused_although_it_is_signed():
    for stamp in ("soon", "nan", "inf"):
        sent = {"webhook-id": "m", "webhook-timestamp": stamp, "webhook-signature": signature(SECRET, "m", stamp, BODY)}
        with pytest.raises(WebhookVerificationError):
            webhooks.verify(BODY, sent, SECRET)


def test_while_a_secret_is_changed_both_hold():
    assert webhooks.verify(BODY, signed(), ["new", SECRET])
    with pytest.raises(WebhookVerificationError):
        webhooks.verify(BODY, signed(), ["new", "newer"])


def test_both_faces_verify_by_their_own_clock():
    class Later(Clock):
        def now(self):
            return SYSTEM_CLOCK.now() + 4000

    with Client(clock=Later()) as client:
        assert client.webhooks.verify(BODY, signed(age=-4000), secret=SECRET)["job_id"] == "j"
        with pytest.raises(WebhookVerificationError):
            client.webhooks.unwrap(BODY, signed(), secret=SECRET)

    async def body():
        async with AsyncClient() as client:
            assert (await client.webhooks.unwrap(BODY, signed(), secret=SECRET)).job_id == "j"
            assert (await client.webhooks.verify(BODY, signed(), secret=SECRET))["job_id"] == "j"

    run(body())
