"""Receiving webhooks: is this really from my orchestrator, and is it of now?

    from avtomatika_client import WebhookVerificationError, webhooks

    event = webhooks.unwrap(raw_body, headers, secret=SECRET)

The body is taken as it came, in bytes: JSON that was parsed and written again has other bytes, and its signature fails.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from avtomatika_client.errors import WebhookVerificationError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock
from avtomatika_client.protocol.webhooks import (
    ID,
    PLAIN_SIGNATURE,
    SIGNATURE,
    TIMESTAMP,
    WebhookEvent,
    plain_signature,
    signature,
)

if TYPE_CHECKING:
    from avtomatika_client.protocol._base import JSON

__all__ = ["TOLERANCE", "WebhookEvent", "WebhookVerificationError", "unwrap", "verify"]

TOLERANCE: Final = 300.0
"""Seconds by which a message's time may differ from ours."""

Headers: TypeAlias = (
    Mapping[str, str] | Mapping[bytes, bytes] | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]
)
"""What web frameworks call headers: anything with `items()`, or pairs; names in any case."""


def unwrap(
    raw_body: bytes,
    headers: Headers,
    secret: str | Iterable[str],
    *,
    tolerance: float | None = TOLERANCE,
    clock: Clock = SYSTEM_CLOCK,
) -> WebhookEvent:
    """The event of a webhook, once it has been verified.

    Args:
        raw_body: The request's body as it came.
        headers: The request's headers.
        secret: The secret shared with the orchestrator; several while it is being changed.
        tolerance: Seconds by which the message's time may differ from now; None: it is not looked at.
        clock: Now.

    Raises:
        WebhookVerificationError: It is not signed with the secret, or not of now, or no event; the text says why.
    """
    body = verify(raw_body, headers, secret, tolerance=tolerance, clock=clock)
    try:
        return WebhookEvent.model_validate(body)
    except ValueError as error:
        raise WebhookVerificationError("the body is signed, but no event of an orchestrator") from error


def verify(
    raw_body: bytes,
    headers: Headers,
    secret: str | Iterable[str],
    *,
    tolerance: float | None = TOLERANCE,
    clock: Clock = SYSTEM_CLOCK,
) -> JSON:
    """The JSON of a webhook's body, once it has been verified.

    With the headers of Standard Webhooks (`webhook-id`, `webhook-timestamp`, `webhook-signature`) these alone decide;
    without them `X-Webhook-Signature: sha256=…` does, and then the time is the body's `timestamp`.

    Args:
        raw_body: The request's body as it came.
        headers: The request's headers.
        secret: The secret shared with the orchestrator; several while it is being changed.
        tolerance: Seconds by which the message's time may differ from now; None: it is not looked at.
        clock: Now.

    Raises:
        WebhookVerificationError: It is not signed with the secret, or not of now; the text says why.
    """
    body = _bytes(raw_body)
    sent = _lowered(headers)
    secrets = [secret] if isinstance(secret, str) else list(secret)
    try:
        if SIGNATURE in sent:
            _check_standard(body, sent, secrets, tolerance, clock)
            return _parsed(body)
        if PLAIN_SIGNATURE in sent:
            _check_any(sent[PLAIN_SIGNATURE].split(), [plain_signature(one, body) for one in secrets])
            found = _parsed(body)
            _check_age(_moment(found), tolerance, clock)
            return found
    except UnicodeEncodeError as error:
        raise WebhookVerificationError("the headers are not valid") from error
    raise WebhookVerificationError(f"it is not signed: there is no header {SIGNATURE}")


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    if isinstance(body, str):
        raise WebhookVerificationError("pass the raw body as bytes: a text may no longer be what was signed")
    kind = type(body).__name__
    raise WebhookVerificationError(
        f"pass the raw body as bytes, not as {kind}: JSON that was parsed is written anew with other bytes"
    )


def _lowered(headers: Any) -> dict[str, str]:
    pairs = headers.items() if hasattr(headers, "items") else headers
    return {_text(name).lower(): _text(value) for name, value in pairs}


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _check_standard(
    body: bytes, sent: Mapping[str, str], secrets: list[str], tolerance: float | None, clock: Clock
) -> None:
    event_id, stamp = sent.get(ID), sent.get(TIMESTAMP)
    if not event_id or not stamp:
        raise WebhookVerificationError(f"the header {TIMESTAMP if event_id else ID} is missing")
    _check_any(sent[SIGNATURE].split(), [signature(one, event_id, stamp, body) for one in secrets])
    try:
        moment = float(stamp)
    except ValueError as error:
        raise WebhookVerificationError(f"{TIMESTAMP} is no time") from error
    _check_age(moment, tolerance, clock)


def _check_any(sent: list[str], expected: list[str]) -> None:
    """Whether one of the signatures is one of ours, in a time that does not depend on how much of it is right."""
    matches = [hmac.compare_digest(one.encode(), other.encode()) for one in sent for other in expected]
    if not any(matches):
        raise WebhookVerificationError("the signature does not fit: another secret, or the body was changed on its way")


def _check_age(moment: float | None, tolerance: float | None, clock: Clock) -> None:
    if tolerance is None:
        return
    if moment is None:
        raise WebhookVerificationError("the message does not tell its time")
    age = clock.now() - moment
    if not abs(age) <= tolerance:
        late = f"{age:.0f} s old" if age > 0 else f"{-age:.0f} s ahead of this clock"
        raise WebhookVerificationError(f"the message is {late}: it may be a repetition, or a clock is wrong")


def _moment(found: Any) -> float | None:
    """The `timestamp` of a body: UTC seconds, or ISO 8601."""
    stamp = found.get("timestamp") if isinstance(found, dict) else None
    if isinstance(stamp, str):
        try:
            moment = datetime.fromisoformat(stamp)
        except ValueError:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return float(stamp) if isinstance(stamp, int | float) else None


def _parsed(body: bytes) -> JSON:
    try:
        found: JSON = json.loads(body)
    except ValueError as error:
        raise WebhookVerificationError("the body is signed, but no JSON") from error
    return found
