"""Whatever is sent, the answer says what was wrong: 4xx in the envelope of the seeds, or `ignored`; nothing half-done.

Each case ends with a look at the server: no job was made, none was changed, and it still works.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests._support.house import House, RawWorker, serving
from tests.conftest import run
from tests.server.flows import bare, greet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

JSON = {"Content-Type": "application/json"}


def refused(reply: httpx.Response, *words: str, status: int = 400) -> None:
    """The reply is an error in the seeds' envelope and names what was wrong."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert list(body) == ["error"]
    for word in words:
        assert word.lower() in body["error"].lower()


async def stored(house: House) -> Any:
    """How much work the server has."""
    return await house.lite._site.core.store.counts()


@asynccontextmanager
async def unmoved(**settings: Any) -> AsyncIterator[House]:
    """A server that has the same work after the block as before, and still does a job."""
    async with serving(greet(), **settings) as house:
        before = await stored(house)
        yield house
        assert await stored(house) == before
        worker = await house.registered("good", "greet")
        job_id = await house.create("/jobs/greet")
        await worker.answer(await worker.task(), data=1)
        assert (await house.ended(job_id))["result"] == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{oops",
        b"[1, 2]",
        b"null",
        b'"text"',
        b"7",
        b"\xff\xfe{}",
        b'{"initial_data": {"a": NaN}}',
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
        b'{"initial_data": {"a": 1e400}}',
        b'{"initial_data": {"a": ' + b"9" * 5000 + b"}}",
    ],
    ids=["empty", "broken", "array", "null", "text", "number", "bytes", "NaN", "surrogate", "deep", "inf", "long"],
)
def test_a_job_is_not_made_of_what_is_no_json_object(body):
    async def check():
        async with unmoved() as house:
            refused(await house.api("POST", "/jobs/greet", content=body, headers=JSON), "JSON")

    run(check())


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"initial_data": None}, "initial_data"),
        ({"initial_data": [1]}, "initial_data"),
        ({"initial_data": "x"}, "initial_data"),
        ({"initial_data": {}, "webhook_url": 5}, "webhook_url"),
        ({"initial_data": {}, "webhook_url": "file:///etc/passwd"}, "webhook_url"),
        ({"initial_data": {}, "dispatch_timeout": "soon"}, "dispatch_timeout"),
        ({"initial_data": {}, "dispatch_timeout": 0}, "dispatch_timeout"),
        ({"initial_data": {}, "dispatch_timeout": -1}, "dispatch_timeout"),
        ({"initial_data": {}, "result_timeout": [1]}, "result_timeout"),
        ({"initial_data": {}, "result_timeout": 1e30}, "result_timeout"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(body, named):
    async def check():
        async with unmoved() as house:
            refused(await house.api("POST", "/jobs/greet", json=body), named)

    run(check())


def test_json_nested_too_deeply_is_refused_with_the_limit_and_the_deepest_allowed_is_taken():
    def nested(levels: int) -> Any:
        value: Any = 1
        for _ in range(levels):
            value = [value]
        return value

    async def check():
        async with unmoved() as house:
            reply = await house.api("POST", "/jobs/greet", json={"initial_data": {"a": nested(63)}})
            refused(reply, "64")
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet", {"a": nested(62)})
            assert (await house.job(job_id))["initial_data"]["a"] == nested(62)

    run(check())


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_413_and_one_at_the_limit_is_taken(chunked):
    async def chunks(body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    async def check():
        async with serving(greet(), max_body=20_000) as house:
            fits = json.dumps({"initial_data": {"a": "x" * 10_000}}).encode()
            fits += b" " * (20_000 - len(fits))
            for body, status in ((fits, 202), (fits + b" ", 413)):
                content = chunks(body) if chunked else body
                reply = await house.api("POST", "/jobs/greet", content=content, headers=JSON)
                assert reply.status_code == status
                if status == 413:
                    refused(reply, "too large", status=413)

    run(check())


def test_a_body_far_over_the_default_limit_is_413():
    async def check():
        async with unmoved() as house:
            body = b'{"initial_data": {"a": "' + b"x" * (17 * 1024 * 1024) + b'"}}'
            refused(await house.api("POST", "/jobs/greet", content=body, headers=JSON), "too large", status=413)

    run(check())


@pytest.mark.parametrize("path", ["/jobs/nobody", "/other", "/jobs/greet/extra", "/jobs/greet/"])
def test_an_unknown_blueprint_is_404_and_its_path_is_named(path):
    async def check():
        async with unmoved() as house:
            refused(await house.api("POST", path, json={}), f"/api/v1{path}", status=404)

    run(check())


@pytest.mark.parametrize(
    "job_id", ["nope", "%00", "%FF", "a" * 2000, "01a1f8aa-6d00-7000-8000-000000000000", "' OR 1=1"]
)
def test_an_unknown_job_is_404(job_id):
    async def check():
        async with unmoved() as house:
            refused(await house.api("GET", f"/jobs/{job_id}"), "Job not found", status=404)
            refused(await house.api("GET", f"/jobs/{job_id}/history"), "Job not found", status=404)
            refused(await house.api("POST", f"/jobs/{job_id}/cancel"), "Job not found", status=404)

    run(check())


@pytest.mark.parametrize("wait", ["soon", "-1", "nan", "inf", ""])
def test_a_wait_that_is_no_time_is_refused(wait):
    async def check():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            refused(await house.api("GET", f"/jobs/{job_id}", params={"wait": wait}), "wait")

    run(check())


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "worker_id"),
        ({"worker_type": "gpu", "supported_skills": ["greet"]}, "worker_id"),
        *[
            ({"worker_id": bad}, "worker_id")
            for bad in ("", "a b", "a/b", "работник", "a\n", "a" * 129, 5, None, "a%", "..")
        ],
        ({"worker_id": "w1", "supported_skills": "greet"}, "supported_skills"),
        ({"worker_id": "w1", "capabilities": []}, "capabilities"),
        ({"worker_id": "w1", "incarnation": "x" * 65}, "incarnation"),
        ({"worker_id": "w1", "incarnation": "a", "holding": [{"attempt": 1}]}, "holding"),
        ({"worker_id": "w1", "incarnation": "a", "holding": [{"task_id": "t", "attempt": 10**30}]}, "holding"),
        ({"worker_id": "w1", "incarnation": "a", "holding": {"t": 1}}, "holding"),
    ],
    ids=str,
)
def test_a_registration_that_is_wrong_is_refused_and_registers_nobody(body, named):
    async def check():
        async with unmoved() as house:
            worker = house.worker("w1")
            refused(await worker.send("POST", "/workers/register", json=body), named)
            assert (await house.api("GET", "/workers")).json() == []

    run(check())


