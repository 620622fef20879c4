"""Going down in order, as seen on the wire, and coming back."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_worker import Worker, skill
from avtomatika_worker._run import Run
from tests.conftest import run
from tests.worker._peer import Answer, Peer
from tests.worker._setup import working
from tests.worker.test_way import a_task


def statuses(peer: Peer) -> list[str]:
    return [beat.body["status"] for beat in peer.of("heartbeat")]


def position(peer: Peer, kind: str, status: str | None = None) -> int:
    """Where in all that was seen the first of a kind stands."""
    return next(
        number
        for number, seen in enumerate(peer.seen)
        if seen.kind == kind and (status is None or seen.body["status"] == status)
    )


def test_W10_draining_first_then_tasks_then_results_then_offline():
    gate = asyncio.Event()

    @skill(name="work")
    async def work() -> None:
        await gate.wait()

    async def body() -> None:
        async with working(peer, skills=[work]) as run_:
            peer.hand_out(a_task())
            await peer.until(lambda: len(peer.of("poll")) == 2 and peer.open_polls == 1)
            peer.answer("result", Answer(503, {"error": "busy"}))
            run_.request_stop()
            await peer.until(lambda: statuses(peer).count("draining") >= 3)
            assert peer.open_polls == 0
            assert peer.sockets == 1
            gate.set()

    with Peer() as peer:
        peer.interval = 0.1
        run(body())
    # The poll that was open has been answered, none was sent after `draining`, heartbeats live to the end.
    assert len(peer.of("poll")) == 2
    assert position(peer, "heartbeat", "draining") < position(peer, "result") < position(peer, "heartbeat", "offline")
    assert statuses(peer)[-1] == "offline"
    assert [result["status"] for result in peer.results] == ["success"] * 2
    drained = [beat for beat in peer.of("heartbeat") if beat.body["status"] == "draining"]
    assert drained[0].body["current_tasks"] == ["task-1"]


def test_I4_a_poll_in_flight_is_never_abandoned_on_a_server_that_cannot_be_told():
    async def body() -> None:
        async with working(peer, skills=[]) as run_:
            await peer.until(lambda: peer.open_polls == 1)
            run_.request_stop()
            await peer.until(lambda: "draining" in statuses(peer))
            peer.hand_out({"job_id": "j", "task_id": "t", "type": "work"})

    with Peer(features=[], hold=5) as peer:
        run(body())
    [result] = peer.results
    assert result["error"]["code"] == "INTERRUPTED"


def test_what_does_not_end_in_its_grace_is_handed_back():
    cleaned = []

    @skill(name="work")
    async def work() -> None:
        try:
            await SYSTEM_CLOCK.sleep(60)
        finally:
            cleaned.append(True)

    @skill(max_concurrent=1)
    async def single() -> None:
        await SYSTEM_CLOCK.sleep(60)

    async def body() -> None:
        async with working(peer, skills=[work, single], grace=0.2):
            peer.hand_out(a_task(task_id="t1"))
            peer.hand_out(a_task(task_id="t2", type="single"))
            peer.hand_out(a_task(task_id="t3", type="single"))
            await peer.until(lambda: len(peer.of("poll")) == 4)

    with Peer() as peer:
        run(body())
    assert [result["error"]["code"] for result in peer.results] == ["INTERRUPTED"] * 3
    # What had not started was handed back at once.
    assert peer.results[0]["task_id"] == "t3"
    assert cleaned


def test_a_second_signal_hurries_even_past_a_function_that_does_not_end():
    gate = threading.Event()
    inside = threading.Event()

    @skill(name="work")
    def work() -> None:
        inside.set()
        gate.wait(30)

    async def body() -> None:
        async with working(peer, skills=[work]) as run_:
            peer.hand_out(a_task())
            await asyncio.to_thread(inside.wait, 10)
            began = SYSTEM_CLOCK.monotonic()
            run_.signalled()
            run_.signalled()
            await run_.ended.wait()
            assert SYSTEM_CLOCK.monotonic() - began < 5

    with Peer() as peer:
        run(body())
    gate.set()
    assert peer.results[0]["error"]["code"] == "INTERRUPTED"
    assert statuses(peer)[-1] == "offline"


def test_a_worker_whose_server_is_gone_still_stops():
    async def body() -> None:
        with Peer() as peer:
            async with working(peer, skills=[]):
                await peer.until(lambda: peer.open_polls == 1)
                await asyncio.to_thread(peer.__exit__)

    run(body())


def test_a_worker_that_never_reached_its_server_stops_at_once():
    with Peer() as peer:
        pass

    async def body() -> None:
        async with working(peer, skills=[]):
            pass

    run(body())


def test_a_definition_serves_many_runs_and_loops(tmp_path, monkeypatch):
    monkeypatch.setenv("AVTOMATIKA_STATE_DIR", str(tmp_path))

    @skill(name="work")
    async def work() -> None: ...

    async def body(number: int) -> None:
        async with worker, worker:
            await peer.until(lambda: len({seen.headers["x-worker-id"] for seen in peer.of("poll")}) == 2)
        async with worker:
            peer.hand_out(a_task())
            await peer.until(lambda: len(peer.results) == number)

    with Peer() as peer:
        worker = Worker("many", skills=[work], orchestrators=peer.url)
        run(body(1))
        run(body(2))
    assert {seen.headers["x-worker-id"][-2:] for seen in peer.of("poll")} == {"-1", "-2"}


def test_an_embedded_worker_that_cannot_start_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("AVTOMATIKA_STATE_DIR", str(tmp_path))
    from avtomatika_worker import IdentityTakenError

    async def body(peer: Peer) -> None:
        worker = Worker("x", worker_id="only-one", orchestrators=peer.url)
        async with worker:
            with pytest.raises(IdentityTakenError, match="only-one"):
                await worker.main()
            with pytest.raises(IdentityTakenError, match="only-one"):
                async with worker:
                    pass

    with Peer() as peer:
        run(body(peer))


def test_heartbeats_may_share_the_loop():
    @skill(name="work")
    async def work() -> None: ...

    async def body() -> None:
        before = threading.active_count()
        async with working(peer, skills=[work], threads=False) as run_:
            peer.hand_out(a_task())
            await peer.until(lambda: len(peer.results) == 1 and len(peer.of("heartbeat")) > 3)
            assert isinstance(run_, Run)
            assert threading.active_count() == before

    with Peer() as peer:
        peer.interval = 0.1
        run(body())
    assert statuses(peer)[-1] == "offline"


def held_over(tmp_path: Any, peer: Peer, task: dict[str, Any], runs: list[int], outcome: BaseException | None) -> None:
    """A first run that cannot deliver, and a second one that is handed `task`."""

    @skill(name="work")
    async def work() -> int:
        runs.append(1)
        if outcome is not None and len(runs) == 1:
            raise outcome
        return len(runs)

    worker = Worker("x", worker_id="w1", skills=[work], journal=tmp_path / "j.db", orchestrators=peer.url)

    async def first() -> None:
        peer.always["result"] = Answer(503, {"error": "x"})
        run_ = asyncio.create_task(worker.main())
        peer.hand_out(a_task())
        await peer.until(lambda: len(peer.results) > 0)
        run_.cancel()
        await asyncio.wait([run_])

    async def second() -> None:
        polls = len(peer.of("poll"))
        async with worker:
            await peer.until(lambda: len(peer.of("poll")) > polls)
            peer.hand_out(task)
            await peer.until(lambda: any(result["attempt"] == task["attempt"] for result in peer.results))
            del peer.always["result"]

    run(first())
    run(second())


def test_a_task_handed_out_again_is_answered_from_the_journal_with_its_new_attempt(tmp_path):
    runs: list[int] = []
    with Peer() as peer:
        held_over(tmp_path, peer, a_task(attempt=2), runs, None)
    assert runs == [1]
    assert {(result["attempt"], result["data"]) for result in peer.results} == {(1, 1), (2, 1)}
    assert peer.of("register")[-1].body["holding"] == [{"task_id": "task-1", "attempt": 1}]
    assert len({seen.body["incarnation"] for seen in peer.of("register")}) == 2
    # What it holds is sent before its first poll.
    second_start = peer.seen.index(peer.of("register")[-1])
    after = [seen.kind for seen in peer.seen[second_start + 1 :] if seen.kind in ("result", "poll")]
    assert after[0] == "result"


def test_a_failure_that_may_go_better_is_tried_again_not_repeated_from_the_journal(tmp_path):
    runs: list[int] = []
    with Peer() as peer:
        held_over(tmp_path, peer, a_task(attempt=2), runs, ValueError("first time"))
    assert runs == [1, 1]
    assert {result["status"] for result in peer.results if result["attempt"] == 2} == {"success"}
