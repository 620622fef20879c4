"""Results reach their orchestrator, whatever it takes, and leave the journal only on its verdict."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import ExitStack

import pytest

from avtomatika_worker import skill
from tests.conftest import run
from tests.worker._peer import Answer, Peer
from tests.worker._setup import working
from tests.worker.test_way import a_task


@skill
async def work() -> str:
    """Return something."""
    return "result"


def test_W9_a_result_is_sent_until_there_is_a_verdict():
    statuses = [401, 403, 408, 409, 425, 429, 500, 502, 503]

    async def body() -> None:
        async with working(peer, skills=[work], limit=20) as run_:
            for number in range(len(statuses) + 1):
                peer.hand_out(a_task(task_id=f"t{number}"))
            await peer.until(lambda: len({result["task_id"] for result in peer.results}) == len(statuses) + 1)
            await run_.hub.links[peer.url].delivery.empty.wait()
            assert len(run_.hub.journal) == 0

    with Peer() as peer:
        peer.answer("result", *(Answer(status, {"error": "x"}) for status in statuses), Answer(drop=True))
        run(body())
    assert len(peer.results) == 2 * (len(statuses) + 1)


def test_any_2xx_and_any_4xx_that_repeating_cannot_change_is_a_verdict(caplog):
    verdicts = [
        Answer(200, {"status": "ignored", "reason": "stale_task"}),
        Answer(204),
        Answer(200, b"garbage"),
        Answer(400, {"error": "Invalid"}),
        Answer(404, {"error": "no such job"}),
        Answer(422, b"x"),
    ]

    async def body() -> None:
        async with working(peer, skills=[work]) as run_:
            for number in range(len(verdicts)):
                peer.hand_out(a_task(task_id=f"t{number}"))
            await peer.until(lambda: len(peer.results) == len(verdicts))
            await run_.hub.links[peer.url].delivery.empty.wait()
            assert len(run_.hub.journal) == 0

    with Peer() as peer, caplog.at_level(logging.WARNING):
        peer.answer("result", *verdicts)
        run(body())
    assert len(peer.results) == len(verdicts)
    assert len([record for record in caplog.records if "refused the result" in record.message]) == 3


def test_a_result_that_is_too_large_fails_its_task_instead_of_hanging_it():
    async def body() -> None:
        async with working(peer, skills=[work]):
            await peer.until(lambda: len(peer.results) == 2)

    with Peer() as peer:
        peer.answer("result", Answer(413, {"error": "Body over 16 MiB"}))
        peer.hand_out(a_task())
        run(body())
    assert peer.results[1]["error"]["code"] == "PERMANENT_ERROR"
    assert "too large" in peer.results[1]["error"]["message"]


def test_W9_one_orchestrator_that_takes_no_results_holds_up_no_other():
    gate = threading.Event()

    async def body() -> None:
        async with working(stuck, well, skills=[work], limit=100):
            for number in range(20):
                stuck.hand_out(a_task(task_id=f"t{number}"))
            await stuck.until(lambda: len(stuck.results) >= 1)
            well.hand_out(a_task())
            await well.until(lambda: len(well.results) == 1)
            assert len(stuck.results) <= 8
            gate.set()
            await stuck.until(lambda: len({result["task_id"] for result in stuck.results}) == 20)

    with ExitStack() as stack:
        stuck = stack.enter_context(Peer())
        well = stack.enter_context(Peer())
        stuck.always["result"] = Answer(200, {"status": "ok"}, gate=gate)
        run(body())


def test_heartbeats_name_a_task_until_its_result_is_delivered():
    async def body() -> None:
        async with working(peer, skills=[work]) as run_:
            await peer.until(lambda: len(peer.results) >= 2)
            seen = len(peer.of("heartbeat"))
            await peer.until(lambda: len(peer.of("heartbeat")) > seen + 1)
            assert peer.of("heartbeat")[-1].body["current_tasks"] == ["task-1"]
            del peer.always["result"]
            await run_.hub.links[peer.url].delivery.empty.wait()
            seen = len(peer.of("heartbeat"))
            await peer.until(lambda: len(peer.of("heartbeat")) > seen + 1)
            assert peer.of("heartbeat")[-1].body["current_tasks"] == []

    with Peer() as peer:
        peer.interval = 0.1
        peer.always["result"] = Answer(503, {"error": "x"})
        peer.hand_out(a_task())
        run(body())


def test_main_can_be_cancelled_and_keeps_what_is_not_delivered(tmp_path):
    from avtomatika_worker import Worker

    worker = Worker(
        "test", worker_id="w1", skills=[work], orchestrators="http://127.0.0.1:1", journal=tmp_path / "j.db"
    )

    async def body() -> None:
        main = asyncio.create_task(worker.main())
        await peer.until(lambda: len(peer.results) > 0)
        main.cancel()
        with pytest.raises(asyncio.CancelledError):
            await main
        del peer.always["result"]
        seen = len(peer.results)
        async with worker:
            await peer.until(lambda: len(peer.results) > seen)

    with Peer() as peer:
        worker._orchestrators = [peer.url]
        peer.always["result"] = Answer(503, {"error": "x"})
        peer.hand_out(a_task())
        run(body())
    last = peer.of("register")[-1].body
    assert last["holding"] == [{"task_id": "task-1", "attempt": 1}]
    assert peer.results[-1]["incarnation"] == last["incarnation"]
