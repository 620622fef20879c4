"""What goes over the wire between a worker and its orchestrators."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from itertools import pairwise

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_client.protocol.headers import ACK, INCARNATION, WORKER_ID, WORKER_TOKEN
from avtomatika_worker import SupersededError, skill
from tests.conftest import run
from tests.worker._peer import Answer, Peer
from tests.worker._setup import working
from tests.worker.test_way import a_task


@skill
async def work() -> int:
    """Do nothing."""
    return 1


def test_registration_says_who_we_are_and_what_we_offer():
    async def body() -> None:
        async with working(peer, skills=[work], limit=7):
            await peer.until(lambda: peer.open_polls == 1)

    with Peer() as peer:
        run(body())
    seen = peer.of("register")[0]
    assert seen.headers[WORKER_TOKEN] == "secret-token"
    assert seen.headers[WORKER_ID] == "w1"
    assert seen.body["worker_type"] == "test"
    assert seen.body["resources"] == {"max_concurrent_tasks": 7}
    assert seen.body["capabilities"]["websockets"] is True
    assert seen.body["capabilities"]["extra"] == {"websockets": True}
    assert seen.body["holding"] == []
    [offered] = seen.body["supported_skills"]
    assert offered["name"] == offered["type"] == "work"
    assert offered["output_schema"] == {"type": "integer"}
    assert peer.of("poll")[0].headers[INCARNATION] == seen.body["incarnation"]


@pytest.mark.parametrize("version", [None, "1.0b3", "1.0b17"])
def test_a_server_that_is_not_ours_is_spoken_to_in_its_own_dialect(version: str | None):
    async def body() -> None:
        async with working(peer, skills=[work]):
            peer.hand_out({"job_id": "j", "task_id": "t", "type": "work", "params": {}})
            await peer.until(lambda: len(peer.results) == 1 and len(peer.of("heartbeat")) > 0)
            peer.hold = 0

    with Peer(features=[], version=version, hold=1.0) as peer:
        run(body())
    registration, beat, result = peer.of("register")[0], peer.of("heartbeat")[0].body, peer.of("result")[0]
    assert not {"incarnation", "holding"} & registration.body.keys()
    assert not {"incarnation", "acks"} & beat.keys()
    assert not {"incarnation", "attempt"} & result.body.keys()
    assert not any({INCARNATION, ACK} & seen.headers.keys() for seen in peer.seen)
    if version == "1.0b17":
        assert registration.body["supported_skills"][0]["name"] == "work"
        assert "supported_skills" not in beat
    else:
        assert registration.body["supported_skills"] == registration.body["supported_tasks"] == ["work"]
        assert beat["supported_skills"] == beat["supported_tasks"] == ["work"]
        assert beat["hot_skills"] == []
    assert result.body["data"] == 1
    nested = {"status": "success", "data": 1, "error": None}
    assert result.body.get("result") == (nested if version is None else None)


def test_a_delivery_is_acknowledged_by_the_next_request():
    gate = asyncio.Event()

    @skill(name="work")
    async def slow() -> None:
        await gate.wait()

    async def body() -> None:
        async with working(peer, skills=[slow]):
            peer.hand_out(a_task(attempt=4))
            await peer.until(lambda: len(peer.of("poll")) == 2)
            gate.set()

    with Peer() as peer:
        run(body())
    assert ACK not in peer.of("poll")[0].headers
    assert peer.of("poll")[1].headers[ACK] == "task-1:4"


@pytest.mark.parametrize("socket", [True, False])
def test_a_delivery_is_acknowledged_within_a_second_when_no_request_goes_out(socket: bool):
    gate = asyncio.Event()
    received = []

    @skill(name="work")
    async def slow() -> None:
        received.append(SYSTEM_CLOCK.monotonic())
        await gate.wait()

    async def body() -> None:
        async with working(peer, skills=[slow], limit=1):
            if socket:
                await peer.until(lambda: peer.sockets == 1)
            await peer.until(lambda: len(peer.of("heartbeat")) > 0)
            peer.hand_out(a_task())
            if socket:
                await peer.until(lambda: len(peer.of("frame")) > 0)
            else:
                await peer.until(lambda: any(beat.body["acks"] for beat in peer.of("heartbeat")))
            gate.set()

    with Peer() as peer:
        if not socket:
            peer.always["socket"] = Answer()
        peer.interval = 60.0
        run(body())
    pair = {"task_id": "task-1", "attempt": 1}
    if socket:
        seen = peer.of("frame")[0]
        assert seen.body == {"event": "ack", "acks": [pair]}
    else:
        seen = next(beat for beat in peer.of("heartbeat") if beat.body["acks"])
        assert seen.body["acks"] == [pair]
    assert seen.at - received[0] < 1.0


GARBAGE = [b"<html>", b"", b"[]", b"{}", b"null", b'"x"', b"\xff\xfe", b"[" * 5000]


def test_W0_a_reply_that_is_no_task_delays_the_next_poll_by_a_second_at_most(caplog):
    async def body() -> None:
        async with working(*peers, skills=[work]):
            for peer, garbage in zip(peers, GARBAGE, strict=True):
                peer.answer("poll", Answer(body=garbage), Answer(body=garbage))
                peer.hand_out(a_task())
            for peer in peers:
                await peer.until(lambda peer=peer: len(peer.results) == 1)

    with ExitStack() as stack, caplog.at_level(logging.WARNING):
        peers = [stack.enter_context(Peer()) for _ in GARBAGE]
        run(body())
    for peer in peers:
        assert all(later.at - earlier.at < 1.5 for earlier, later in pairwise(peer.of("poll")[:3]))
        told = [record for record in caplog.records if f"{peer.url} sent what is no task" in record.getMessage()]
        assert len(told) <= 1


def test_a_server_that_answers_empty_at_once_is_not_polled_in_a_storm():
    async def body() -> None:
        async with working(peer, skills=[work]):
            await peer.until(lambda: len(peer.of("poll")) == 5)

    with Peer(hold=0.0) as peer:
        run(body())
    polls = peer.of("poll")
    assert polls[4].at - polls[2].at > 1.5


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_poll_that_fails_is_repeated_after_a_pause(status: int):
    async def body() -> None:
        async with working(peer, skills=[work]):
            await peer.until(lambda: len(peer.results) == 1)

    with Peer() as peer:
        peer.answer("poll", Answer(status, {"error": "busy"}, {"retry-after": "1"}))
        peer.hand_out(a_task())
        run(body())
    first, second = peer.of("poll")[:2]
    assert 1.0 <= second.at - first.at < 2.5
    assert len(peer.of("register")) == 1


def test_a_connection_cut_in_a_poll_is_followed_by_a_new_registration():
    async def body() -> None:
        async with working(peer, skills=[work]):
            await peer.until(lambda: len(peer.results) == 1)

    with Peer() as peer:
        peer.answer("poll", Answer(drop=True))
        peer.answer("poll", Answer(404, {"error": "unknown worker"}))
        peer.hand_out(a_task())
        run(body())
    assert len(peer.of("register")) == 3
    assert len({seen.body["incarnation"] for seen in peer.of("register")}) == 1


@pytest.mark.parametrize("body_", [None, {"status": "ok", "require_full_sync": True}])
def test_a_heartbeat_reply_can_ask_for_a_new_registration(body_: object):
    async def body() -> None:
        async with working(peer, skills=[work]):
            await peer.until(lambda: len(peer.of("register")) == 2)

    with Peer() as peer:
        peer.interval = 0.1
        peer.answer("heartbeat", Answer(body=body_))
        run(body())
    assert len(peer.of("poll")) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_said_once_and_without_the_token(status: int, caplog):
    async def body() -> None:
        async with working(peer, skills=[work]):
            await peer.until(lambda: len(peer.of("register")) == 3)
            del peer.always["register"]
            await peer.until(lambda: peer.open_polls == 1)

    with Peer() as peer, caplog.at_level(logging.DEBUG):
        peer.always["register"] = Answer(status, {"error": "Unauthorized: No valid token found"})
        run(body())
    told = [record.getMessage() for record in caplog.records if "refuses the registration" in record.getMessage()]
    assert len(told) == 1
    assert "check the worker token" in told[0]
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn")]
    assert not any("secret-token" in line for line in ours)


@pytest.mark.parametrize("kind", ["register", "poll", "heartbeat", "result"])
def test_a_superseded_worker_says_so_and_stops(kind: str):
    async def body() -> None:
        with pytest.raises(SupersededError, match="newer start"):
            async with working(peer, skills=[work]) as run_:
                await run_.ended.wait()

    with Peer() as peer:
        peer.interval = 0.1
        peer.hand_out(a_task())
        peer.always[kind] = Answer(409, {"error": "superseded by a newer incarnation"})
        run(body())


def test_W11_an_orchestrator_that_is_down_or_slow_delays_nobody():
    async def body() -> None:
        async with working(slow, quick, skills=[work], limit=1):
            await slow.until(lambda: slow.open_polls == 1)
            await quick.until(lambda: quick.open_polls == 1)
            handed_out = SYSTEM_CLOCK.monotonic()
            for number in range(5):
                quick.hand_out(a_task(task_id=f"t{number}"))
            await quick.until(lambda: len(quick.results) == 5)
            assert SYSTEM_CLOCK.monotonic() - handed_out < 3

    with ExitStack() as stack:
        quick = stack.enter_context(Peer())
        slow = stack.enter_context(Peer())
        run(body())


def test_a_socket_that_closes_is_opened_again():
    async def body() -> None:
        async with working(peer, skills=[work]):
            await peer.until(lambda: peer.sockets == 1)
            peer.close_sockets()
            await peer.until(lambda: peer.sockets == 0)
            await peer.until(lambda: peer.sockets == 1)

    with Peer() as peer:
        run(body())
