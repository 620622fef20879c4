"""Waiting for a job: by long-poll or by polling, over restarts, and never beyond the deadline."""

from __future__ import annotations

import asyncio
import threading

import pytest

from avtomatika_client import AsyncClient, JobFailed, NotFoundError, PermissionDeniedError, ServerError, WaitTimeout
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from tests.client._peer import DROP, NO_ROUTE, STALL, STATUS, Answer, Seen, reply, text
from tests.conftest import run

JOB = "/api/v1/jobs/j1"
RUNNING = reply({"id": "j1", "status": "running"})
DONE = reply({"id": "j1", "status": "finished", "result": 42})
CAN_WAIT = reply({"status": "ok", "features": ["wait", "something-later"]})


def test_a_server_that_can_hold_the_wait_is_asked_to(peer, face):
    peer.on("GET", STATUS, CAN_WAIT).on("GET", JOB, DONE)
    assert face(face.client(peer.url).jobs.handle("j1").result(timeout=10)) == 42
    (seen,) = peer.calls("GET", JOB)
    assert 9.0 < float(seen.query["wait"][0]) <= 10.0


def test_a_wait_is_held_for_25_seconds_at_most(peer, face):
    peer.on("GET", STATUS, CAN_WAIT).on("GET", JOB, DONE)
    face(face.client(peer.url).jobs.handle("j1").result())
    assert peer.calls("GET", JOB)[0].query == {"wait": ["25.000"]}


def test_the_server_is_asked_once_what_it_can_do(peer, face):
    peer.on("GET", STATUS, CAN_WAIT).on("GET", JOB, DONE)
    client = face.client(peer.url)
    for _ in range(3):
        face(client.with_options(timeout=5).jobs.handle("j1").result(timeout=5))
    assert len(peer.calls("GET", STATUS)) == 1


@pytest.mark.parametrize(
    "says", [reply({"status": "ok"}), NO_ROUTE, text("who are you", 401), reply([1]), text("", 200)]
)
def test_a_server_that_says_nothing_of_waiting_is_polled(peer, face, says):
    peer.on("GET", STATUS, says).on("GET", JOB, RUNNING, RUNNING, DONE)
    assert face(face.client(peer.url).jobs.handle("j1").result(timeout=10)) == 42
    assert all(seen.query == {} for seen in peer.calls("GET", JOB))


def test_polling_is_gentle(peer, face):
    peer.on("GET", JOB, RUNNING)
    with pytest.raises(WaitTimeout):
        face(face.client(peer.url).jobs.handle("j1").wait(timeout=0.9))
    assert len(peer.calls("GET", JOB)) <= 5


def test_a_server_that_promises_to_hold_but_does_not_is_not_hammered(peer, face):
    peer.on("GET", STATUS, CAN_WAIT).on("GET", JOB, RUNNING)
    with pytest.raises(WaitTimeout):
        face(face.client(peer.url).jobs.handle("j1").wait(timeout=0.9))
    assert len(peer.calls("GET", JOB)) <= 5


def test_a_wait_ends_at_its_deadline_and_tells_what_is_known(peer, face):
    peer.on("GET", JOB, RUNNING)
    with pytest.raises(WaitTimeout, match=r"job j1 has not ended within 0\.3 s \(it is running\)") as caught:
        face(face.client(peer.url).jobs.handle("j1").result(timeout=0.3))
    assert (caught.value.job_id, caught.value.status, caught.value.timeout) == ("j1", "running", 0.3)


@pytest.mark.parametrize("status", [reply({"status": "ok"}), CAN_WAIT, STALL])
def test_a_silent_server_cannot_hold_a_wait_beyond_its_deadline(peer, face, status):
    peer.on("GET", STATUS, status).on("GET", JOB, STALL)
    began = SYSTEM_CLOCK.monotonic()
    with pytest.raises(WaitTimeout, match="could not be asked"):
        face(face.client(peer.url).jobs.handle("j1").wait(timeout=0.5))
    assert SYSTEM_CLOCK.monotonic() - began < 3.0
    peer.release()


def test_no_time_at_all_asks_nobody(peer, face):
    with pytest.raises(WaitTimeout):
        face(face.client(peer.url).jobs.handle("j1").wait(timeout=0))
    assert peer.seen == []


