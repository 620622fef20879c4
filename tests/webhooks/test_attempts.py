"""What follows from an attempt."""

from __future__ import annotations

import pytest

from orchestrator_lite.store import Outgoing
from orchestrator_lite.webhooks.attempts import FIRST_PAUSE, TRIES, anew, answered, refused, unanswered

ROW = Outgoing(
    id=1, event_id="e", job_id="j", client="c", kind="job_finished", url="u", body=b"{}", created_at=0.0, due_at=0.0
)


def after(status=500, row=ROW, now=1000.0, chance=0.5, **headers):
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return answered(row, status, named, now=now, chance=chance)


def test_all_attempts_fill_an_hour():
    for chance, least, most in [(0.0, 2800, 2900), (0.5, 3500, 3600), (1.0, 4200, 4300)]:
        row, now = ROW, 0.0
        while row.status == "pending":
            now = row.due_at
            row = after(row=row, now=now, chance=chance)
        assert row.attempts == TRIES
        assert least < now < most


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_ends_it(status):
    row = after(status)
    assert (row.status, row.code, row.attempts, row.due_at, row.delivered_at) == ("delivered", status, 1, None, 1000.0)


@pytest.mark.parametrize("status", [300, 301, 304, 400, 404, 418, 429, 500, 599, 999])
def test_everything_else_is_tried_again(status):
    row = after(status)
    assert (row.status, row.code) == ("pending", status)
    assert row.due_at == 1000 + FIRST_PAUSE
    assert row.error.startswith(str(status))


@pytest.mark.parametrize(
    ("said", "pause"),
    [
        ("60", 60),
        ("0", FIRST_PAUSE),
        ("1", FIRST_PAUSE),
        ("999999999999999999999", 3600),
        ("Thu, 01 Jan 1970 00:20:00 GMT", 200),
        ("Thu, 01 Jan 1970 00:20:00 -0000", 200),
        ("Thu, 01 Jan 1969 00:00:00 GMT", FIRST_PAUSE),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Fri, 99 Dec 99999 23:59:59 GMT", FIRST_PAUSE),
        ("", FIRST_PAUSE),
        ("1e9", FIRST_PAUSE),
        ("²", FIRST_PAUSE),
        ("nan", FIRST_PAUSE),
    ],
)
def test_retry_after_puts_it_off_within_reason(said, pause):
    assert after(503, retry_after=said).due_at == 1000 + pause


def test_what_was_refused_or_is_gone_is_not_tried_again():
    assert (refused(ROW, "why").status, refused(ROW, "why").due_at) == ("failed", None)
    assert (after(410).status, after(410).due_at, after(410).attempts) == ("failed", None, 1)


def test_sent_again_it_has_all_its_attempts():
    row = anew(refused(unanswered(ROW, "x", now=1.0, chance=0.0), "why"), 5.0)
    assert row == Outgoing(
        id=1, event_id="e", job_id="j", client="c", kind="job_finished", url="u", body=b"{}", created_at=0.0, due_at=5.0
    )
