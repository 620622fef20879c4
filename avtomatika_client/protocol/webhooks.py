"""Webhooks as they travel: what is reported, how it is signed (Standard Webhooks), and what became of it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

from avtomatika_client.protocol._base import JSON, OpenEnum, Received

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
PLAIN_SIGNATURE: Final = "x-webhook-signature"
"""`sha256=` and the hexadecimal HMAC of the body: the seeds' own form, which knows no time."""

PREFIX: Final = "whsec_"


class WebhookEvent(Received):
    """What a webhook reports (`spec/avtomatika.md` §8).

    Attributes:
        event: `job_finished`, `job_failed` or `job_quarantined`, or one a later server adds.
        job_id: The job it tells of.
        status: The job's status.
        result: What the job returned; any JSON value. Of official servers to 1.0b13: its `state_history`.
        error: Why it failed, as text.
        state_history: What handlers and workers left.
        timestamp: When that happened, UTC seconds.
    """

    event: str
    job_id: str | None = None
    status: str | None = None
    result: JSON = None
    error: str | None = None
    state_history: dict[str, JSON] | None = None
    timestamp: float | str | None = None


class DeliveryStatus(OpenEnum):
    """What has become of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookDelivery(Received):
    """One event and its way to the receiver.

    Attributes:
        id: The delivery.
        event_id: The event: the header `webhook-id`, the same at each attempt.
        event: What it reports.
        job_id: The job it tells of.
        url: Where it goes.
        status: Where it stands.
        attempts: How often it was tried.
        code: The HTTP status of the last answer.
        error: Why the last attempt failed.
        created_at: When the event happened, UTC seconds.
        next_attempt_at: When it is tried (again), UTC seconds.
        delivered_at: When it arrived, UTC seconds.
    """

    id: int
    event_id: str
    event: str
    job_id: str
    url: str
    status: DeliveryStatus
    attempts: int = 0
    code: int | None = None
    error: str | None = None
    created_at: float
    next_attempt_at: float | None = None
    delivered_at: float | None = None


def key_of(secret: str) -> bytes:
    """The key a secret stands for.

    Args:
        secret: `whsec_` and base64, as Standard Webhooks has it, or base64 alone; any other text is the key itself.

    Raises:
        ValueError: It is empty, or no base64 follows `whsec_`.
    """
    packed = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key and packed != secret:
        raise ValueError(f"the secret is not valid: base64 must follow {PREFIX}")
    if not secret:
        raise ValueError("the secret is empty")
    return key or secret.encode()


def signature(secret: str, event_id: str, timestamp: str, body: bytes) -> str:
    """The signature of a message as Standard Webhooks has it: `v1,` and base64."""
    signed = b"%b.%b.%b" % (event_id.encode(), timestamp.encode(), body)
    return f"v1,{base64.b64encode(hmac.digest(key_of(secret), signed, hashlib.sha256)).decode()}"


def plain_signature(secret: str, body: bytes) -> str:
    """The signature in the seeds' own form; here the secret's letters are the key."""
    return f"sha256={hmac.digest(secret.encode(), body, hashlib.sha256).hex()}"
