"""How many run at once, what blocks what, and what a cancel does."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_worker import Context, skill
from tests.conftest import run
from tests.worker._peer import Peer
from tests.worker._setup import working
from tests.worker.test_way import a_task


def test_W5_sixty_plain_functions_run_sixty_at_once():
    together = threading.Barrier(60)

    @skill(name="work")
    def work() -> None:
        together.wait(20)

    async def body() -> None:
        async with working(peer, skills=[work], limit=100):
            for number in range(60):
                peer.hand_out(a_task(task_id=f"t{number}"))
            await peer.until(lambda: len(peer.results) == 60)

    with Peer() as peer:
        run(body())
    assert {result["status"] for result in peer.results} == {"success"}


def test_no_poll_goes_out_without_a_free_slot():
    gate = asyncio.Event()

    @skill(name="work")
    async def work() -> None:
        await gate.wait()

    async def body() -> None:
        async with working(peer, skills=[work], limit=2):
            peer.hand_out(a_task(task_id="t1"))
            peer.hand_out(a_task(task_id="t2"))
            await peer.until(lambda: any(beat.body["status"] == "busy" for beat in peer.of("heartbeat")))
            assert len(peer.of("poll")) == 2
            assert set(peer.of("heartbeat")[-1].body["current_tasks"]) == {"t1", "t2"}
            gate.set()
            await peer.until(lambda: len(peer.of("poll")) == 3)

    with Peer() as peer:
        peer.interval = 0.1
        run(body())


def test_a_skill_has_a_limit_of_its_own():
    at_once = 0
    most = 0

    @skill(name="work", max_concurrent=2)
    async def work() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await SYSTEM_CLOCK.sleep(0.02)
        at_once -= 1

    async def body() -> None:
        async with working(peer, skills=[work], limit=10):
            for number in range(8):
                peer.hand_out(a_task(task_id=f"t{number}"))
            await peer.until(lambda: len(peer.results) == 8)

    with Peer() as peer:
        run(body())
    assert most == 2


def test_W7_code_that_blocks_the_loop_does_not_stop_heartbeats():
    @skill(name="work")
    async def work() -> None:
        SYSTEM_CLOCK.sleep_blocking(1.0)

    async def body() -> None:
        async with working(peer, skills=[work]):
            await peer.until(lambda: len(peer.of("heartbeat")) > 0)
            peer.hand_out(a_task())
            await peer.until(lambda: len(peer.results) == 1)

    with Peer() as peer:
        peer.interval = 0.1
        run(body())
    ended = peer.of("result")[0].at
    during = [beat for beat in peer.of("heartbeat") if ended - 0.9 < beat.at < ended]
    assert len(during) >= 4
    assert during[-1].body["current_tasks"] == ["task-1"]


def test_a_worker_whose_polls_are_not_answered_says_it_is_deaf():
    async def body() -> None:
        async with working(peer, skills=[]) as run_:
            await peer.until(lambda: peer.open_polls == 1)
            [link] = run_.hub.links.values()
            link.alive_at -= 1000
            run_.hub.publish(peer.url)
            await peer.until(lambda: any(beat.body["status"] == "deaf" for beat in peer.of("heartbeat")))

    with Peer() as peer:
        peer.interval = 0.1
        run(body())


CANCELS: dict[str, Any] = {
    "command": {"command": "cancel_task", "task_id": "task-1"},
    "type": {"type": "cancel_task", "task_id": "task-1", "attempt": 1},
    "job": {"command": "cancel_task", "job_id": "job-1"},
    "heartbeat": ["task-1"],
    "heartbeat-job": ["job-1"],
}


@pytest.mark.parametrize("way", CANCELS)
def test_a_cancel_ends_an_async_skill_and_is_reported_when_it_has_ended(way: str):
    cleaned = []
    inside = asyncio.Event()

    @skill(name="work")
    async def work() -> None:
        try:
            inside.set()
            await SYSTEM_CLOCK.sleep(60)
        finally:
            await SYSTEM_CLOCK.sleep(0.1)
            cleaned.append(True)

    async def body() -> None:
        async with working(peer, skills=[work]):
            await peer.until(lambda: peer.sockets == 1)
            peer.hand_out(a_task())
            await inside.wait()
            if way.startswith("heartbeat"):
                peer.cancel_ids = CANCELS[way]
            else:
                peer.send_frame("no JSON")
                peer.send_frame({"command": "dance"})
                peer.send_frame(CANCELS[way])
            await peer.until(lambda: len(peer.results) == 1)
            assert cleaned

    with Peer() as peer:
        peer.interval = 0.1
        run(body())
    assert peer.results[0]["status"] == "cancelled"


def test_a_cancel_of_another_attempt_changes_nothing():
    inside = asyncio.Event()
    gate = asyncio.Event()

    @skill(name="work")
    async def work() -> None:
        inside.set()
        await gate.wait()

    async def body() -> None:
        async with working(peer, skills=[work]) as run_:
            peer.hand_out(a_task(attempt=2))
            await inside.wait()
            assert not run_.hub.cancel(peer.url, "task-1", 1)
            gate.set()
            await peer.until(lambda: len(peer.results) == 1)

    with Peer() as peer:
        run(body())
    assert peer.results[0]["status"] == "success"


def test_W6_a_cancelled_function_keeps_its_slot_until_it_is_out_and_tells_the_truth():
    inside = threading.Event()
    gate = threading.Event()
    saw = []

    @skill(name="work")
    def work(ctx: Context, obey: bool) -> str:
        inside.set()
        gate.wait(20)
        saw.append(ctx.cancelled)
        if obey:
            ctx.raise_if_cancelled()
        return "done after all"

    async def body() -> None:
        async with working(peer, skills=[work], limit=1) as run_:
            for number, obey in enumerate((False, True), 1):
                inside.clear()
                gate.clear()
                peer.hand_out(a_task(task_id=f"t{number}", params={"obey": obey}))
                await asyncio.to_thread(inside.wait, 20)
                assert run_.hub.cancel(peer.url, f"t{number}")
                polls, beats = len(peer.of("poll")), len(peer.of("heartbeat"))
                await peer.until(lambda beats=beats: len(peer.of("heartbeat")) > beats + 1)
                assert peer.of("heartbeat")[-1].body["status"] == "busy"
                assert len(peer.of("poll")) == polls
                assert len(peer.results) == number - 1
                gate.set()
                await peer.until(lambda number=number: len(peer.results) == number)

    with Peer() as peer:
        peer.interval = 0.1
        run(body())
    assert saw == [True, True]
    first, second = peer.results
    assert (first["status"], first["data"]) == ("success", "done after all")
    assert second["status"] == "cancelled"


def test_a_task_cancelled_while_it_waits_for_a_slot_never_runs():
    ran = []
    gate = asyncio.Event()

    @skill(name="work", max_concurrent=1)
    async def work(number: int) -> None:
        ran.append(number)
        await gate.wait()

    async def body() -> None:
        async with working(peer, skills=[work]) as run_:
            peer.hand_out(a_task(task_id="t1", params={"number": 1}))
            peer.hand_out(a_task(task_id="t2", params={"number": 2}))
            await peer.until(lambda: len(peer.of("poll")) == 3)
            assert run_.hub.cancel(peer.url, "t2")
            await peer.until(lambda: len(peer.results) == 1)
            gate.set()
            await peer.until(lambda: len(peer.results) == 2)

    with Peer() as peer:
        run(body())
    assert peer.results[0]["status"] == "cancelled"
    assert ran == [1]


def test_a_task_handed_out_twice_runs_once_and_answers_the_latest_attempt():
    runs = []
    gate = asyncio.Event()

    @skill(name="work")
    async def work() -> None:
        runs.append(1)
        await gate.wait()

    async def body() -> None:
        async with working(peer, skills=[work]):
            peer.hand_out(a_task(attempt=1))
            peer.hand_out(a_task(attempt=2))
            await peer.until(lambda: len(peer.of("poll")) == 3)
            gate.set()
            await peer.until(lambda: len(peer.results) == 1)

    with Peer() as peer:
        run(body())
    assert runs == [1]
    assert [result["attempt"] for result in peer.results] == [2]
