"""Trying again by what is known: on both faces over a real socket, and step by step without one."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from tenacity import stop_after_attempt, stop_after_delay, wait_fixed, wait_none

from avtomatika_client import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    RateLimitedError,
    Retry,
    ServerError,
)
from avtomatika_client._calls._flow import Reply, Send, Sleep
from avtomatika_client._calls._session import Session, call
from avtomatika_client.protocol.clock import Clock
from tests.client._peer import DROP, STALL, reply, text

SUBMIT = "/api/v1/jobs/greet"
ACCEPTED = reply({"status": "accepted", "job_id": "j1"}, 202)
JOB = "/api/v1/jobs/j1"
RUNNING = reply({"id": "j1", "status": "running"})
QUICK = Retry(retries=2, wait=wait_none())


def test_a_post_that_may_have_been_processed_is_not_repeated(peer, face):
    peer.on("POST", SUBMIT, DROP, ACCEPTED)
    with pytest.raises(APIConnectionError) as caught:
        face(face.client(peer.url, retries=QUICK).jobs.submit("greet", {}))
    assert (caught.value.sent, caught.value.attempts) == (True, 1)
    assert len(peer.calls("POST", SUBMIT)) == 1


def test_a_post_that_was_not_sent_is_repeated(peer, face):
    peer.on("POST", SUBMIT, ACCEPTED)
    url = peer.url
    peer.stop()

    def start_then_wait(_state):
        peer.start()
        return 0.0

    policy = Retry(retries=1, wait=start_then_wait)
    assert face(face.client(url, retries=policy).jobs.submit("greet", {})).id == "j1"
    assert len(peer.calls("POST", SUBMIT)) == 1


@pytest.mark.parametrize("status", [425, 429])
def test_a_refused_post_is_repeated(peer, face, status):
    peer.on("POST", SUBMIT, reply({"error": "later"}, status), ACCEPTED)
    assert face(face.client(peer.url, retries=QUICK).jobs.submit("greet", {})).id == "j1"


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_post_the_server_stumbled_over_is_not_repeated(peer, face, status):
    peer.on("POST", SUBMIT, reply({"error": "oops"}, status), ACCEPTED)
    with pytest.raises(Exception, match="oops") as caught:
        face(face.client(peer.url, retries=QUICK).jobs.submit("greet", {}))
    assert caught.value.status == status
    assert len(peer.calls("POST", SUBMIT)) == 1


@pytest.mark.parametrize("failure", [DROP, *(text("no", status) for status in (408, 425, 429, 500, 502, 503, 504))])
def test_a_get_is_repeated(peer, face, failure):
    peer.on("GET", JOB, failure, RUNNING)
    assert face(face.client(peer.url, retries=QUICK).jobs.get("j1")).status == "running"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 501])
def test_a_verdict_is_not_asked_for_again(peer, face, status):
    peer.on("GET", JOB, reply({"error": "no"}, status))
    with pytest.raises(Exception, match="no"):
        face(face.client(peer.url, retries=QUICK).jobs.get("j1"))
    assert len(peer.calls("GET", JOB)) == 1


def test_repetitions_end_and_are_counted(peer, face):
    peer.on("GET", JOB, text("busy", 503))
    with pytest.raises(ServerError, match="after 3 attempts") as caught:
        face(face.client(peer.url, retries=QUICK).jobs.get("j1"))
    assert (caught.value.attempts, len(peer.calls("GET", JOB))) == (3, 3)


def test_zero_retries_means_one_attempt(peer, face):
    peer.on("GET", JOB, text("busy", 503), RUNNING)
    with pytest.raises(ServerError):
        face(face.client(peer.url, retries=0).jobs.get("j1"))


def test_the_deadline_is_total(peer, face):
    peer.on("GET", JOB, STALL)
    with pytest.raises(APITimeoutError, match=r"no reply within 0\.(3|29)"):
        face(face.client(peer.url, retries=QUICK).jobs.get("j1", timeout=0.3))
    peer.release()
    assert len(peer.calls("GET", JOB)) == 1


def test_a_dripping_server_is_cut_off_at_the_deadline(peer, face):
    slow = reply({"id": "j1", "status": "running"})
    peer.on("GET", JOB, type(slow)(slow.status, slow.body, slow.headers, drip=0.05))
    clock = Clock()
    began = clock.monotonic()
    with pytest.raises(APITimeoutError):
        face(face.client(peer.url, retries=QUICK).jobs.get("j1", timeout=0.4))
    assert clock.monotonic() - began < 2.0


class StandingClock(Clock):
    """A clock that moves when a flow sleeps."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