@pytest.mark.parametrize("body", [b"", b"{oops", b"[]", b'"w1"'])
def test_a_registration_that_is_no_object_is_refused(body):
    async def check():
        async with unmoved() as house:
            refused(await house.worker("w1").send("POST", "/workers/register", content=body), "JSON")

    run(check())


@pytest.mark.parametrize("worker_id", ["a b", "a.b", "%D1%80", "w1%0A", "a" * 129])
def test_a_worker_id_with_forbidden_characters_is_refused_in_every_path(worker_id):
    async def check():
        async with unmoved() as house:
            worker = house.worker("w1", "greet")
            refused(await worker.send("GET", f"/workers/{worker_id}/tasks/next"), "worker_id")
            refused(await worker.send("PATCH", f"/workers/{worker_id}"), "worker_id")
            refused(await worker.send("PATCH", f"/workers/{worker_id}", json={"status": "idle"}), "worker_id")

    run(check())


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{oops", "JSON"),
        (b"[1]", "JSON"),
        (b'{"current_tasks": "t"}', "current_tasks"),
        (b'{"current_tasks": [5]}', "current_tasks"),
        (b'{"status": 5}', "status"),
        (b'{"acks": [{"attempt": 1}]}', "acks"),
        (b'{"load": "heavy"}', "load"),
        (b'{"load": 1e400}', "JSON"),
        (b'{"extra": [1e999]}', "JSON"),
    ],
)
def test_a_heartbeat_that_is_wrong_is_refused_and_changes_nothing(body, named):
    async def check():
        async with unmoved() as house:
            worker = await house.registered("w1", "greet")
            before = (await house.api("GET", "/workers")).json()
            refused(await worker.send("PATCH", "/workers/w1", content=body), named)
            after = (await house.api("GET", "/workers")).json()
            assert [{**row, "last_seen": 0} for row in after] == [{**row, "last_seen": 0} for row in before]

    run(check())


