"""Several clients (`clients.toml`): each has its own jobs, what handlers see of it, and its own secrets."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from orchestrator_lite import Blueprint
from orchestrator_lite.api._app import application
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
