"""The jobs API in the words of the seeds: create, get, wait, history."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator_lite import Blueprint
from tests._support.house import House, serving, soon, until
from tests.conftest import run
from tests.server.flows import bare, fan, greet

if TYPE_CHECKING:
    from pathlib import Path

FULL = {"id", "blueprint_name", "current_state", "status", "initial_data", "state_history", "client_config"} | {
    *("tracing_context", "webhook_url", "retry_count", "dispatch_timeout", "result_timeout"),
    *("current_task_info", "current_task_transitions", "current_task_id", "task_worker_id", "task_dispatched_at"),
}
EVENT = {
    *("event_id", "job_id", "client_token", "timestamp", "state", "event_type", "duration_ms", "previous_state"),
    *("next_state", "worker_id", "attempt_number", "context_snapshot"),
}


async def done(house: House, endpoint: str = "/jobs/greet", status: str = "success", **result: Any) -> dict[str, Any]:
    """A job whose only task was answered so."""
    job_id = await house.create(endpoint, {"name": "Ada"})
    worker = await house.registered("w1", "greet")
    await worker.answer(await worker.task(), status, **result)
    return await house.ended(job_id)


def test_a_job_is_accepted_202_with_its_id_under_both_prefixes():
    async def body():
        async with serving(greet()) as house:
            for prefix in ("/api/v1", "/api"):
                reply = await house.http.post(f"{prefix}/jobs/greet", json={}, headers=house.client_headers)
                assert reply.status_code == 202
                assert reply.json() == {"status": "accepted", "job_id": reply.json()["job_id"]}
                assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", reply.json()["job_id"])
                for path in (
                    f"{prefix}/jobs/{reply.json()['job_id']}",
                    f"/api/v1/jobs/{reply.json()['job_id']}/history",
                ):
                    assert (await house.http.get(path, headers=house.client_headers)).status_code == 200

    run(body())


def test_a_blueprint_with_a_version_is_served_under_that_version_alone():
    async def body():
        flow = greet()
        flow.api_version = "v2"
        async with serving(flow) as house:
            for prefix, status in (("/api/v2", 202), ("/api/v1", 404), ("/api", 404)):
                reply = await house.http.post(f"{prefix}/jobs/greet", json={}, headers=house.client_headers)
                assert reply.status_code == status

    run(body())


@pytest.mark.parametrize(
    ("body", "initial_data"),
    [
        ({"initial_data": {"a": 1}}, {"a": 1}),
        ({"initial_data": {"a": 1}, "unheard_of": 5}, {"a": 1}),
        ({}, {}),
        ({"a": 1, "b": {"c": None}}, {"a": 1, "b": {"c": None}}),
        ({"webhook_url": "https://hook.example/x"}, {}),
        ({"dispatch_timeout": 60, "result_timeout": 2.5}, {}),
    ],
)
def test_a_body_without_a_known_key_is_the_initial_data_itself(body, initial_data):
    async def check():
        async with serving(greet()) as house:
            reply = await house.api("POST", "/jobs/greet", json=body)
            job = await house.job(reply.json()["job_id"])
            assert job["initial_data"] == initial_data
            for key in ("webhook_url", "dispatch_timeout", "result_timeout"):
                assert job[key] == body.get(key)

    run(check())


def test_get_gives_the_full_state():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet", {"name": "Ada"})
            job = await house.job(job_id)
            assert job.keys() >= FULL
            assert (job["id"], job["blueprint_name"], job["current_state"]) == (job_id, "greet", "start")
            assert job["current_task_info"]["type"] == "greet"
            assert job["current_task_info"]["params"] == {"name": "Ada"}
            assert job["current_task_transitions"] == {"success": "finished", "failure": "failed"}

    run(body())


def test_the_data_of_the_last_task_is_the_result_and_is_merged_into_the_state_history():
    async def body():
        async with serving(greet()) as house:
            job = await done(house, data={"output": "hello", "n": 5})
            assert (job["status"], job["current_state"]) == ("finished", "finished")
            assert job["result"] == job["state_history"] == {"output": "hello", "n": 5}
            assert job["error"] is None

    run(body())


@pytest.mark.parametrize("data", [None, [], "text", 0, False, [{"a": 1}], 2**60, 1.5, "тест \U0001f600"])
def test_a_result_may_be_any_json_value(data):
    async def body():
        async with serving(greet()) as house:
            job = await done(house, data=data)
            assert job["status"] == "finished"
            assert job["result"] == data
            assert job["state_history"] == ({} if data is None else {"start": data})

    run(body())


def ends(state: str, returned: Any = None, **options: Any) -> Blueprint:
    """A job that enters this end state after its task."""
    flow = Blueprint("greet", api_endpoint="/jobs/greet")

    @flow.handler(is_start=True)
    async def start(actions):
        actions.dispatch_task("greet", transitions={"success": state})

    flow.handler(state, is_end=True, **options)(lambda: returned)
    return flow


@pytest.mark.parametrize(
    ("state", "declared", "status"),
    [
        ("finished", None, "finished"),
        ("end", None, "finished"),
        ("rejected", None, "finished"),
        ("failed", None, "failed"),
        ("error", None, "error"),
        ("cancelled", None, "cancelled"),
        ("quarantined", None, "quarantined"),
        ("rejected", "failed", "failed"),
        ("failed", "finished", "finished"),
    ],
)
def test_an_end_state_means_its_name_or_what_it_declares(state, declared, status):
    async def body():
        async with serving(ends(state, status=declared)) as house:
            job = await done(house, data={"a": 1})
            assert (job["status"], job["current_state"], job["result"]) == (status, state, {"a": 1})

    run(body())


@pytest.mark.parametrize("returned", [{"mine": 1}, 0, "", [], False])
def test_what_the_end_handler_returns_is_the_result_before_the_data_of_the_last_task(returned):
    async def body():
        async with serving(ends("finished", returned)) as house:
            assert (await done(house, data={"a": 1}))["result"] == returned

    run(body())


def test_an_end_handler_may_go_on():
    flow = greet()
    flow.defaults.pop("finished")

    @flow.handler(is_end=True)
    async def finished(actions, state_history):
        state_history["rounds"] = state_history.get("rounds", 0) + 1
        if state_history["rounds"] < 3:
            actions.go_to("start")
        return state_history["rounds"]

    async def body():
        async with serving(flow) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            for _ in range(3):
                await worker.answer(await worker.task())
            assert (await house.ended(job_id))["result"] == 3

    run(body())


def test_parallel_branches_are_gathered_in_their_order_whatever_order_they_end_in():
    async def body():
        async with serving(fan(branches=12)) as house:
            job_id = await house.create("/jobs/fan")
            worker = await house.registered("w1", "greet")
            tasks = [await worker.task() for _ in range(12)]
            assert len((await house.job(job_id))["active_branches"]) == 12
            for task in reversed(tasks):
                reply = await worker.answer(task, data=task["params"]["n"])
                assert reply["transition"] == "parallel_branch_accepted"
            job = await house.ended(job_id)
            assert job["result"] == [["success", n] for n in range(12)]
            assert job["state_history"]["gather"] == job["result"]

    run(body())


def test_a_branch_that_fails_is_told_to_the_aggregator():
    async def body():
        async with serving(fan(branches=2)) as house:
            job_id = await house.create("/jobs/fan")
            worker = await house.registered("w1", "greet")
            first, second = await worker.task(), await worker.task()
            await worker.answer(first, "failure", error={"code": "PERMANENT_ERROR", "message": "no"})
            await worker.answer(second, data=2)
            assert (await house.ended(job_id))["result"] == [["failure", None], ["success", 2]]

    run(body())


def test_no_branches_lead_straight_to_the_aggregator():
    async def body():
        async with serving(fan()) as house:
            job = await house.ended(await house.create("/jobs/fan", {"branches": 0}))
            assert (job["status"], job["result"]) == ("finished", [])

    run(body())


def test_a_wait_is_answered_when_the_job_ends_and_when_its_time_is_over():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            watching = house.lite._site.core._watchers._waiting
            waiting = [asyncio.create_task(house.job(job_id, wait=50)) for _ in range(3)]
            await until(lambda: len(watching.get(job_id, ())) == 3)
            house.clock.jump(51)
            for wait in waiting:
                assert (await soon(wait))["status"] == "waiting_for_worker"
            waiting = [asyncio.create_task(house.job(job_id, wait=50)) for _ in range(3)]
            await until(lambda: len(watching.get(job_id, ())) == 3)
            worker = await house.registered("w1", "greet")
            await worker.answer(await worker.task())
            for wait in waiting:
                assert (await soon(wait))["status"] == "finished"
            assert (await house.job(job_id, wait=50))["status"] == "finished", "an ended job is answered at once"
            assert not watching

    run(body())


def test_a_wait_whose_client_is_gone_leaves_nothing_behind():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            watching = house.lite._site.core._watchers._waiting
            waiting = asyncio.create_task(house.job(job_id, wait=50))
            await until(lambda: job_id in watching)
            waiting.cancel()
            await until(lambda: job_id not in watching)

    run(body())


def test_the_history_tells_the_whole_way_with_the_keys_of_the_releases():
    async def body():
        async with serving(greet()) as house:
            job = await done(house, data={"a": 1})
            history = await house.history(job["id"])
            assert [(event["event_type"], event["state"]) for event in history] == [
                ("job_created", "pending"),
                ("state_started", "start"),
                ("task_dispatched", "start"),
                ("task_finished", "start"),
                ("state_finished", "start"),
                ("state_started", "finished"),
                ("job_completed", "finished"),
            ]
            for event in history:
                assert event.keys() == EVENT
                assert event["job_id"] == job["id"]
                assert event["client_token"] is None
                assert datetime.fromisoformat(event["timestamp"]).utcoffset() is not None
            assert len({event["event_id"] for event in history}) == len(history)
            finished = history[3]
            assert (finished["worker_id"], finished["attempt_number"]) == ("w1", 1)
            assert (history[4]["previous_state"], history[4]["next_state"]) == ("start", "finished")
            assert isinstance(history[2]["duration_ms"], int)

    run(body())


def test_another_clients_job_does_not_exist(tmp_path: Path):
    store = f"sqlite:///{tmp_path / 'lite.db'}"

    async def body():
        async with serving(greet(), store=store) as house:
            job_id = await house.create("/jobs/greet")
        async with serving(greet(), store=store, client_token="other", worker_token="w") as house:
            for method, path, said in [
                ("GET", "", "Job not found"),
                ("GET", "/history", "Job not found"),
                ("POST", "/cancel", "Job not found or already terminal."),
            ]:
                reply = await house.api(method, f"/jobs/{job_id}{path}")
                assert (reply.status_code, reply.json()) == (404, {"error": said})
        async with serving(greet(), store=store) as house:
            assert (await house.job(job_id))["status"] == "waiting_for_worker"

    run(body())


def test_workers_are_listed_without_secrets():
    async def body():
        async with serving(greet()) as house:
            worker = house.worker("w1", "greet", incarnation="a")
            signed = {"security": {"signature": "s"}, "nonce": "n", "holding": []}
            await worker.register(worker_type="gpu", resources={"max_concurrent_tasks": 2}, **signed)
            await house.create("/jobs/greet")
            task = await worker.task()
            await worker.beat(task, status="busy", load=0.5)
            (row,) = (await house.api("GET", "/workers")).json()
            assert (row["worker_id"], row["worker_type"], row["status"], row["load"]) == ("w1", "gpu", "busy", 0.5)
            assert row["current_tasks"] == [task["task_id"]]
            assert row["supported_skills"] == ["greet"]
            assert not row.keys() & {"security", "nonce", "holding", "incarnation", "token"}

    run(body())


def test_a_worker_that_signed_off_or_fell_silent_is_not_listed():
    async def body():
        async with serving() as house:
            silent, polling, off = [await house.registered(name, "x") for name in ("silent", "polling", "off")]
            await off.beat(status="offline")
            house.clock.jump(110)
            await polling.nothing()
            names = [row["worker_id"] for row in (await house.api("GET", "/workers")).json()]
            assert sorted(names) == ["polling", "silent"]
            house.clock.jump(20)
            names = [row["worker_id"] for row in (await house.api("GET", "/workers")).json()]
            assert names == ["polling"]
            await silent.beat()
            assert len((await house.api("GET", "/workers")).json()) == 2

    run(body())


def test_a_dispatch_timeout_ends_a_job_no_worker_came_for():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet", dispatch_timeout=60)
            house.clock.jump(58)
            await house.settled()
            assert (await house.job(job_id))["status"] == "waiting_for_worker"
            house.clock.jump(3)
            job = await house.ended(job_id)
            assert job["status"] == "failed"
            assert job["error_message"] == "Worker task timed out while waiting in queue (dispatch timeout)."
            await (await house.registered("w1", "greet")).nothing()

    run(body())


def test_a_dispatch_timeout_leaves_a_task_alone_that_a_worker_has_and_counts_anew_when_it_is_lost():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet", dispatch_timeout=60)
            worker = await house.registered("w1", "greet")
            task = await worker.task()
            for _ in range(3):
                house.clock.jump(30)
                await worker.beat(task)
            assert (await house.job(job_id))["status"] == "waiting_for_worker"
            house.clock.jump(62)
            await house.settled()
            assert (await house.job(job_id))["task_worker_id"] is None
            house.clock.jump(62)
            assert (await house.ended(job_id))["status"] == "failed"

    run(body())


def test_a_dispatch_timeout_that_passes_while_a_delivery_fails_is_not_forgotten():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet", dispatch_timeout=3)
            await (await house.registered("w1", "greet", incarnation="a")).task()
            house.clock.jump(4)
            await house.settled()
            assert (await house.job(job_id))["task_worker_id"] == "w1"
            house.clock.jump(2)
            assert (await house.ended(job_id))["status"] == "failed"

    run(body())


def test_a_result_timeout_ends_the_job_and_has_its_worker_stop():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet", result_timeout=60)
            worker = await house.registered("w1", "greet")
            task = await worker.task()
            house.clock.jump(61)
            job = await house.ended(job_id)
            assert (job["status"], job["error"]["code"]) == ("failed", "TIMEOUT_ERROR")
            assert task["task_id"] in (await worker.beat(task))["cancel_task_ids"]
            assert (await worker.answer(task))["reason"] == "job_already_terminated"

    run(body())


def test_a_failure_is_tried_three_times_more_and_then_taken():
    async def body():
        async with serving(bare("greet")) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet", incarnation="a")
            for attempt in range(1, 5):
                poll = asyncio.create_task(worker.task())
                await house.settled()
                house.clock.jump(3)
                task = await soon(poll)
                assert task["attempt"] == attempt
                reply = await worker.answer(task, "failure", error={"code": "TRANSIENT_ERROR", "message": "boom"})
                assert reply["transition"] == "failure_handled"
            job = await house.ended(job_id)
            assert (job["status"], job["error_message"]) == ("quarantined", "boom")
            types = await house.event_types(job_id)
            assert (types.count("worker_event:task_retry"), types.count("task_finished")) == (3, 1)

    run(body())