def drive(*outcomes: Reply | Exception, timeout: float | None = 30.0, retry: Retry | None = None, method: str = "GET"):
    """Run one call against scripted outcomes; returns how it ended and the pauses it made."""
    clock = StandingClock()
    session = Session(base_url="http://h", headers={}, clock=clock, retry=retry or Retry(retries=2))
    flow = call(session, session.request(method, "/x"), session.budget(timeout))
    pauses: list[float] = []
    left = list(outcomes)
    step = next(flow)
    try:
        while True:
            if isinstance(step, Sleep):
                pauses.append(step.seconds)
                clock.time += step.seconds
                step = flow.send(None)
                continue
            assert isinstance(step, Send)
            outcome = left.pop(0)
            step = flow.throw(outcome) if isinstance(outcome, Exception) else flow.send(outcome)
    except StopIteration as stop:
        return stop.value, pauses
    except (APIConnectionError, ServerError, RateLimitedError, AuthenticationError) as error:
        return error, pauses


def answer(status: int, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers=named, content=b"{}")


OK = answer(200)


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "7.5"}, 7.5),
        ({"retry_after_ms": "1500"}, 1.5),
        ({"retry_after": formatdate(1009, usegmt=True)}, 9.0),
        ({"retry_after": formatdate(2009, usegmt=True), "date": formatdate(2000, usegmt=True)}, 9.0),
        ({"retry_after": formatdate(900, usegmt=True)}, 0.0),
        ({"retry_after": "soon"}, 0.0),
        ({"retry_after": "-3"}, 0.0),
        ({"retry_after": "inf"}, 0.0),
        ({"retry_after": "nan"}, 0.0),
    ],
)
def test_retry_after_is_heeded_in_every_form(headers, least):
    ended, (pause,) = drive(answer(503, **headers), OK, retry=Retry(retries=1, wait=wait_none()))
    assert ended is OK
    assert pause == least


def test_retry_after_beyond_the_deadline_is_not_waited_for():
    ended, pauses = drive(answer(429, retry_after="60"), OK, timeout=30.0)
    assert isinstance(ended, RateLimitedError)
    assert (ended.retry_after, pauses) == (60.0, [])


def test_an_absurd_retry_after_is_capped():
    _, (pause,) = drive(answer(429, retry_after="86400"), OK, timeout=None)
    assert pause == 120.0


def test_pauses_grow_jittered_and_bounded():
    for _ in range(50):
        _, pauses = drive(*[answer(503)] * 9, OK, timeout=None, retry=Retry(retries=9))
        assert all(0 <= pause <= min(8.0, 0.25 * 2.0 ** (n + 1)) for n, pause in enumerate(pauses))


def test_tenacity_objects_are_the_policy():
    ended, pauses = drive(*[answer(503)] * 9, retry=Retry(stop=stop_after_attempt(4), wait=wait_fixed(2)))
    assert (ended.attempts, pauses) == (4, [2.0, 2.0, 2.0])
    ended, pauses = drive(*[answer(503)] * 9, retry=Retry(stop=stop_after_delay(5), wait=wait_fixed(2)))
    assert (ended.attempts, pauses) == (4, [2.0, 2.0, 2.0])


def test_a_pause_that_would_outlast_the_deadline_is_not_made():
    ended, pauses = drive(*[answer(503)] * 9, timeout=5.0, retry=Retry(retries=9, wait=wait_fixed(2)))
    assert (ended.attempts, pauses) == (3, [2.0, 2.0])


@pytest.mark.parametrize(
    ("sent", "method", "again"), [(True, "POST", False), (False, "POST", True), (True, "GET", True)]
)
def test_a_lost_exchange_is_judged_by_what_is_known(sent, method, again):
    ended, _ = drive(APIConnectionError(sent=sent), OK, method=method)
    assert (ended is OK) is again
