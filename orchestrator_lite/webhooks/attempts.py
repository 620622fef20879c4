"""What follows from an attempt: delivered, once more after a while, or given up. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from orchestrator_lite.store import Outgoing

TRIES: Final = 10
"""Attempts in all; with the pauses between them they fill an hour."""

FIRST_PAUSE: Final = 7.0
"""Seconds after the first attempt; each pause is twice the one before."""

SPREAD: Final = 0.2
"""How far a pause may be from that, up or down, so that what failed together does not come back together."""

LONGEST_WISH: Final = 3600.0
"""Seconds that a receiver's Retry-After may put an attempt off."""


def answered(row: Outgoing, status: int, headers: Mapping[str, str], *, now: float, chance: float) -> Outgoing:
    """The message after an answer: any 2xx ends it, 410 ends it too, everything else is tried again.

    Args:
        row: The message as it was.
        status: The HTTP status; a redirect is not followed and counts as a failure.
        headers: Of the answer, for `retry-after`.
        now: UTC seconds.
        chance: 0 to 1, for the pause.
    """
    row = replace(row, attempts=row.attempts + 1, code=status)
    if 200 <= status < 300:
        return replace(row, status="delivered", delivered_at=now, due_at=None, error=None)
    if status == HTTPStatus.GONE:
        return _given_up(row, "410 Gone: the receiver wants no more")
    why = f"{status} {_phrase(status)}".strip()
    if 300 <= status < 400:
        why += ": redirects are not followed"
    wish = min(_wish(headers.get("retry-after"), now), LONGEST_WISH)
    return _again(row, why, now=now, chance=chance, at_least=wish)


def unanswered(row: Outgoing, why: str, *, now: float, chance: float) -> Outgoing:
    """The message after an attempt without an answer."""
    return _again(replace(row, attempts=row.attempts + 1, code=None), why, now=now, chance=chance)


def refused(row: Outgoing, why: str) -> Outgoing:
    """The message when the guard lets it not out: given up at once, or each refusal would be an hour of asking."""
    return _given_up(replace(row, attempts=row.attempts + 1, code=None), why)


def anew(row: Outgoing, now: float) -> Outgoing:
    """The message as it is to be sent again, with all its attempts."""
    return replace(row, status="pending", attempts=0, due_at=now, code=None, error=None, delivered_at=None)


def _again(row: Outgoing, why: str, *, now: float, chance: float, at_least: float = 0.0) -> Outgoing:
    if row.attempts >= TRIES:
        return _given_up(row, why)
    pause = FIRST_PAUSE * 2 ** (row.attempts - 1) * (1 - SPREAD + 2 * SPREAD * chance)
    return replace(row, due_at=now + max(pause, at_least), error=why)


def _given_up(row: Outgoing, why: str) -> Outgoing:
    return replace(row, status="failed", due_at=None, error=why)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _wish(text: str | None, now: float) -> float:
    """Seconds of a Retry-After: a number, or a date; 0 when it is neither."""
    if text is None:
        return 0.0
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
        return max((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return 0.0
