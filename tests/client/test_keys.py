"""A submit is one job, whatever becomes of the answers: with a real server behind faults, and with foreign ones."""

from __future__ import annotations

import pytest

from avtomatika_client import (
    APIConnectionError,
    ConflictError,
    NotSupportedByServerError,
    Retry,
    ServerError,
)
from avtomatika_client.protocol.ids import made_at, new_id
from orchestrator_lite import Orchestrator
from tests.client._peer import DROP, STATUS, reply
from tests.client.test_many import QUICK, Unsteady
from tests.conftest import run
from tests.server.flows import greet

SUBMIT = "/api/v1/jobs/greet"
ACCEPTED = reply({"status": "accepted", "job_id": "j1"}, 202)
ALL = reply({"status": "ok", "features": ["idempotency", "submit_many", "delay", "priority"]})


async def count(client) -> int:
    return len([job async for job in client.jobs.list()])


async def test_a_submit_whose_answer_was_lost_is_repeated_and_there_is_one_job(orchestrator):
    orchestrator.add(greet())
    async with orchestrator.client() as client:
        orchestrator.faults.drop_response("POST /api/v1/jobs/greet")
        job = await client.jobs.submit("greet", {"name": "Ada"})
        assert await count(client) == 1
        assert (await job.refresh()).status == "waiting_for_worker"
        assert orchestrator.faults.unused() == []


async def test_a_submit_the_server_was_too_busy_for_is_repeated(orchestrator):
    orchestrator.add(greet())
    async with orchestrator.client() as client:
        orchestrator.faults.status(503, "POST /api/v1/jobs/greet", times=2)
        await client.jobs.submit("greet", {"name": "Ada"})
        assert await count(client) == 1


def test_a_submit_outlasts_a_store_that_cannot_write_just_now():
    async def body():
        store = Unsteady([True, True])
        async with Orchestrator([greet()], store=store) as lite, lite.client(retries=QUICK) as client:
            job = await client.jobs.submit("greet", {})
            assert [one.id async for one in client.jobs.list()] == [job.id]

    run(body())


async def test_many_whose_answer_was_lost_are_repeated_and_there_is_one_job_each(orchestrator):
    orchestrator.add(greet())
    async with orchestrator.client() as client:
        orchestrator.faults.drop_response("POST /api/v1/jobs:submit", times=2)
        jobs = await client.jobs.submit_many("greet", [{"n": n} for n in range(600)])
        assert len({job.id for job in jobs}) == 600
        assert await count(client) == 600
        assert (await jobs[599].refresh()).state.initial_data == {"n": 599}


async def test_the_same_key_is_the_same_job_and_another_body_a_conflict(orchestrator):
    orchestrator.add(greet())
    async with orchestrator.client() as client:
        first = await client.jobs.submit("greet", {"n": 1}, idempotency_key="order-17")
        again = await client.jobs.submit("greet", {"n": 1}, idempotency_key="order-17")
        assert first.id == again.id
        with pytest.raises(ConflictError, match=first.id):
            await client.jobs.submit("greet", {"n": 2}, idempotency_key="order-17")
        many = [await client.jobs.submit_many("greet", [{}, {}], idempotency_key="import") for _ in range(2)]
        assert [job.id for job in many[0]] == [job.id for job in many[1]]
        assert await count(client) == 3


async def test_two_submits_without_a_key_are_two_jobs(orchestrator):
    orchestrator.add(greet())
    async with orchestrator.client() as client:
        one, other = await client.jobs.submit("greet", {}), await client.jobs.submit("greet", {})
        assert one.id != other.id


async def test_a_submit_with_files_and_a_key_goes_on_where_it_was_left(orchestrator):
    orchestrator.add(greet())
    async with orchestrator.client(retries=0) as client:
        orchestrator.faults.status(500, "PUT /api/v1/jobs/*/files/content/a.txt")
        arguments = {"files": {"a.txt": b"a"}, "idempotency_key": "order-17"}
        with pytest.raises(ServerError):
            await client.jobs.submit("greet", {}, **arguments)
        (left,) = [job async for job in client.jobs.list()]
        assert (await left.refresh()).state.held
        job = await client.jobs.submit("greet", {}, **arguments)
        assert job.id == left.id
        assert (await job.refresh()).status == "waiting_for_worker"
        assert (await client.jobs.submit("greet", {}, **arguments)).id == left.id
        assert [file.name for file in await job.files.list()] == ["a.txt"]


