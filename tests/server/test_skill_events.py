"""POST /_worker/events and event frames: what running tasks tell becomes history, once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator_lite.engine import _telling
from orchestrator_lite.runtime.telling import LARGEST
from tests._support.house import House, RawWorker, serving, until
from tests.conftest import run
from tests.server.flows import greet


def event(worker: RawWorker, task: dict[str, Any], kind: str = "thought", **body: Any) -> dict[str, Any]:
    return {
        "event_id": "e1",
        "worker_id": worker.worker_id,
        "origin_worker_id": worker.worker_id,
        "event_type": kind,
        "payload": {"text": "hm"},
        "origin_task_id": task["task_id"],
        "target_task_id": task["task_id"],
        "target_job_id": task["job_id"],
        "bubbling_chain": [],
        **body,
    }


async def told(worker: RawWorker, body: dict[str, Any]) -> dict[str, Any]:
    reply = await worker.send("POST", "/events", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def thoughts(house: House, job_id: str) -> list[Any]:
    history = await house.history(job_id)
    return [row["context_snapshot"]["payload"] for row in history if row["event_type"] == "worker_event:thought"]


def test_an_event_becomes_history_once():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            for _ in range(3):
                assert await told(worker, event(worker, task)) == {"status": "event_accepted"}
            await told(worker, event(worker, task, event_id="e2", payload=[1, None]))
            assert await thoughts(house, job_id) == [{"text": "hm"}, [1, None]]
            row = next(row for row in await house.history(job_id) if row["event_type"] == "worker_event:thought")
            assert (row["worker_id"], row["attempt_number"]) == ("w1", 1)

    run(body())


def test_a_frame_does_the_same():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            async with worker.socket() as socket:
                await socket.send(json.dumps(event(worker, task, payload="x" * LARGEST)))
                await socket.send(json.dumps(event(worker, task, payload="from a frame")))
                await socket.send(json.dumps(event(worker, task, "progress", payload={"progress": 0.5})))
                await until(lambda: house.lite._site.core.lease(task["task_id"]).progress == 0.5)
            assert await thoughts(house, job_id) == ["from a frame"]

    run(body())


def test_progress_is_no_history():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            before = await house.event_types(job_id)
            said = event(worker, task, "progress", payload={"progress": 0.75, "message": "3/4"})
            assert await told(worker, said) == {"status": "event_accepted"}
            job = await house.job(job_id)
            assert (job["progress"], job["progress_message"]) == (0.75, "3/4")
            assert await house.event_types(job_id) == before

    run(body())


def test_who_does_not_have_the_task_is_ignored():
    async def body():
        async with serving(greet()) as house:
            worker, other = await house.registered("w1", "greet"), await house.registered("w2", "greet")
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            assert (await told(other, event(other, task)))["reason"] == "stale_task"
            assert (await told(worker, event(worker, task, attempt=2)))["reason"] == "stale_task"
            assert (await told(worker, event(worker, {"task_id": "none-1", "job_id": "none"})))["status"] == "ignored"
            await worker.answer(task)
            assert (await told(worker, event(worker, task)))["status"] == "ignored"
            assert await thoughts(house, job_id) == []

    run(body())


@pytest.mark.parametrize(
    "body",
    [
        {"event_id": "6fb"},
        {"event_type": "a b", "task_id": "x-1"},
        {"event_type": "x" * 65, "task_id": "x-1"},
        {"event_type": "thought"},
        {"event_type": "thought", "task_id": 7},
    ],
)
def test_a_body_of_the_wrong_form_is_answered_as_officially(body):
    async def check():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            answer = await told(worker, body)
            assert answer["status"] == "error"
            assert answer["message"].startswith("Invalid event payload: ")

    run(check())


def test_what_is_too_large_is_refused():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            await house.create("/jobs/greet")
            task = await worker.task()
            reply = await worker.send("POST", "/events", json=event(worker, task, payload="x" * LARGEST))
            assert reply.status_code == 413

    run(body())


def test_a_history_takes_only_so_many(monkeypatch):
    monkeypatch.setattr(_telling, "MOST_EVENTS", 10)

    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            answers = [await told(worker, event(worker, task, event_id=str(number))) for number in range(20)]
            assert answers[-1]["reason"] == "too_many_events"
            assert len(await house.history(job_id)) == 10
            await worker.answer(task)
            assert (await house.ended(job_id))["status"] == "finished"

    run(body())
