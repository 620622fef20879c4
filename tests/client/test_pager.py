"""Lists: pages are fetched as they are gone through, whatever the server's way to the next one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from avtomatika_client import AuthenticationError, NotSupportedByServerError
from tests.client._peer import NO_ROUTE, Answer, reply

if TYPE_CHECKING:
    from tests.client._peer import Seen

JOBS = "/api/v1/jobs"


def compact(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"j{number}", "status": "running", "blueprint_name": "greet", "created_at": 1.5, **more}


def ours(total: int) -> Any:
    """The route as our server serves it, with `total` jobs."""

    def answer(seen: Seen) -> Answer:
        limit = int(seen.query["limit"][0])
        start = int(seen.query.get("cursor", ["0"])[0])
        page = [compact(number) for number in range(start, min(start + limit, total))]
        more = {"x_next_cursor": str(start + limit)} if start + limit < total else {}
        return reply(page, **more)

    return answer


def officially(*rows: dict[str, Any]) -> Any:
    """The route as official servers serve it: the latest event of each job."""

    def answer(seen: Seen) -> Answer:
        start = int(seen.query.get("offset", ["0"])[0])
        return reply(list(rows[start : start + int(seen.query["limit"][0])]))

    return answer


def event(number: int, status: str = "finished", **snapshot: Any) -> dict[str, Any]:
    known = {"id": f"j{number}", "status": status, "current_state": "end", "blueprint_name": "greet", **snapshot}
    kept = {"client_config": {"token": "t0p-secret"}, "tracing_context": {"x-client-token": "t0p-secret"}}
    about = {"job_id": f"j{number}", "event_id": "e", "event_type": "job_completed", "client_token": "t0p-secret"}
    return {**about, "state": "end", "context_snapshot": {**known, **kept}, "rn": 1}


def test_going_through_a_list_fetches_its_pages_one_by_one(peer, face):
    peer.on("GET", JOBS, ours(7))
    jobs = face.list(face.client(peer.url).jobs.list(limit=3))
    assert [job.id for job in jobs] == [f"j{number}" for number in range(7)]
    assert [seen.query.get("cursor") for seen in peer.calls("GET", JOBS)] == [None, ["3"], ["6"]]


def test_nothing_is_asked_before_the_first_item_is_wanted(peer, face):
    peer.on("GET", JOBS, ours(7))
    pager = face.client(peer.url).jobs.list()
    assert peer.calls("GET", JOBS) == []
    assert len(face(pager.first_page()).items) == 7


def test_no_page_is_fetched_that_nobody_wants(peer, face):
    peer.on("GET", JOBS, ours(7))
    pages = face.client(peer.url).jobs.list(limit=2).pages()
    first = next(pages) if face.kind == "sync" else face(anext(pages))
    assert [job.id for job in first.items] == ["j0", "j1"]
    assert len(peer.calls("GET", JOBS)) == 1
    if face.kind == "async":
        face(pages.aclose())


def test_the_first_page_tells_with_what_the_next_begins(peer, face):
    peer.on("GET", JOBS, ours(5))
    client = face.client(peer.url)
    page = face(client.jobs.list(limit=3).first_page())
    assert (page.cursor, page.total) == ("3", None)
    rest = face(client.jobs.list(limit=3, cursor=page.cursor).first_page())
    assert ([job.id for job in rest.items], rest.cursor) == (["j3", "j4"], None)


def test_each_iteration_begins_anew(peer, face):
    peer.on("GET", JOBS, ours(3))
    pager = face.client(peer.url).jobs.list(limit=2)
    assert len(face.list(pager)) == len(face.list(pager)) == 3


def test_an_empty_list_is_empty(peer, face):
    peer.on("GET", JOBS, reply([]))
    assert face.list(face.client(peer.url).jobs.list()) == []


def test_filters_are_sent(peer, face):
    peer.on("GET", JOBS, reply([]))
    face.list(face.client(peer.url).jobs.list(limit=9, status="failed", blueprint="a b&c"))
    (seen,) = peer.calls("GET", JOBS)
    assert seen.query == {"limit": ["9"], "status": ["failed"], "blueprint": ["a b&c"]}


def test_a_listed_job_is_a_handle_that_knows_what_the_list_tells(peer, face):
    peer.on("GET", JOBS, reply([compact(1)]))
    (job,) = face.list(face.client(peer.url).jobs.list())
    assert (job.id, job.status, job.state.blueprint_name, job.state.created_at) == ("j1", "running", "greet", 1.5)


def test_the_result_of_a_listed_job_that_has_ended_is_read(peer, face):
    peer.on("GET", JOBS, reply([compact(1, status="finished")]))
    peer.on("GET", f"{JOBS}/j1", reply({"id": "j1", "status": "finished", "result": 5}))
    (job,) = face.list(face.client(peer.url).jobs.list())
    assert job.status == "finished"
    assert face(job.result(timeout=5)) == 5


def test_official_rows_are_read_by_offset_as_the_jobs_they_tell_of(peer, face):
    peer.on("GET", JOBS, officially(*(event(number) for number in range(5))))
    jobs = face.list(face.client(peer.url).jobs.list(limit=2))
    assert [job.id for job in jobs] == [f"j{number}" for number in range(5)]
    assert [seen.query.get("offset") for seen in peer.calls("GET", JOBS)] == [None, ["2"], ["4"], ["5"]]
    assert (jobs[0].status, jobs[0].state.current_state, jobs[0].state.blueprint_name) == ("finished", "end", "greet")


def test_official_rows_are_filtered_here(peer, face):
    rows = [event(0), event(1, "failed"), event(2, "failed", blueprint_name="scan"), event(3, "running")]
    peer.on("GET", JOBS, officially(*rows))
    client = face.client(peer.url)
    assert [job.id for job in face.list(client.jobs.list(limit=1, status="failed"))] == ["j1", "j2"]
    assert [job.id for job in face.list(client.jobs.list(status="failed", blueprint="scan"))] == ["j2"]


def test_an_official_row_without_a_snapshot_is_a_job_all_the_same(peer, face):
    peer.on("GET", JOBS, officially({**event(1), "context_snapshot": None}))
    (job,) = face.list(face.client(peer.url).jobs.list())
    assert (job.id, job.state.current_state) == ("j1", "end")


def test_tokens_in_official_rows_are_dropped(peer, face):
    peer.on("GET", JOBS, officially(event(1)))
    (job,) = face.list(face.client(peer.url).jobs.list())
    assert "t0p-secret" not in job.state.model_dump_json()


def test_a_server_without_the_list_is_told_as_such(peer, face):
    peer.on("GET", JOBS, NO_ROUTE)
    with pytest.raises(NotSupportedByServerError, match="GET /api"):
        face.list(face.client(peer.url).jobs.list())


def test_an_error_comes_from_the_iteration(peer, face):
    peer.on("GET", JOBS, reply({"error": "Unauthorized"}, 401))
    pager = face.client(peer.url).jobs.list()
    with pytest.raises(AuthenticationError):
        face.list(pager)


@pytest.mark.parametrize("body", [b"{}", b"[1]", b'[{"status": "running"}]', b"nonsense"])
def test_an_answer_that_is_no_list_of_jobs_is_a_clear_error(peer, face, body):
    peer.on("GET", JOBS, Answer(body=body, headers={"content-type": "application/json"}))
    with pytest.raises(Exception, match="the reply cannot be read"):
        face.list(face.client(peer.url).jobs.list())


def test_a_page_holds_at_least_one(peer, face):
    with pytest.raises(ValueError, match="limit"):
        face.client(peer.url).jobs.list(limit=0)
