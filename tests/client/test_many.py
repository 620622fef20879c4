"""submit_many in requests of many: what is sent, what is sent again, and each job exactly once."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from avtomatika_client import AvtomatikaError, NotFoundError, Retry, ServerError, ValidationFailedError
from avtomatika_client._calls import many
from orchestrator_lite import Orchestrator
from orchestrator_lite.store import SqliteStore, StoreUnavailable
from orchestrator_lite.testing._faults.faults import Faults
from tests.client._peer import STATUS, reply
from tests.conftest import run
from tests.server.flows import greet

SUBMIT = "/api/v1/jobs:submit"
ABLE = reply({"status": "ok", "features": ["idempotency", "submit_many"]})
QUICK = Retry(retries=3, wait=lambda _: 0.0)


def accepted(seen: Any) -> Any:
    results = [{"status": "accepted", "job_id": f"j{job['initial_data']['n']}"} for job in seen.json["jobs"]]
    return reply({"results": results})


def refusing(*numbers: int, code: int) -> Any:
    """Refuses these jobs, whatever else is in the request."""

    def answer(seen: Any) -> Any:
        results = json.loads(accepted(seen).body)["results"]
        for place, job in enumerate(seen.json["jobs"]):
            if job["initial_data"]["n"] in numbers:
                results[place] = {"status": "error", "code": code, "error": "no"}
        return reply({"results": results})

    return answer


def items(count: int) -> list[dict[str, int]]:
    return [{"n": n} for n in range(count)]


def sent(peer: Any) -> list[list[int]]:
    """The numbers of the jobs in each request."""
    return [[job["initial_data"]["n"] for job in seen.json["jobs"]] for seen in peer.calls("POST", SUBMIT)]


def test_many_jobs_go_in_few_requests_each_with_a_key_of_its_own(peer, face, monkeypatch):
    monkeypatch.setattr(many, "AT_ONCE", 3)
    peer.on("GET", STATUS, ABLE).on("POST", SUBMIT, accepted)
    jobs = face(face.client(peer.url).jobs.submit_many("greet", items(7), dispatch_timeout=5, idempotency_key="k"))
    assert [job.id for job in jobs] == [f"j{n}" for n in range(7)]
    assert sorted(sent(peer)) == [[0, 1, 2], [3, 4, 5], [6]]
    first = min((seen.json for seen in peer.calls("POST", SUBMIT)), key=lambda body: body["jobs"][0]["idempotency_key"])
    assert first == {
        "endpoint": "/jobs/greet",
        "jobs": [{"initial_data": {"n": n}, "dispatch_timeout": 5.0, "idempotency_key": f"k:{n}"} for n in range(3)],
    }


def test_a_request_stays_small_however_large_the_jobs_are(peer, face, monkeypatch):
    monkeypatch.setattr(many, "LARGEST", 1000)
    peer.on("GET", STATUS, ABLE).on("POST", SUBMIT, accepted)
    data = [{"n": n, "text": "x" * size} for n, size in enumerate([10, 10, 5000, 600, 600, 10])]
    assert len(face(face.client(peer.url).jobs.submit_many("greet", data))) == 6
    assert sorted(sent(peer)) == [[0, 1], [2], [3], [4, 5]]


def test_a_request_that_is_too_large_for_the_server_is_sent_in_halves(peer, face):
    def small(seen: Any) -> Any:
        return accepted(seen) if len(seen.json["jobs"]) <= 2 else reply({"error": "too large"}, 413)

    peer.on("GET", STATUS, ABLE).on("POST", SUBMIT, small)
    jobs = face(face.client(peer.url).jobs.submit_many("greet", items(5)))
    assert [job.id for job in jobs] == [f"j{n}" for n in range(5)]
    assert [some for some in sent(peer) if len(some) <= 2] == [[0, 1], [2], [3, 4]]


def test_jobs_the_server_was_too_busy_for_are_sent_again(peer, face):
    peer.on("GET", STATUS, ABLE).on("POST", SUBMIT, refusing(1, 3, code=503), refusing(3, code=503), accepted)
    jobs = face(face.client(peer.url, retries=QUICK).jobs.submit_many("greet", items(5)))
    assert [job.id for job in jobs] == [f"j{n}" for n in range(5)]
    assert sent(peer) == [[0, 1, 2, 3, 4], [1, 3], [3]]
    keys = [job["idempotency_key"] for seen in peer.calls("POST", SUBMIT) for job in seen.json["jobs"]]
    assert keys[5:] == [keys[1], keys[3], keys[3]]


def test_jobs_the_server_stays_too_busy_for_are_an_error(peer, face):
    peer.on("GET", STATUS, ABLE).on("POST", SUBMIT, refusing(1, code=503))
    with pytest.raises(ServerError) as caught:
        face(face.client(peer.url, retries=QUICK).jobs.submit_many("greet", items(3)))
    assert (caught.value.status, caught.value.attempts) == (503, 4)
    assert caught.value.__notes__ == ["2 of 3 jobs were accepted before: j0, j2"]


@pytest.mark.parametrize(("code", "kind"), [(400, ValidationFailedError), (404, NotFoundError)])
def test_a_refused_job_is_an_error_that_names_the_accepted_ones_and_nothing_more_is_sent(peer, code, kind, monkeypatch):
    from avtomatika_client import Client

    monkeypatch.setattr(many, "AT_ONCE", 2)
    peer.on("GET", STATUS, ABLE).on("POST", SUBMIT, refusing(2, code=code))
    with Client(peer.url) as client, pytest.raises(kind, match="no") as caught:
        client.jobs.submit_many("greet", items(9))
    assert caught.value.__notes__ == ["3 of 9 jobs were accepted before: j0, j1, j3"]
    assert sent(peer) == [[0, 1], [2, 3]]


@pytest.mark.parametrize("answer", [{"results": []}, {"results": [{"status": "accepted", "job_id": "j0"}]}, {}, []])
def test_an_answer_without_a_result_for_each_is_an_error(peer, face, answer):
    peer.on("GET", STATUS, ABLE).on("POST", SUBMIT, reply(answer))
    with pytest.raises(AvtomatikaError, match="cannot be read"):
        face(face.client(peer.url).jobs.submit_many("greet", items(2)))


class Unsteady(SqliteStore):
    """A store whose commits fail when they are told to."""

    def __init__(self, refusals: list[bool]) -> None:
        super().__init__(None, inline=True)
        self._refusals = list(refusals)

    async def commit(self, *changes: Any) -> None:
        if self._refusals and self._refusals.pop():
            raise StoreUnavailable("not now")
        await super().commit(*changes)


@given(
    count=st.integers(0, 20),
    refusals=st.lists(st.booleans(), max_size=40),
    lost=st.lists(st.sampled_from(["drop_request", "drop_response", "duplicate"]), max_size=4),
    at_once=st.integers(1, 6),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_lost_each_job_is_there_exactly_once(count, refusals, lost, at_once):
    async def body() -> None:
        lite = Orchestrator([greet()], store=Unsteady(refusals))
        lite._faults = Faults()
        async with lite, lite.client(retries=Retry(retries=1, wait=lambda _: 0.0)) as client:
            for fault in lost:
                getattr(lite._faults, fault)("POST /api/v1/jobs:submit")
            for _ in range(200):
                try:
                    jobs = await client.jobs.submit_many("greet", items(count), idempotency_key="all")
                    break
                except AvtomatikaError:
                    continue
            states = [(await job.refresh()).state.initial_data["n"] for job in jobs]
            assert states == list(range(count))
            there = Counter([job.id async for job in client.jobs.list(limit=500)])
            assert there == Counter(job.id for job in jobs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "AT_ONCE", at_once)
        run(body())
