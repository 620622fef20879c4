"""Several clients (`clients.toml`): each has its own jobs, what handlers see of it, and its own secrets."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from orchestrator_lite import Blueprint
from orchestrator_lite.api._app import application
from orchestrator_lite.api._events import KEEPALIVE
from tests._support.house import House, serving
from tests.conftest import run
from tests.server.flows import greet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CLIENTS = """
[ada]
token = "token-of-the-client-ada"
plan = "premium"
languages = ["en", "de"]
webhook_secret = "secret-of-adas-webhooks"

[bob]
token = "token-of-the-client-bob"
"""
ADA = {"X-Client-Token": "token-of-the-client-ada"}
BOB = {"X-Client-Token": "token-of-the-client-bob"}


@asynccontextmanager
async def two_clients(tmp_path: Path, *blueprints: Blueprint, **settings: Any) -> AsyncIterator[House]:
    (tmp_path / "clients.toml").write_text(CLIENTS)
    given = {"clients_file": tmp_path / "clients.toml", "worker_token": "token-of-the-workers", **settings}
    async with serving(greet(), *blueprints, **given) as house:
        yield house


async def created(house: House, headers: dict[str, str], endpoint: str = "greet") -> str:
    reply = await house.http.post(f"/api/v1/jobs/{endpoint}", headers=headers, json={"initial_data": {}})
    assert reply.status_code == 202
    return reply.json()["job_id"]


def job_routes(job_id: str) -> list[tuple[str, str]]:
    """Every client route of one job."""
    found = []
    for route in application().routes:
        if route.path.startswith("/api/") and "{job_id}" in route.path:
            path = route.path.replace("{api_version}", "v1").replace("{job_id}", job_id)
            found += [(method, path.replace("{filename:filename}", "x.txt")) for method in route.methods]
    assert len(found) >= 20
    return sorted(found)


def test_the_job_of_another_client_is_404_on_every_route_and_in_no_list(tmp_path: Path):
    async def body():
        async with two_clients(tmp_path) as house:
            job_id = await created(house, ADA)
            for method, path in job_routes(job_id):
                params = {"filename": "x.txt"} if path.endswith("/files/upload") else {}
                reply = await house.http.request(method, path, headers=BOB, params=params, json=None)
                assert reply.status_code == 404, (method, path, reply.text)
            assert (await house.http.get("/api/v1/jobs", headers=BOB)).json() == []
            own = await house.http.get(f"/api/v1/jobs/{job_id}", headers=ADA)
            assert own.json()["status"] == "waiting_for_worker", "none of it has touched the job"
            assert [job["id"] for job in (await house.http.get("/api/v1/jobs", headers=ADA)).json()] == [job_id]

    run(body())


def test_handlers_and_the_job_see_plan_and_parameters_and_no_secret(tmp_path: Path):
    seen = {}
    flow = Blueprint("looks", api_endpoint="/jobs/looks")

    @flow.handler(is_start=True)
    async def start(client, actions):
        seen["client"] = client
        actions.go_to("finished")

    @flow.handler(is_end=True)
    async def finished(): ...

    async def body():
        async with two_clients(tmp_path, flow) as house:
            job_id = await created(house, ADA, "looks")
            job = (await house.http.get(f"/api/v1/jobs/{job_id}?wait=10", headers=ADA)).json()
            assert job["client_config"] == {"name": "ada", "plan": "premium", "languages": ["en", "de"]}
            history = (await house.http.get(f"/api/v1/jobs/{job_id}/history", headers=ADA)).text
            for text in (json.dumps(job), history, repr(seen["client"])):
                assert "token-of" not in text
                assert "secret-of" not in text
            assert (seen["client"].plan, seen["client"].params) == ("premium", {"languages": ["en", "de"]})
            assert house.lite._site.access.webhook_secret("ada") == "secret-of-adas-webhooks"

    run(body())


def test_reload_takes_new_clients_and_refuses_those_that_are_gone(tmp_path: Path):
    async def body():
        async with two_clients(tmp_path) as house:
            job_id = await created(house, ADA)
            (tmp_path / "clients.toml").write_text(
                CLIENTS.replace("client-bob", "client-eve").replace("[bob]", "[eve]")
            )
            reply = await house.http.post("/api/v1/admin/reload-clients", headers=ADA)
            assert (reply.status_code, reply.json()) == (200, {"status": "client_configs_reloaded"})
            assert (await house.http.get("/api/v1/jobs", headers=BOB)).status_code == 401
            assert (await house.http.get(f"/api/v1/jobs/{job_id}", headers=ADA)).status_code == 200
            (tmp_path / "clients.toml").write_text("[ada]\n")
            reply = await house.http.post("/api/v1/admin/reload-clients", headers=ADA)
            assert reply.status_code == 422
            assert "clients.toml:1: [ada] token: is missing" in reply.json()["error"]
            assert (await house.http.get(f"/api/v1/jobs/{job_id}", headers=ADA)).status_code == 200

    run(body())


def owned_routes(**ids: str) -> list[tuple[str, str]]:
    """Every client route with an id of what belongs to one client."""
    found = []
    for route in application().routes:
        if route.path.startswith("/api/") and any(f"{{{name}}}" in route.path for name in ids):
            path = route.path.replace("{api_version}", "v1").replace("{filename:filename}", "x.txt")
            for name, value in ids.items():
                path = path.replace(f"{{{name}}}", value)
            assert "{" not in path, "an id that this test does not know"
            found += [(method, path) for method in route.methods]
    return sorted(found)


def test_schedules_deliveries_and_children_of_another_client_are_404_on_every_route(tmp_path: Path):
    flow, caller = Blueprint("told", api_endpoint="/jobs/told"), Blueprint("caller", api_endpoint="/jobs/caller")

    @flow.handler(is_start=True)
    async def start(actions):
        actions.go_to("finished")

    @flow.handler(is_end=True)
    async def finished(): ...

    @caller.handler(is_start=True)
    async def begin(actions):
        actions.run_blueprint("greet", {}, transitions={"success": "done", "failure": "failed"})

    @caller.handler(is_end=True)
    async def done(): ...

    @caller.handler(is_end=True)
    async def failed(): ...

    async def body():
        async with two_clients(tmp_path, flow, caller, egress_allow=["127.0.0.1"]) as house:
            made = {"name": "nightly", "blueprint": "greet", "daily_at": "03:00"}
            schedule = (await house.http.post("/api/v1/schedules", headers=ADA, json=made)).json()
            sent = {"initial_data": {}, "webhook_url": "http://127.0.0.1:9/"}
            told = (await house.http.post("/api/v1/jobs/told", headers=ADA, json=sent)).json()["job_id"]
            await house.http.get(f"/api/v1/jobs/{told}?wait=10", headers=ADA)
            (delivery,) = (await house.http.get("/api/v1/webhooks/deliveries", headers=ADA)).json()
            parent = await created(house, ADA, "caller")
            jobs: list[Any] = []
            while len(jobs) < 3:
                jobs = (await house.http.get("/api/v1/jobs", headers=ADA)).json()
            (child,) = {job["id"] for job in jobs} - {parent, told}
            for schedule_id in (schedule["id"], "nightly"):
                ids = {"schedule_id": schedule_id, "delivery_id": str(delivery["id"]), "job_id": child}
                for method, path in owned_routes(**ids):
                    params = {"filename": "x.txt"} if path.endswith("/files/upload") else {}
                    body = {"json": {}} if method == "PATCH" else {}
                    reply = await house.http.request(method, path, headers=BOB, params=params, **body)
                    assert reply.status_code == 404, (method, path, reply.text)
            asked = {"ids": [child, parent, told], "wait": 0}
            waited = (await house.http.post("/api/v1/jobs:wait", headers=BOB, json=asked)).json()
            assert (waited["jobs"], sorted(waited["unknown"])) == ([], sorted(asked["ids"]))
            for path in ("/jobs", "/schedules", "/webhooks/deliveries", "/jobs/quarantined"):
                assert (await house.http.get(f"/api/v1{path}", headers=BOB)).json() == [], path
            events = await house.http.get("/api/v1/events?from=start&wait=0", headers=BOB)
            assert not [one for one in (child, parent, told) if one in events.text]
            assert (await house.http.get(f"/api/v1/schedules/{schedule['id']}", headers=ADA)).status_code == 200

    run(body())


def test_the_open_stream_of_a_token_that_is_taken_away_ends_without_another_word(tmp_path: Path):
    async def body():
        async with two_clients(tmp_path) as house:
            job_id = await created(house, BOB)
            async with (
                house.http.stream("GET", "/api/v1/events", headers=BOB) as told,
                house.http.stream("GET", f"/api/v1/jobs/{job_id}/events?from=now", headers=BOB) as quiet,
                house.http.stream("GET", "/api/v1/events", headers=ADA) as others,
            ):
                pieces = [stream.aiter_text() for stream in (told, quiet, others)]
                for begun in pieces:
                    assert "id: " in await anext(begun)
                (tmp_path / "clients.toml").write_text(CLIENTS.replace("client-bob", "client-eve"))
                assert (await house.http.post("/api/v1/admin/reload-clients", headers=ADA)).status_code == 200
                own = {"X-Client-Token": "token-of-the-client-eve"}
                await house.http.post(f"/api/v1/jobs/{job_id}/cancel", headers=own)
                house.clock.jump(KEEPALIVE)
                for ended in pieces[:2]:
                    assert "".join([piece async for piece in ended]) == ""
                assert await anext(pieces[2]) != "", "those whose tokens hold go on"

    run(body())
