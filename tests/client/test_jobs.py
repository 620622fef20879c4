"""Submitting, finding, cancelling: what goes over the wire, and what comes back, on both faces."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from avtomatika_client import (
    APIConnectionError,
    APIStatusError,
    JobFailed,
    JobStatus,
    NotFoundError,
    NotSupportedByServerError,
    ValidationFailedError,
)
from tests.client._peer import DROP, NO_ROUTE, Answer, reply, text
from tests.client.conftest import TOKEN

SUBMIT = "/api/v1/jobs/greet"
ACCEPTED = reply({"status": "accepted", "job_id": "j1"}, 202)
JOB = "/api/v1/jobs/j1"


def test_submit_sends_the_seeds_body_and_token(peer, face):
    peer.on("POST", SUBMIT, ACCEPTED)
    client = face.client(peer.url)
    job = face(
        client.jobs.submit(
            "greet",
            {"name": "Ада", "nothing": None},
            webhook_url="http://127.0.0.1:9/hook",
            dispatch_timeout=60,
            result_timeout=300,
        )
    )
    (seen,) = peer.calls("POST", SUBMIT)
    assert seen.json == {
        "initial_data": {"name": "Ада", "nothing": None},
        "webhook_url": "http://127.0.0.1:9/hook",
        "dispatch_timeout": 60.0,
        "result_timeout": 300.0,
    }
    assert seen.headers["x-client-token"] == TOKEN
    assert seen.headers["content-type"] == "application/json"
    assert (job.id, str(job), job.status) == ("j1", "j1", None)


def test_what_was_not_given_is_not_sent(peer, face):
    peer.on("POST", SUBMIT, ACCEPTED)
    face(face.client(peer.url).jobs.submit("greet"))
    assert peer.calls("POST", SUBMIT)[0].json == {"initial_data": {}}


def test_initial_data_may_be_a_model(peer, face):
    class Name(BaseModel):
        name: str

    peer.on("POST", SUBMIT, ACCEPTED)
    face(face.client(peer.url).jobs.submit("greet", Name(name="Ada")))
    assert peer.calls("POST", SUBMIT)[0].json == {"initial_data": {"name": "Ada"}}


@pytest.mark.parametrize("data", [[1], "text", 5, {"x": float("nan")}, {1: 2}])
def test_data_that_is_no_json_object_is_refused_before_it_is_sent(peer, face, data):
    client = face.client(peer.url)
    with pytest.raises((ValueError, TypeError)):
        face(client.jobs.submit("greet", data))
    assert peer.seen == []


@pytest.mark.parametrize("missing", [NO_ROUTE, text("405: Method Not Allowed", 405), reply({"error": "no"}, 404)])
def test_an_unversioned_blueprint_is_found_once_and_stays_found(peer, face, missing):
    peer.on("POST", SUBMIT, missing).on("POST", "/api/jobs/greet", ACCEPTED)
    peer.on("GET", "/api/jobs/j1", reply({"id": "j1", "status": "running"}))
    job = face(face.client(peer.url).jobs.submit("greet", {}))
    assert face(job.refresh()).status == "running"
    assert [seen.path for seen in peer.asked] == [SUBMIT, "/api/jobs/greet", "/api/jobs/j1"]


def test_an_unknown_blueprint_is_not_found_whatever_the_server_calls_it(peer, face):
    peer.on("POST", "/api/v1/jobs/nope", text("405: Method Not Allowed", 405))
    peer.on("POST", "/api/jobs/nope", text("405: Method Not Allowed", 405))
    with pytest.raises(NotFoundError, match="no blueprint is served here") as caught:
        face(face.client(peer.url).jobs.submit("nope", {}))
    assert (caught.value.status, caught.value.path) == (405, "/api/v1/jobs/nope")


def test_an_endpoint_and_version_of_ones_own_are_used_as_they_are(peer, face):
    peer.on("POST", "/api/v2/orders/new", ACCEPTED).on("GET", "/api/v2/jobs/j1", reply({"id": "j1"}))
    client = face.client(peer.url)
    job = face(client.jobs.submit("new", {}, endpoint="/orders/new", api_version="v2"))
    face(job.refresh())
    with pytest.raises(NotFoundError):
        face(client.jobs.submit("new", {}, endpoint="/orders/old", api_version="v2"))
    assert [seen.path for seen in peer.asked] == ["/api/v2/orders/new", "/api/v2/jobs/j1", "/api/v2/orders/old"]


def test_names_cannot_escape_their_place_in_the_path(peer, face):
    client = face.client(peer.url)
    for attempt in ("../../_public/status", "a/b", "x?y=1"):
        with pytest.raises(NotFoundError):
            face(client.jobs.submit(attempt, {}))
    assert all(seen.path.startswith(("/api/v1/jobs/", "/api/jobs/")) and not seen.query for seen in peer.asked)


def test_submit_many_keeps_the_order_and_checks_all_first(peer, face):
    peer.on("POST", SUBMIT, lambda seen: reply({"status": "accepted", "job_id": seen.json["initial_data"]["n"]}, 202))
    client = face.client(peer.url)
    jobs = face(client.jobs.submit_many("greet", ({"n": f"j{n}"} for n in range(30))))
    assert [job.id for job in jobs] == [f"j{n}" for n in range(30)]
    with pytest.raises(ValueError):
        face(client.jobs.submit_many("greet", [{"n": "a"}, ["not an object"]]))
    assert len(peer.asked) == 30
    assert face(client.jobs.submit_many("greet", [])) == []


def test_a_failed_submit_many_names_what_was_accepted(peer, face):
    def some(seen):
        number = seen.json["initial_data"]["n"]
        return (
            reply({"error": "bad"}, 400) if number == 2 else reply({"status": "accepted", "job_id": f"j{number}"}, 202)
        )

    peer.on("POST", SUBMIT, some)
    with pytest.raises(ValidationFailedError) as caught:
        face(face.client(peer.url).jobs.submit_many("greet", [{"n": n} for n in range(5)]))
    (note,) = caught.value.__notes__
    sent = sorted(seen.json["initial_data"]["n"] for seen in peer.asked)
    accepted = [number for number in sent if number != 2]
    assert note == f"{len(accepted)} of 5 jobs were accepted before: {', '.join(f'j{n}' for n in accepted)}"


def test_get_reads_the_state_and_handle_asks_nobody(peer, face):
    peer.on("GET", JOB, reply({"id": "j1", "status": "running", "progress": 0.5, "new_field": [1]}))
    client = face.client(peer.url)
    restored = client.jobs.handle("j1")
    assert (restored.id, restored.state, peer.seen) == ("j1", None, [])
    job = face(client.jobs.get("j1"))
    assert job.status is JobStatus.RUNNING
    assert (job.state.progress, job.state.new_field) == (0.5, [1])


def test_an_unknown_status_is_kept(peer, face):
    peer.on("GET", JOB, reply({"id": "j1", "status": "meditating"}))
    job = face(face.client(peer.url).jobs.get("j1"))
    assert job.status == "meditating"
    assert not job.state.is_final


def test_an_unknown_job_is_not_found(peer, face):
    peer.on("GET", JOB, reply({"error": "Job not found"}, 404, x_request_id="r-1"))
    with pytest.raises(NotFoundError, match="Job not found") as caught:
        face(face.client(peer.url).jobs.get("j1"))
    error = caught.value
    assert (error.method, error.path, error.request_id, error.attempts) == ("GET", JOB, "r-1", 1)
    assert len(peer.seen) == 1


def test_a_token_in_the_job_is_dropped(peer, face):
    leaky = {"id": "j1", "status": "running", "client_config": {"token": TOKEN}, "tracing_context": {"token": TOKEN}}
    peer.on("GET", JOB, reply(leaky))
    job = face(face.client(peer.url).jobs.get("j1"))
    assert TOKEN not in repr(job.state) + job.state.model_dump_json()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'{"status": "running"}', b"\xff"])
def test_a_reply_that_cannot_be_read_is_an_error_of_ours(peer, face, body):
    peer.on("GET", JOB, Answer(200, body, {"content-type": "application/json"}))
    with pytest.raises(APIStatusError, match="cannot be read"):
        face(face.client(peer.url).jobs.get("j1"))


def test_history_comes_as_events_without_tokens(peer, face):
    event = {"event_id": "e", "job_id": "j1", "timestamp": "2026-01-01T00:00:00Z", "event_type": "state_started"}
    peer.on("GET", f"{JOB}/history", reply([{**event, "client_token": TOKEN, "later": 1}]))
    (found,) = face(face.client(peer.url).jobs.handle("j1").history())
    assert (found.event_type, found.later) == ("state_started", 1)
    assert TOKEN not in repr(found)


def test_a_server_without_history_is_told_from_an_unknown_job(peer, face):
    client = face.client(peer.url)
    with pytest.raises(NotSupportedByServerError, match="/history"):
        face(client.jobs.handle("j1").history())
    peer.on("GET", f"{JOB}/history", reply({"error": "Job not found"}, 404))
    with pytest.raises(NotFoundError):
        face(client.jobs.handle("j1").history())


def test_workers_are_listed_in_every_form(peer, face):
    rows = [
        {"worker_id": "w1", "supported_tasks": ["echo"], "security": {"signature": "s3cret"}},
        {"worker_id": "w2", "supported_skills": [{"name": "echo"}], "status": "idle", "reputation": 1},
    ]
    peer.on("GET", "/api/v1/workers", reply(rows))
    found = face(face.client(peer.url).workers.list())
    assert [worker.worker_id for worker in found] == ["w1", "w2"]
    assert "s3cret" not in repr(found)


def test_workers_are_read_again_and_a_bad_file_is_told(peer, face):
    path = "/api/v1/admin/reload-workers"
    peer.on("POST", path, reply({"status": "worker_configs_reloaded"}))
    face(face.client(peer.url).workers.reload())
    peer.on("POST", path, reply({"error": "workers.toml:2: [w1] token: is missing"}, 422))
    with pytest.raises(ValidationFailedError, match=r"workers.toml:2"):
        face(face.client(peer.url).workers.reload())


def test_status_tells_the_features(peer, face):
    peer.on("GET", "/_public/status", reply({"status": "ok", "features": ["wait"], "version": "9"}))
    found = face(face.client(peer.url).status())
    assert (found.status, found.features, found.version) == ("ok", ["wait"], "9")


def test_cancel_is_accepted_even_when_its_answer_was_lost(peer, face):
    peer.on("POST", f"{JOB}/cancel", DROP, reply({"error": "Job not found or already terminal."}, 404))
    peer.on("GET", JOB, reply({"id": "j1", "status": "cancelled"}))
    assert face(face.client(peer.url).jobs.handle("j1").cancel()).status == "cancellation_request_accepted"


def test_cancelling_what_has_ended_otherwise_is_an_error(peer, face):
    peer.on("POST", f"{JOB}/cancel", reply({"error": "Job not found or already terminal."}, 404))
    peer.on("GET", JOB, reply({"id": "j1", "status": "finished"}))
    with pytest.raises(NotFoundError, match="already terminal"):
        face(face.client(peer.url).jobs.handle("j1").cancel())


def test_cancel_can_wait_for_the_end(peer, face):
    peer.on("POST", f"{JOB}/cancel", reply({"status": "cancellation_request_sent"}))
    peer.on("GET", JOB, reply({"id": "j1", "status": "running"}), reply({"id": "j1", "status": "cancelled"}))
    job = face.client(peer.url).jobs.handle("j1")
    assert face(job.cancel(wait=True)).status == "cancellation_request_sent"
    assert job.status == "cancelled"


def test_result_is_whatever_the_job_returned(peer, face):
    client = face.client(peer.url)
    for value in ({"a": 1}, [1], 5, "text", None, False):
        peer.on("GET", JOB, reply({"id": "j1", "status": "finished", "result": value, "state_history": {"x": 1}}))
        assert face(client.jobs.handle("j1").result(timeout=5)) == value


def test_without_a_result_the_state_history_is_it(peer, face):
    old = {"id": "j1", "status": "running", "current_state": "finished", "state_history": {"output": "hello"}}
    peer.on("GET", JOB, reply(old))
    assert face(face.client(peer.url).jobs.handle("j1").result(timeout=5)) == {"output": "hello"}


@pytest.mark.parametrize("status", ["failed", "error", "quarantined", "cancelled"])
def test_a_job_that_ended_badly_raises_what_is_known(peer, face, status):
    error = {"code": "PERMANENT_ERROR", "message": "no such page"}
    peer.on("GET", JOB, reply({"id": "j1", "status": status, "current_state": "reading", "error": error}))
    job = face.client(peer.url).jobs.handle("j1")
    with pytest.raises(JobFailed, match="no such page") as caught:
        face(job.result(timeout=5))
    failed = caught.value
    assert (failed.job_id, failed.status, failed.end_state, failed.error) == ("j1", status, "reading", error)
    assert face(job.wait(timeout=5)).status == status


def test_a_job_that_has_ended_is_not_asked_for_again(peer, face):
    peer.on("GET", JOB, reply({"id": "j1", "status": "finished", "result": 1}))
    job = face.client(peer.url).jobs.handle("j1")
    assert [face(job.result(timeout=5)) for _ in range(3)] == [1, 1, 1]
    assert face(job.result(timeout=0)) == 1
    assert len(peer.calls("GET", JOB)) == 1


def test_no_server_is_a_connection_error(face, peer):
    peer.stop()
    with pytest.raises(APIConnectionError) as caught:
        face(face.client(peer.url, retries=0).jobs.submit("greet", {}))
    assert caught.value.sent is False
    peer.start()


def test_with_options_shares_connections_and_leaves_them_open(peer, face):
    client = face.client(peer.url)
    face(client.status())
    copy = client.with_options(timeout=1, retries=0)
    face(copy.status())
    face(copy.close())
    face(client.status())
    assert {seen.connection for seen in peer.seen} == {1}


def test_a_closed_client_says_so(peer, face):
    client = face.client(peer.url)
    face(client.status())
    face(client.close())
    face(client.close())
    with pytest.raises(RuntimeError, match="closed"):
        face(client.status())