@pytest.mark.parametrize("timeout", ["soon", "", "1,5"])
def test_a_poll_that_asks_for_no_time_is_refused(timeout):
    async def check():
        async with unmoved() as house:
            worker = await house.registered("w1", "other")
            refused(await worker.send("GET", "/workers/w1/tasks/next", params={"timeout": timeout}), "timeout")

    run(check())


@pytest.mark.parametrize(
    "ack", [b"nonsense", b"t:", b":1", b"t:x", b"t:\xb2", b"t:" + b"9" * 5000, b",,,", b"\xff\xfe"]
)
def test_an_acknowledgement_that_cannot_be_read_is_passed_over(ack):
    async def check():
        async with unmoved() as house:
            worker = await house.registered("w1", "other", incarnation="a")
            url = "/_worker/workers/w1/tasks/next?timeout=0"
            headers = {**{k: v.encode() for k, v in worker.headers.items()}, "X-Avtomatika-Ack": ack}
            reply = await house.http.get(url, headers=headers)
            assert reply.status_code in {204, 400}, reply.text

    run(check())


async def task_of(house: House) -> tuple[str, RawWorker, dict[str, Any]]:
    job_id = await house.create("/jobs/greet")
    worker = await house.registered("w1", "greet")
    return job_id, worker, await worker.task()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"job_id": None}, "job_id"),
        ({"task_id": 7}, "task_id"),
        ({"worker_id": 7}, "worker_id"),
        ({"worker_id": "no such/id"}, "worker_id"),
        ({"status": 5}, "status"),
        ({"error": 5}, "error"),
        ({"error": {"code": 5}}, "error"),
        ({"attempt": "first"}, "attempt"),
        ({"result": {"status": 5}}, "status"),
        ({"result": {"error": [1]}}, "error"),
        ({"status": "failure", "error": {"code": "X", "retry_after": "x" * 10}}, None),
    ],
    ids=str,
)
def test_a_result_that_is_wrong_is_refused_and_the_task_stays_where_it_is(change, named):
    async def check():
        async with serving(bare("greet")) as house:
            job_id, worker, task = await task_of(house)
            before = await house.job(job_id)
            body = {"job_id": job_id, "task_id": task["task_id"], "worker_id": "w1", **change}
            reply = await worker.send("POST", "/tasks/result", json=body)
            if named is None:
                assert reply.status_code == 200
                return
            refused(reply, named)
            assert await house.job(job_id) == before
            assert (await worker.answer(task))["status"] == "result_accepted_success"

    run(check())


@pytest.mark.parametrize("missing", ["job_id", "task_id"])
def test_a_result_without_an_id_names_it(missing):
    async def check():
        async with unmoved() as house:
            body = {"job_id": "a", "task_id": "b", "worker_id": "w1", "status": "success"}
            del body[missing]
            refused(await house.worker("w1").send("POST", "/tasks/result", json=body), missing)

    run(check())


