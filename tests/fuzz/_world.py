"""A server with jobs in every status, workers, schedules and deliveries: ids that lead somewhere."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pwdlib.hashers.argon2 import Argon2Hasher

from orchestrator_lite import Blueprint
from tests._support.house import House, serving
from tests.server.flows import bare, ending, greet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CLIENT, WORKER, PASSWORD = "fuzz-client-token", "fuzz-worker-token", "open sesame"
PASSWORD_HASH = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21l$PLACEHOLDER"

Ids = dict[str, list[str]]


def blueprints() -> list[Blueprint]:
    """What the server serves."""
    return [greet(), bare(), approval(), ending(parent(), "finished", "failed")]


def approval() -> Blueprint:
    """Waits for a person."""
    flow = Blueprint("ask", api_endpoint="/jobs/ask")

    @flow.handler(is_start=True)
    async def start(actions):
        actions.await_human_approval("slack", "May I?", {"approved": "finished", "rejected": "failed"})

    return ending(flow, "finished", "failed")


def parent() -> Blueprint:
    """Runs another blueprint."""
    flow = Blueprint("parent", api_endpoint="/jobs/parent")

    @flow.handler(is_start=True)
    async def start(actions):
        actions.run_blueprint("ask", {}, {"success": "finished", "failure": "failed"})

    return flow


@asynccontextmanager
async def world(**settings: Any) -> AsyncIterator[tuple[House, Ids]]:
    """The server, and the ids of what it holds by the names of the parameters that take them."""
    given = {
        "users": {"alice": Argon2Hasher(memory_cost=64, time_cost=1).hash(PASSWORD)},
        "client_token": CLIENT,
        "worker_token": WORKER,
        "rate_limit_failures": 0,
        "rate_limit_address": 0,
        "poll_hold": 0.05,
        "egress_allow": ["127.0.0.1:9"],
        **settings,
    }
    async with serving(*blueprints(), **given) as house:
        yield house, await _filled(house)


async def _filled(house: House) -> Ids:
    await house.registered("idle-1", "other")
    worker = await house.registered("w1", "greet")
    finished = await house.create("/jobs/greet", {"a": 1})
    await worker.answer(await worker.task(), data={"b": [1, None, "x"]})
    quarantined = await house.create("/jobs/bare")
    await worker.answer(await worker.task(), "failure", error={"code": "PERMANENT_ERROR", "message": "no"})
    running = await house.create("/jobs/greet", {"c": 2})
    task = await worker.task()
    await worker.beat(task)
    held = await house.create("/jobs/greet", hold=True)
    delayed = await house.create("/jobs/greet", delay=3600)
    asking, parent_job = await house.create("/jobs/ask"), await house.create("/jobs/parent")
    cancelled = await house.create("/jobs/ask")
    await house.cancel(cancelled)
    told = await house.create("/jobs/ask", webhook_url="http://127.0.0.1:9/hook")
    reply = await house.http.post(f"/_public/webhooks/approval/{told}", json={"decision": "approved"})
    assert reply.status_code == 200, reply.text
    await house.ended(told)
    for name in ("a.txt", "deep/b.bin"):
        reply = await house.api("PUT", f"/jobs/{running}/files/content/{name}", content=b"hello" * 100)
        assert reply.status_code == 200, reply.text
    schedule = {"name": "nightly", "blueprint": "ask", "cron": "0 3 * * *"}
    reply = await house.api("POST", "/schedules", json=schedule)
    assert reply.status_code == 201, reply.text
    deliveries = (await house.api("GET", "/webhooks/deliveries")).json()
    return {
        "job_id": [finished, quarantined, running, held, delayed, asking, parent_job, cancelled, told],
        "task_id": [task["task_id"]],
        "worker_id": ["w1", "idle-1"],
        "blueprint_name": ["greet", "ask", "parent"],
        "name": ["greet", "other"],
        "schedule_id": [reply.json()["id"], "nightly"],
        "delivery_id": [str(one["id"]) for one in deliveries],
        "filename": ["a.txt", "deep/b.bin", "c d.txt"],
    }