async def test_a_delay_a_priority_and_a_limit_travel(orchestrator):
    orchestrator.add(greet())
    async with orchestrator.client() as client:
        job = await client.jobs.submit("greet", {}, delay=10, priority=5, max_transitions=7)
        assert (await job.refresh()).status == "pending"
        assert (job.state.priority, job.state.max_transitions) == (5, 7)
        await orchestrator.clock.advance(seconds=11)
        assert (await job.refresh()).status == "waiting_for_worker"


def test_one_key_is_sent_with_every_try(peer, face):
    peer.on("GET", STATUS, ALL).on("POST", SUBMIT, DROP, reply({"error": "busy"}, 503), ACCEPTED)
    job = face(face.client(peer.url, retries=Retry(retries=2, wait=lambda _: 0.0)).jobs.submit("greet", {}))
    assert job.id == "j1"
    keys = [seen.headers["idempotency-key"] for seen in peer.calls("POST", SUBMIT)]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert made_at(keys[0]) is not None


def test_two_submits_have_two_keys_and_a_given_one_is_sent_as_it_is(peer, face):
    peer.on("GET", STATUS, ALL).on("POST", SUBMIT, ACCEPTED)
    client = face.client(peer.url)
    for key in (None, None, "order 17"):
        face(client.jobs.submit("greet", {}, idempotency_key=key))
    keys = [seen.headers["idempotency-key"] for seen in peer.calls("POST", SUBMIT)]
    assert len(set(keys)) == 3
    assert keys[2] == "order 17"
    assert len(peer.calls("GET", STATUS)) == 1


@pytest.mark.parametrize("status", [reply({"status": "ok"}), reply({"error": "no"}, 401), reply({}, 500), DROP])
def test_a_server_that_does_not_say_so_gets_no_key_and_no_repetition(peer, face, status):
    peer.on("GET", STATUS, status).on("POST", SUBMIT, ACCEPTED, DROP)
    client = face.client(peer.url, retries=Retry(retries=2, wait=lambda _: 0.0))
    assert face(client.jobs.submit("greet", {})).id == "j1"
    with pytest.raises(APIConnectionError):
        face(client.jobs.submit("greet", {}))
    assert len(peer.calls("POST", SUBMIT)) == 2
    assert not any("idempotency-key" in seen.headers for seen in peer.seen)


@pytest.mark.parametrize("asked", [{"idempotency_key": "k"}, {"delay": 5}, {"priority": 1}])
def test_what_the_server_does_not_know_is_not_sent(peer, face, asked):
    client = face.client(peer.url)
    with pytest.raises(NotSupportedByServerError, match="this server does not offer: "):
        face(client.jobs.submit("greet", {}, **asked))
    with pytest.raises(NotSupportedByServerError):
        face(client.jobs.submit_many("greet", [{}, {}], **asked))
    assert peer.asked == []


def test_a_limit_of_transitions_is_sent_to_every_server(peer, face):
    peer.on("POST", SUBMIT, ACCEPTED)
    face(face.client(peer.url).jobs.submit("greet", {}, max_transitions=5))
    assert peer.asked[0].json == {"initial_data": {}, "max_transitions": 5}


@pytest.mark.parametrize("key", ["", " k", "k ", "k\n", "é", "k" * 256])
def test_a_key_that_cannot_be_sent_is_refused_before(peer, face, key):
    with pytest.raises(ValueError, match="idempotency_key"):
        face(face.client(peer.url).jobs.submit("greet", {}, idempotency_key=key))
    assert peer.seen == []


def test_an_id_tells_when_it_was_made_and_other_texts_tell_nothing():
    for now in (0.0, 1_700_000_000.123, 2.0**40 / 1000):
        assert made_at(new_id(now)) == pytest.approx(now, abs=0.001)
        assert made_at(new_id(now) + ":17") == made_at(new_id(now)[:13] + "-7000-8000-000000000000")
    for text in ("", "order-17", "0" * 36, new_id(1.0)[1:], new_id(1.0).upper().replace("0", "O")):
        assert made_at(text) is None
