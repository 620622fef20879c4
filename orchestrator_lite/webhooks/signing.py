"""The headers of a message: Standard Webhooks, and the seeds' own signature beside it."""

from __future__ import annotations

from datetime import UTC, datetime

from standardwebhooks import Webhook

from avtomatika_client.protocol import webhooks as protocol
from orchestrator_lite.store import Outgoing


def headers_of(row: Outgoing, secret: str | None, now: float) -> dict[str, str]:
    """What is sent with a message: stamped and signed anew for each attempt, under the event's one id.

    Args:
        row: The message.
        secret: What it is signed with; None: it is not.
        now: UTC seconds.

    Raises:
        ValueError: The secret cannot be used.
    """
    stamp = int(now)
    headers = {"content-type": "application/json", protocol.ID: row.event_id, protocol.TIMESTAMP: str(stamp)}
    if secret is not None:
        signed = Webhook(protocol.key_of(secret)).sign(
            row.event_id, datetime.fromtimestamp(stamp, UTC), row.body.decode()
        )
        headers[protocol.SIGNATURE] = signed
        headers[protocol.PLAIN_SIGNATURE] = protocol.plain_signature(secret, row.body)
    return headers
