"""Whatever a worker's socket brings, the server takes what it understands and stays as it is."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.exceptions import ConnectionClosed

from orchestrator_lite._listening import LARGEST_FRAME
from tests._support.house import serving, soon, until
from tests.conftest import run
from tests.server.flows import greet

GARBAGE = [
    "",
    "\x00",
    "[" * 100_000,
    '{"a":' * 50_000 + "1" + "}" * 50_000,
    '{"event": ["progress"], "task_id": {"a": 1}}',
    '{"event": "progress", "task_id": ["TASK"], "progress": 1}',
    '{"event": "progress", "task_id": "TASK", "attempt": 99999999999999999999999999, "progress": 1}',
    '{"event": "progress", "task_id": "TASK", "attempt": true, "progress": [1]}',
    '{"event": "ack", "acks": [["TASK", 1], {"task_id": "TASK", "attempt": 1e400}]}',
    '{"event": "ack", "acks": {"task_id": "TASK"}}',
    '{"event_type": "told\\nINFO forged", "task_id": "TASK"}',
    '{"event_type": "told", "task_id": "TASK", "payload": "\\ud800"}',
    '{"event_type": "told", "task_id": "TASK", "attempt": -1, "payload": NaN}',
    json.dumps({"event_type": "told", "task_id": "TASK", "payload": "x" * 100_000}),
    json.dumps({"event": "progress", "task_id": "x" * 500_000}),
]


async def task_of(house):
    job_id, worker = await house.create("/jobs/greet"), await house.registered("w1", "greet")
    return job_id, worker, await worker.task()


def progress(task, share, message=""):
    return json.dumps({"event": "progress", "task_id": task["task_id"], "progress": share, "message": message})


@pytest.mark.parametrize("frame", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_passed_over_and_the_next_frame_is_read(frame):
    async def check():
        async with serving(greet()) as house:
            job_id, worker, task = await task_of(house)
            async with worker.socket() as socket:
                await socket.send(frame.replace("TASK", task["task_id"]))
                await socket.send(progress(task, 0.25))
                await (await socket.ping())
                await until(lambda: house.lite._site.core.desk.leases.get(task["task_id"]).progress == 0.25)
            history = json.dumps(await house.history(job_id))
            assert "forged" not in history
            assert len(history) < 10_000
            assert (await worker.answer(task))["status"] == "result_accepted_success"

    run(check())


@pytest.mark.parametrize(
    "frame", [b"\x00\x01", b'{"event": "ack"}', "x" * (LARGEST_FRAME + 1)], ids=["bytes", "JSON", "huge"]
)
def test_a_frame_that_is_not_of_the_protocol_closes_its_socket_alone(frame):
    async def check():
        async with serving(greet()) as house:
            _, worker, task = await task_of(house)
            other = await house.registered("w2", "greet")
            async with other.socket() as stays, worker.socket() as socket:
                await socket.send(frame)
                with pytest.raises(ConnectionClosed):
                    await soon(asyncio.ensure_future(socket.recv()))
                await (await stays.ping())
            async with worker.socket() as again:
                await again.send(progress(task, 0.5))
                await until(lambda: house.lite._site.core.desk.leases.get(task["task_id"]).progress == 0.5)

    run(check())


def test_of_thousands_of_frames_the_latest_counts_and_nothing_grows():
    async def check():
        async with serving(greet()) as house:
            job_id, worker, task = await task_of(house)
            before = len(await house.history(job_id))
            async with worker.socket() as socket:
                for number in range(5000):
                    await socket.send(progress(task, number / 5000, f"step {number}"))
                lease = house.lite._site.core.desk.leases.get(task["task_id"])
                await until(lambda: lease.message == "step 4999")
            job = await house.job(job_id)
            assert (job["progress"], job["progress_message"]) == (4999 / 5000, "step 4999")
            assert len(await house.history(job_id)) == before
            assert len(house.lite._site.core.desk.leases.take_renewals()) <= 1

    run(check())


def test_frames_for_anothers_task_say_nothing():
    async def check():
        async with serving(greet()) as house:
            job_id, worker, task = await task_of(house)
            await worker.beat(task)
            thief = await house.registered("w2", "greet")
            async with thief.socket() as socket:
                await socket.send(progress(task, 0.9, "stolen"))
                told = {"event_type": "told", "task_id": task["task_id"], "payload": "stolen"}
                await socket.send(json.dumps(told))
                await socket.send(json.dumps({"event": "ack", "acks": [{"task_id": task["task_id"], "attempt": 1}]}))
                await (await socket.ping())
                await house.settled()
            assert (await house.job(job_id))["progress"] is None
            assert "stolen" not in json.dumps(await house.history(job_id))

    run(check())