@pytest.mark.parametrize("body", [b"", b"{oops", b"[]", b'{"data": NaN}'])
def test_a_result_that_is_no_object_is_refused(body):
    async def check():
        async with unmoved() as house:
            refused(await house.worker("w1").send("POST", "/tasks/result", content=body), "JSON")

    run(check())


def test_a_result_with_an_infinite_number_is_refused_and_may_be_sent_again_without():
    async def check():
        async with serving(greet()) as house:
            job_id, worker, task = await task_of(house)
            ids = {"job_id": job_id, "task_id": task["task_id"], "worker_id": "w1"}
            body = json.dumps({**ids, "data": "HUGE"}).replace('"HUGE"', '{"a": 1e999}').encode()
            refused(await worker.send("POST", "/tasks/result", content=body), "JSON")
            assert (await worker.answer(task))["status"] == "result_accepted_success"

    run(check())


def test_results_that_do_not_count_are_ignored_with_their_reason():
    async def check():
        async with serving(greet()) as house:
            job_id, worker, task = await task_of(house)
            unknown = await worker.answer({"job_id": "nope", "task_id": "nope"})
            assert unknown["status"] == "ignored"
            assert (unknown["reason"], unknown["message"]) == (
                "job_not_found",
                "Job nope not found (expired or deleted).",
            )
            stale = await worker.answer({"job_id": job_id, "task_id": "stale-task"})
            assert (stale["reason"], stale["message"]) == (
                "stale_task",
                f"Result ignored: task_id stale-task is no longer active for job {job_id}.",
            )
            await worker.answer(task)
            ended = await worker.answer(task, data={"again": 1})
            assert (ended["reason"], ended["message"]) == (
                "job_already_terminated",
                "Result ignored: the job is already in a terminal state (finished).",
            )
            assert (await house.job(job_id))["state_history"] == {}

    run(check())


PROGRESS = '{"event": "progress_update", "task_id": "TASK", "progress": VALUE, "message": 5}'


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{oops",
        "[]",
        "5",
        '{"event": "ack"}',
        '{"event": "ack", "acks": [5, {"task_id": 5}]}',
        '{"event": "unheard of"}',
        *[PROGRESS.replace("VALUE", value) for value in ("NaN", "9" * 400, "-1", '"x"')],
    ],
)
def test_a_frame_that_cannot_be_read_harms_neither_socket_nor_job(frame):
    async def check():
        async with serving(greet()) as house:
            job_id, worker, task = await task_of(house)
            async with worker.socket() as socket:
                await socket.send(frame.replace("TASK", task["task_id"]))
                progress = {"event": "progress_update", "task_id": task["task_id"], "progress": 0.5, "message": "half"}
                reply = await house.api("GET", f"/jobs/{job_id}")
                assert "NaN" not in reply.text
                await socket.send(json.dumps(progress))
                await (await socket.ping())
                await house.settled()
                job = await house.job(job_id)
                assert (job["progress"], job["progress_message"]) == (0.5, "half")

    run(check())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/v1/jobs/x"),
        ("GET", "/api/v1/nothing"),
        ("GET", "/_worker/nothing"),
        ("POST", "/_public/status"),
        ("GET", "/"),
        ("GET", "/favicon.ico"),
        ("PUT", "/_worker/tasks/result"),
        ("GET", "//api/v1/workers"),
    ],
)
def test_a_route_that_is_not_there_is_an_error_in_the_same_envelope(method, path):
    async def check():
        async with unmoved() as house:
            headers = {**house.client_headers, **house.worker("w1").headers}
            reply = await house.http.request(method, house.lite.url + path, headers=headers)
            assert reply.status_code in {404, 405}
            assert list(reply.json()) == ["error"]

    run(check())


def test_many_bad_requests_at_once_leave_the_server_well():
    async def check():
        async with unmoved() as house:
            replies = await asyncio.gather(*(house.api("POST", "/jobs/greet", content=b"{") for _ in range(100)))
            assert {reply.status_code for reply in replies} == {400}

    run(check())
