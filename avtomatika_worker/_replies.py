"""Reading what a server says when it does not say yes."""

from __future__ import annotations

import json
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from avtomatika_client._calls._flow import Reply
from avtomatika_client.protocol.clock import Clock

_SHOWN: Final = 300
_LONGEST_WAIT: Final = 300.0


def error_text(reply: Reply) -> str:
    """The server's own words, shortened for a log line."""
    try:
        body = json.loads(reply.content)
        words = body.get("error") if isinstance(body, dict) else None
        text = words if isinstance(words, str) else json.dumps(words if words is not None else body)
    except (ValueError, RecursionError):
        text = reply.content.decode(errors="replace")
    # Control characters of a foreign server have no place in our log.
    cleaned = "".join(char if char.isprintable() else " " for char in text[:_SHOWN]).strip()
    return cleaned or "(no text)"


def retry_after(reply: Reply, clock: Clock) -> float:
    """Seconds the server asks to be left alone (`Retry-After`, seconds or a date), at most five minutes; else 0."""
    value = reply.headers.get("retry-after", "").strip()
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value, clock)
    return min(max(seconds, 0.0), _LONGEST_WAIT) if seconds == seconds else 0.0


def _until(value: str, clock: Clock) -> float:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp() - clock.now()


def is_superseded(reply: Reply) -> bool:
    """Whether a newer start of this worker has taken over (409, `{"error": "superseded…"}`)."""
    return reply.status == 409 and "superseded" in error_text(reply).lower()