@pytest.mark.parametrize("features", [[], ["wait"]])
def test_a_wait_survives_a_restart_of_the_server(peer, face, features):
    peer.on("GET", STATUS, reply({"status": "ok", "features": features})).on("GET", JOB, STALL)
    client = face.client(peer.url)

    def restart() -> None:
        peer.wait_for(1, "GET", JOB)
        peer.stop()
        peer.on("GET", JOB, Answer(503, b"starting"), DROP, DONE)
        peer.start()

    thread = threading.Thread(target=restart)
    thread.start()
    assert face(client.jobs.handle("j1").result(timeout=20)) == 42
    thread.join()


def test_a_restart_while_the_server_is_asked_what_it_can_do_is_survived(peer, face):
    peer.on("GET", STATUS, DROP, text("starting", 503), CAN_WAIT).on("GET", JOB, DONE)
    assert face(face.client(peer.url).jobs.handle("j1").result(timeout=20)) == 42


@pytest.mark.parametrize(("answer", "error"), [(404, NotFoundError), (403, PermissionDeniedError)])
def test_what_waiting_cannot_mend_is_raised_at_once(peer, face, answer, error):
    peer.on("GET", JOB, reply({"error": "no"}, answer))
    with pytest.raises(error):
        face(face.client(peer.url).jobs.handle("j1").wait())
    assert len(peer.calls("GET", JOB)) == 1


def test_a_server_that_can_never_answer_ends_even_an_endless_wait(peer, face):
    peer.on("GET", JOB, reply({"error": "'coroutine' object has no attribute 'get'"}, 500))
    with pytest.raises(ServerError):
        face(face.client(peer.url).jobs.handle("j1").wait())
    assert len(peer.calls("GET", JOB)) == 4


def test_jobs_come_as_they_complete(peer, face):
    ends = {"a": 5, "b": 1, "c": 3}
    looks = dict.fromkeys(ends, 0)

    def state(seen):
        name = seen.path.rpartition("/")[2]
        looks[name] += 1
        return reply({"id": name, "status": "finished" if looks[name] > ends[name] else "running", "result": name})

    for name in ends:
        peer.on("GET", f"/api/v1/jobs/{name}", state)
    client = face.client(peer.url)
    done = face.list(client.jobs.as_completed([client.jobs.handle(name) for name in ends], timeout=20))
    assert [job.id for job in done] == ["b", "c", "a"]
    assert [face(job.result(timeout=0)) for job in done] == ["b", "c", "a"]


def test_a_failed_job_completes_too_and_a_repeated_one_comes_once(peer, face):
    peer.on("GET", JOB, reply({"id": "j1", "status": "failed", "error_message": "boom"}))
    client = face.client(peer.url)
    (job,) = face.list(client.jobs.as_completed([client.jobs.handle("j1"), client.jobs.handle("j1")], timeout=10))
    with pytest.raises(JobFailed, match="boom"):
        face(job.result(timeout=0))
    assert face.list(client.jobs.as_completed([])) == []


def test_as_completed_ends_at_its_deadline(peer, face):
    for name in ("j1", "j2"):
        peer.on("GET", f"/api/v1/jobs/{name}", reply({"id": name, "status": "running"}))
    client = face.client(peer.url)
    with pytest.raises(WaitTimeout, match=r"within 0\.4 s"):
        face.list(client.jobs.as_completed([client.jobs.handle("j1"), client.jobs.handle("j2")], timeout=0.4))


def test_many_waits_take_turns_so_that_none_starves_behind_slower_jobs(peer):
    """A hundred jobs that never end are waited for; what ended long ago is still known within seconds."""
    peer.on("GET", STATUS, CAN_WAIT)

    def hold(seen: Seen) -> Answer:
        return Answer(200, RUNNING.body, RUNNING.headers, after=float(seen.query["wait"][0]))

    for number in range(100):
        peer.on("GET", f"/api/v1/jobs/slow{number}", hold)
    peer.on("GET", JOB, DONE)

    async def body() -> float:
        async with AsyncClient(peer.url) as client:
            await client.status()
            slow = [asyncio.create_task(client.jobs.handle(f"slow{n}").wait()) for n in range(100)]
            await asyncio.to_thread(peer.wait_for, 1, "GET", "/api/v1/jobs/slow63")
            began = SYSTEM_CLOCK.monotonic()
            assert await client.jobs.handle("j1").result(timeout=20) == 42
            took = SYSTEM_CLOCK.monotonic() - began
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            return took

    assert run(body()) < 8.0
