"""What a running task may ask: calls and checkpoints as they travel, and who is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests._support.house import House, RawWorker, serving, soon
from tests.conftest import run
from tests.server.flows import greet


async def at_work(
    house: House, worker_id: str = "w1", incarnation: str | None = "i1"
) -> tuple[RawWorker, dict[str, Any]]:
    """A worker with a task of skill `greet` that it has begun."""
    worker = house.worker(worker_id, "greet", "tool", incarnation=incarnation)
    await worker.register()
    await house.create("/jobs/greet")
    task = await worker.task()
    await worker.ack(task)
    return worker, task


def calling(task: dict[str, Any], **body: Any) -> dict[str, Any]:
    return {"skill": "tool", "params": {"n": 1}, "attempt": task["attempt"], "key": "k1", **body}


def test_a_call_begins_one_job_and_is_waited_for():
    async def body() -> None:
        async with serving(greet()) as house:
            worker, task = await at_work(house)
            path = f"/tasks/{task['task_id']}/calls"
            first = await worker.send("POST", path, json=calling(task))
            again = await worker.send("POST", path, json=calling(task))
            assert (first.status_code, again.status_code) == (202, 202)
            child_id = first.json()["job_id"]
            assert again.json()["job_id"] == child_id
            waiting = asyncio.create_task(worker.send("GET", f"{path}/{child_id}?wait=20"))
            called = await worker.task()
            assert (called["job_id"], called["type"], called["params"]) == (child_id, "tool", {"n": 1})
            await worker.answer(called, data=[2])
            reply = await soon(waiting)
            assert reply.json() == {
                "job_id": child_id,
                "status": "finished",
                "end_state": "finished",
                "result": [2],
                "error": None,
            }
            again = await worker.send("POST", path, json=calling(task))
            assert again.json()["job_id"] == child_id

    run(body())


@pytest.mark.parametrize(
    ("changed", "status", "named"),
    [
        ({"skill": "nobody's"}, 404, "published"),
        ({"skill": ""}, 400, "skill"),
        ({"skill": None}, 400, "skill"),
        ({"params": 3}, 400, "params"),
        ({"attempt": 0}, 400, "attempt"),
        ({"attempt": 2}, 409, "Attempt 2"),
        ({"key": ""}, 400, "key"),
        ({"result_timeout": 0}, 400, "result_timeout"),
        ({"priority": "high"}, 400, "priority"),
    ],
)
def test_odd_calls_are_refused_by_name(changed: dict[str, Any], status: int, named: str):
    async def body() -> None:
        async with serving(greet()) as house:
            worker, task = await at_work(house)
            reply = await worker.send("POST", f"/tasks/{task['task_id']}/calls", json=calling(task, **changed))
            assert reply.status_code == status, reply.text
            assert named in reply.json()["error"]

    run(body())


def test_only_who_runs_the_task_may_call_for_it():
    async def body() -> None:
        async with serving(greet()) as house:
            worker, task = await at_work(house)
            path = f"/tasks/{task['task_id']}"
            other = house.worker("w2", "greet", incarnation="i2")
            await other.register()
            for method, where, sent in [
                ("POST", f"{path}/calls", calling(task)),
                ("PUT", f"{path}/checkpoint?attempt=1", 1),
            ]:
                reply = await other.send(method, where, json=sent)
                assert (reply.status_code, reply.json()["error"]) == (
                    403,
                    "The task is assigned to a different worker",
                )
                nameless = await house.http.request(
                    method, f"/_worker{where}", json=sent, headers={"X-Worker-Token": house.lite.worker_token}
                )
                assert nameless.status_code == 401
                unknown = await worker.send(method, where.replace(task["task_id"], "none-1"), json=sent)
                assert unknown.status_code == 404
            await worker.answer(task)
            assert (await worker.send("POST", f"{path}/calls", json=calling(task))).status_code == 404

    run(body())


def test_another_tasks_call_is_none_of_ours():
    async def body() -> None:
        async with serving(greet()) as house:
            worker, task = await at_work(house)
            job_id = await house.create("/jobs/greet")
            path = f"/tasks/{task['task_id']}/calls"
            for child_id in ("none", job_id, task["job_id"]):
                assert (await worker.send("GET", f"{path}/{child_id}")).status_code == 404
                assert (await worker.send("DELETE", f"{path}/{child_id}")).status_code == 404

    run(body())


def test_a_call_can_be_given_up():
    async def body() -> None:
        async with serving(greet()) as house:
            worker, task = await at_work(house)
            path = f"/tasks/{task['task_id']}/calls"
            child_id = (await worker.send("POST", path, json=calling(task))).json()["job_id"]
            for _ in range(2):
                assert (await worker.send("DELETE", f"{path}/{child_id}")).status_code == 204
            assert (await worker.send("GET", f"{path}/{child_id}")).json()["status"] == "cancelled"
            assert (await house.job(task["job_id"]))["status"] == "waiting_for_worker"

    run(body())


def test_what_a_lost_worker_had_called_is_cancelled():
    async def body() -> None:
        async with serving(greet()) as house:
            worker, task = await at_work(house)
            path = f"/tasks/{task['task_id']}/calls"
            child_id = (await worker.send("POST", path, json=calling(task))).json()["job_id"]
            anew = house.worker("w1", "greet", incarnation="i2")
            await anew.register()
            again = await anew.task()
            assert (again["task_id"], again["attempt"]) == (task["task_id"], 2)
            reply = await house.api("GET", f"/jobs/{child_id}?wait=5")
            assert reply.json()["status"] == "cancelled"
            assert (await worker.send("POST", path, json=calling(task))).status_code == 409

    run(body())


def test_children_belong_to_their_parents_client_and_are_told_of():
    async def body() -> None:
        async with serving(greet()) as house:
            worker, task = await at_work(house)
            reply = await worker.send("POST", f"/tasks/{task['task_id']}/calls", json=calling(task))
            child_id = reply.json()["job_id"]
            parent, child = await house.job(task["job_id"]), await house.job(child_id)
            assert parent["child_job_ids"] == [child_id]
            assert (child["parent_job_id"], child["parent_task_id"]) == (task["job_id"], task["task_id"])
            assert child["client_config"] == parent["client_config"]

    run(body())


def test_checkpoints_reach_the_next_attempt_only():
    async def body() -> None:
        async with serving(greet()) as house:
            worker, task = await at_work(house)
            assert "checkpoint" not in task
            path = f"/tasks/{task['task_id']}/checkpoint?attempt=1"
            for value in (b"null", b" [1]", b'{"page": 7}'):
                reply = await worker.send("PUT", path, content=value)
                assert reply.status_code == 204, reply.text
            anew = house.worker("w1", "greet", incarnation="i2")
            await anew.register()
            again = await anew.task()
            assert (again["attempt"], again["checkpoint"]) == (2, {"page": 7})
            assert (await anew.send("PUT", path, json=1)).status_code == 409

    run(body())


@pytest.mark.parametrize(
    ("content", "query", "status"),
    [
        (b'"' + b"x" * (1024 * 1024 - 2) + b'"', "?attempt=1", 204),
        (b'"' + b"x" * (1024 * 1024 - 1) + b'"', "?attempt=1", 413),
        (b"", "?attempt=1", 400),
        (b"{", "?attempt=1", 400),
        (b"NaN", "?attempt=1", 400),
        (b"[" * 100 + b"]" * 100, "?attempt=1", 400),
        (b"1", "", 400),
        (b"1", "?attempt=x", 400),
        (b"1", "?attempt=2", 409),
    ],
)
def test_checkpoints_are_json_of_at_most_a_mebibyte(content: bytes, query: str, status: int):
    async def body() -> None:
        async with serving(greet()) as house:
            worker, task = await at_work(house)
            reply = await worker.send("PUT", f"/tasks/{task['task_id']}/checkpoint{query}", content=content)
            assert reply.status_code == status, reply.text

    run(body())


def test_a_checkpoint_is_gone_with_its_task():
    async def body() -> None:
        async with serving(greet()) as house:
            worker, task = await at_work(house)
            await worker.send("PUT", f"/tasks/{task['task_id']}/checkpoint?attempt=1", json=1)
            store = house.lite._site.core.store
            assert await store.checkpoint(task["task_id"]) == b"1"
            await worker.answer(task)
            assert await store.checkpoint(task["task_id"]) is None

    run(body())
