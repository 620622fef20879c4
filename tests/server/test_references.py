"""Every line of the three Avtomatika references, in the words of each: English, Russian and Spanish."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator_lite import Blueprint
from tests._support.house import House, serving, until
from tests.conftest import run

if TYPE_CHECKING:
    from collections.abc import Coroutine

EN, ES, RU = "en", "es", "ru"
ALL, LATER = (EN, ES, RU), (ES, RU)
"""The English reference is of an older release: without files, without timeouts, with nested results."""

SKILLS = {EN: "supported_tasks", ES: "supported_skills", RU: "supported_skills"}


def simple_flow() -> Blueprint:
    flow = Blueprint("simple_flow", api_endpoint="/jobs/simple_flow")

    @flow.handler(is_start=True)
    async def start(initial_data, actions):
        if initial_data.get("ask"):
            actions.await_human_approval("mail", "?", {"approved": "finished", "rejected": "failed"})
        else:
            actions.dispatch_task("video_processing", initial_data, {"success": "finished", "failure": "failed"})

    @flow.handler(is_end=True)
    async def finished(): ...

    @flow.handler(is_end=True)
    async def failed(): ...

    return flow


class Peer:
    """A client and a worker that know nothing but the reference."""

    def __init__(self, house: House, language: str) -> None:
        self.house = house
        self.language = language

    async def client(self, method: str, path: str, **kwargs: Any) -> Any:
        headers = {"X-Client-Token": self.house.lite.client_token}
        return await self.house.http.request(method, path, headers=headers, **kwargs)

    async def worker(self, method: str, path: str, **kwargs: Any) -> Any:
        headers = {"X-Worker-Token": self.house.lite.worker_token}
        return await self.house.http.request(method, f"/_worker{path}", headers=headers, **kwargs)

    async def create(self, **body: Any) -> str:
        reply = await self.client("POST", "/api/v1/jobs/simple_flow", json=body)
        assert reply.status_code == 202
        assert reply.json().keys() == {"status", "job_id"}
        assert reply.json()["status"] == "accepted"
        return reply.json()["job_id"]

    async def register(self) -> None:
        skills = ["video_processing", "audio_transcription"]
        body = {"worker_id": "worker-123", SKILLS[self.language]: skills}
        reply = await self.worker("POST", "/workers/register", json=body)
        assert (reply.status_code, reply.json()["status"]) == (200, "registered")

    async def next(self) -> dict[str, Any]:
        reply = await self.worker("GET", "/workers/worker-123/tasks/next")
        assert reply.status_code == 200
        return reply.json()

    async def result(self, task: dict[str, Any], status: str = "success") -> Any:
        named = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": "worker-123"}
        said = {"status": status, "data": {"output": "..."}, "error": None}
        body = {**named, "result": said} if self.language == EN else {**named, **said}
        return await self.worker("POST", "/tasks/result", json=body)


def references(*languages: str) -> Any:
    return pytest.mark.parametrize("language", languages)


def told(language: str, body: Any, **settings: Any) -> None:
    async def play() -> None:
        async with serving(simple_flow(), **settings) as house:
            await body(Peer(house, language))

    run(play())


# 1. Public


@references(*ALL)
def test_the_status(language):
    async def body(peer: Peer) -> None:
        reply = await peer.house.http.get("/_public/status")
        assert (reply.status_code, reply.json()["status"]) == (200, "ok")

    told(language, body)


@references(*ALL)
def test_the_metrics(language):
    async def body(peer: Peer) -> None:
        reply = await peer.house.http.get("/_public/metrics")
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/plain")
        assert "# TYPE" in reply.text

    told(language, body)


@references(*ALL)
def test_human_approval(language):
    async def body(peer: Peer) -> None:
        job_id = await peer.create(initial_data={"ask": True})
        reply = await peer.house.http.post(f"/_public/webhooks/approval/{job_id}", json={"decision": "approved"})
        assert (reply.status_code, reply.json()) == (200, {"status": "approval_received", "job_id": job_id})

    told(language, body)


@references(*ALL)
def test_flushing_the_database_in_development(language):
    async def body(peer: Peer) -> None:
        job_id = await peer.create()
        reply = await peer.house.http.post("/_public/debug/flush_db")
        assert (reply.status_code, reply.json()) == (200, {"status": "db_flushed"})
        assert (await peer.client("GET", f"/api/v1/jobs/{job_id}")).status_code == 404

    told(language, body)


@references(EN, ES)
def test_the_interactive_documentation(language):
    async def body(peer: Peer) -> None:
        reply = await peer.house.http.get("/_public/docs")
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/html")

    told(language, body)


# 2. Client


@references(*ALL)
def test_all_of_the_client_api_needs_the_clients_token(language):
    async def body(peer: Peer) -> None:
        for path in ("/api/v1/jobs/x", "/api/v1/workers", "/api/v1/dashboard"):
            assert (await peer.house.http.get(path)).status_code == 401

    told(language, body)


@references(*ALL)
def test_creating_a_job(language):
    async def body(peer: Peer) -> None:
        hook = "https://hook.example/webhook"
        timeouts = {} if language == EN else {"dispatch_timeout": 60, "result_timeout": 300}
        job_id = await peer.create(initial_data={"x": 1}, webhook_url=hook, **timeouts)
        job = (await peer.client("GET", f"/api/v1/jobs/{job_id}")).json()
        assert (job["initial_data"], job["webhook_url"]) == ({"x": 1}, hook)
        assert {key: job[key] for key in timeouts} == timeouts
        await peer.create()

    told(language, body)


@references(*LATER)
def test_too_many_requests_of_a_client_are_refused(language):
    async def body(peer: Peer) -> None:
        replies = [await peer.client("GET", "/api/v1/dashboard") for _ in range(4)]
        assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
        assert int(replies[-1].headers["Retry-After"]) > 0

    told(language, body, rate_limit=3, rate_limit_loopback=True)


@references(*LATER)
def test_a_task_that_no_worker_takes_in_time(language):
    async def body(peer: Peer) -> None:
        job_id = await peer.create(dispatch_timeout=60)
        peer.house.clock.jump(61)
        assert (await peer.house.ended(job_id))["status"] == "failed"

    told(language, body)


@references(*LATER)
def test_a_result_that_does_not_come_in_time(language):
    async def body(peer: Peer) -> None:
        job_id = await peer.create(result_timeout=300)
        await peer.register()
        await peer.next()
        peer.house.clock.jump(301)
        assert (await peer.house.ended(job_id))["status"] == "failed"

    told(language, body)


@references(*ALL)
def test_the_state_of_a_job(language):
    async def body(peer: Peer) -> None:
        job_id = await peer.create(initial_data={"x": 1})
        reply = await peer.client("GET", f"/api/v1/jobs/{job_id}")
        assert reply.status_code == 200
        told = {"id", "blueprint_name", "current_state", "initial_data", "state_history", "status"}
        assert told <= reply.json().keys()
        assert (await peer.client("GET", "/api/v1/jobs/none")).status_code == 404

    told(language, body)


@references(*LATER)
def test_files_of_a_job(language, tmp_path):
    async def body(peer: Peer) -> None:
        job_id = await peer.create()
        files = f"/api/v1/jobs/{job_id}/files"
        signed = await peer.client("GET", f"{files}/upload", params={"filename": "a.txt", "expires_in": 60})
        assert signed.status_code == 200
        assert signed.json().keys() >= {"url", "expires_in", "method"}
        assert (signed.json()["expires_in"], signed.json()["method"]) == (60, "PUT")
        assert (await peer.client("GET", f"{files}/upload", params={"filename": "a"})).json()["expires_in"] == 3600
        assert (await peer.house.http.put(signed.json()["url"], content=b"one")).is_success
        stored = await peer.client("PUT", f"{files}/content/b.bin", content=b"two")
        assert (stored.status_code, stored.json()["status"]) == (200, "uploaded")
        assert stored.json()["s3_uri"] == f"lite://jobs/{job_id}/b.bin"
        for name, content in (("a.txt", b"one"), ("b.bin", b"two")):
            moved = await peer.client("GET", f"{files}/download/{name}")
            assert moved.status_code == 302
            assert (await peer.house.http.get(moved.headers["Location"])).content == content

    told(language, body, files=tmp_path)


@references(*LATER)
def test_files_that_are_switched_off(language):
    async def body(peer: Peer) -> None:
        job_id = await peer.create()
        reply = await peer.client("GET", f"/api/v1/jobs/{job_id}/files/upload", params={"filename": "a"})
        assert reply.status_code == 501

    told(language, body, files="off")


@references(*ALL)
def test_cancelling_with_and_without_a_websocket(language):
    async def body(peer: Peer) -> None:
        job_id = await peer.create()
        reply = await peer.client("POST", f"/api/v1/jobs/{job_id}/cancel")
        assert (reply.status_code, reply.json()) == (200, {"status": "cancellation_request_accepted"})
        await peer.register()
        running = await peer.create()
        task = await peer.next()
        async with peer.house.worker("worker-123").socket() as socket:
            await until(lambda: "worker-123" in peer.house.lite._site.core.channels._open)
            reply = await peer.client("POST", f"/api/v1/jobs/{running}/cancel")
            assert reply.json() == {"status": "cancellation_request_sent"}
            command = json.loads(await socket.recv())
        assert (command["command"], command["task_id"]) == ("cancel_task", task["task_id"])

    told(language, body)


@references(*ALL)
def test_the_history_of_a_job(language):
    async def body(peer: Peer) -> None:
        job_id = await peer.create()
        reply = await peer.client("GET", f"/api/v1/jobs/{job_id}/history")
        assert reply.status_code == 200
        assert reply.json()[0]["event_type"] == "job_created"

    told(language, body)


@references(*ALL)
def test_the_graph_of_a_blueprint(language):
    async def body(peer: Peer) -> None:
        reply = await peer.client("GET", "/api/v1/blueprints/simple_flow/graph")
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/vnd.graphviz")
        assert reply.text.startswith("digraph")

    told(language, body)


@references(*ALL)
def test_active_workers_and_the_dashboard(language):
    async def body(peer: Peer) -> None:
        await peer.register()
        reply = await peer.client("GET", "/api/v1/workers")
        assert [worker["worker_id"] for worker in reply.json()] == ["worker-123"]
        reply = await peer.client("GET", "/api/v1/dashboard")
        assert (reply.status_code, reply.json()["workers"]["total"]) == (200, 1)

    told(language, body)


# 3. Workers


@references(*ALL)
def test_all_of_the_worker_api_needs_the_workers_token(language):
    async def body(peer: Peer) -> None:
        assert (await peer.house.http.post("/_worker/workers/register", json={"worker_id": "w"})).status_code == 401
        assert (await peer.house.http.get("/_worker/workers/w/tasks/next")).status_code == 401

    told(language, body)


@references(*ALL)
def test_heartbeats_with_and_without_a_body(language):
    async def body(peer: Peer) -> None:
        await peer.register()
        reply = await peer.worker("PATCH", "/workers/worker-123")
        assert (reply.status_code, reply.json()) == (200, {"status": "ttl_refreshed"})
        beat = {"status": "idle", "load": 0.5, SKILLS[language]: ["video_processing"]}
        reply = await peer.worker("PATCH", "/workers/worker-123", json=beat)
        assert (reply.status_code, reply.json()["worker_id"]) == (200, "worker-123")
        assert reply.json()["load"] == 0.5

    told(language, body)


@references(*ALL)
def test_the_next_task_and_its_result(language):
    async def body(peer: Peer) -> None:
        await peer.register()
        job_id = await peer.create(initial_data={"x": 1})
        task = await peer.next()
        assert (task["job_id"], task["type"], task["params"]) == (job_id, "video_processing", {"x": 1})
        reply = await peer.result(task)
        assert (reply.status_code, reply.json()["status"]) == (200, "result_accepted_success")
        job = await peer.house.ended(job_id)
        assert (job["status"], job["result"]) == ("finished", {"output": "..."})
        assert job["state_history"] == {"output": "..."}

    told(language, body)


@references(*ALL)
def test_a_poll_without_a_task_is_held_and_then_empty(language):
    async def body(peer: Peer) -> None:
        await peer.register()
        polling: Coroutine[Any, Any, Any] = peer.worker("GET", "/workers/worker-123/tasks/next")
        async with asyncio.TaskGroup() as group:
            poll = group.create_task(polling)
            await peer.house.holds_poll("worker-123")
            assert not poll.done()
            reply = await poll
        assert (reply.status_code, reply.content) == (204, b"")

    told(language, body, poll_hold=0.3)
