"""The blocking transport: shared by threads, bounded by total deadlines, usable after a fork."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from avtomatika_client import AsyncClient, Client
from avtomatika_client._calls._flow import Request
from avtomatika_client._transport import HttpxSyncTransport, HttpxTransport
from avtomatika_client.errors import APIConnectionError, APITimeoutError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from tests.client._peer import DROP, STALL, STATUS, Answer, Peer, reply
from tests.conftest import run

OK = reply({"status": "ok"})


@pytest.fixture
def transport():
    made = HttpxSyncTransport()
    yield made
    made.close()


def get(peer: Peer, path: str = "/", *, method: str = "GET", long: bool = False) -> Request:
    return Request(method=method, url=peer.url + path, long=long)


def test_a_client_is_shared_by_threads(peer):
    peer.on(
        "POST",
        "/api/v1/jobs/greet",
        lambda seen: reply({"status": "accepted", "job_id": seen.json["initial_data"]["n"]}),
    )
    with Client(peer.url) as client, ThreadPoolExecutor(24) as threads:
        names = [f"j{n}" for n in range(300)]
        jobs = threads.map(lambda name: client.jobs.submit("greet", {"n": name}).id, names)
        assert list(jobs) == names
    assert peer.most_at_once <= 8


def test_long_exchanges_never_take_short_places(peer, transport):
    peer.on("GET", "/long", STALL).on("GET", "/", OK)
    with ThreadPoolExecutor(20) as threads:
        polls = [threads.submit(transport.send, get(peer, "/long", long=True), timeout=20) for _ in range(20)]
        peer.wait_for(20, "GET", "/long")
        assert transport.send(get(peer), timeout=2).status == 200
        peer.release()
        assert {poll.result().status for poll in polls} == {200}


def test_the_deadline_includes_the_queue_and_says_so(peer):
    transport = HttpxSyncTransport(short=1)
    peer.on("GET", "/", STALL)
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(transport.send, get(peer), timeout=10)
        peer.wait_for(1, "GET", "/")
        with pytest.raises(APITimeoutError, match="waiting for a free place") as caught:
            transport.send(get(peer), timeout=0.3)
        assert not caught.value.sent
        peer.release()
        held.result()
    transport.close()


@pytest.mark.parametrize("after", [0, 60])
def test_a_server_that_drips_or_stops_in_the_middle_meets_the_deadline(peer, transport, after):
    body = b"x" * 200
    peer.on("GET", "/", Answer(body=body, headers={"content-length": str(len(body) + after)}, drip=0.02))
    began = SYSTEM_CLOCK.monotonic()
    with pytest.raises(APITimeoutError) as caught:
        transport.send(get(peer), timeout=0.5)
    assert SYSTEM_CLOCK.monotonic() - began < 1.5
    assert caught.value.sent


def test_a_deadline_does_not_outlive_its_exchange(peer, transport):
    peer.on("GET", "/stall", STALL).on("GET", "/", OK)
    with pytest.raises(APITimeoutError):
        transport.send(get(peer, "/stall"), timeout=0.1)
    assert transport.send(get(peer), timeout=None).status == 200
    peer.release()


def test_a_get_on_a_connection_that_had_died_is_repeated_at_once_and_a_post_is_not(peer, transport):
    peer.on("GET", "/", OK, DROP, OK).on("POST", "/", DROP, OK)
    assert [transport.send(get(peer), timeout=5).status for _ in range(2)] == [200, 200]
    with pytest.raises(APIConnectionError) as caught:
        transport.send(get(peer, method="POST"), timeout=5)
    assert caught.value.sent
    assert len(peer.calls("POST", "/")) == 1


def test_an_http_client_of_ones_own_is_used_and_left_open(peer):
    peer.on("GET", STATUS, OK)
    with httpx.Client(headers={"x-mine": "yes"}) as mine:
        with Client(peer.url, http_client=mine) as client:
            assert client.status().status == "ok"
        assert not mine.is_closed
    assert peer.seen[0].headers["x-mine"] == "yes"


def test_closing_from_another_thread_ends_what_waits(peer, transport):
    peer.on("GET", "/", STALL)
    failed = []

    def ask() -> None:
        try:
            transport.send(get(peer), timeout=2)
        except APIConnectionError as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    peer.wait_for(1, "GET", "/")
    transport.close()
    peer.release()
    thread.join(5)
    assert not thread.is_alive()
    with pytest.raises(APIConnectionError, match="closed"):
        transport.send(get(peer), timeout=1)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_forked_child_opens_connections_of_its_own(peer, kind):
    peer.on("GET", "/", OK)
    if kind == "sync":
        transport = HttpxSyncTransport()
        assert transport.send(get(peer), timeout=5).status == 200
        seen = _in_child(lambda: transport.send(get(peer), timeout=5).status)
        assert transport.send(get(peer), timeout=5).status == 200
        transport.close()
    else:
        seen = run(_async_fork(peer))
    assert seen == 200
    assert [(one.connection, one.turn) for one in peer.seen] == [(1, 1), (2, 1), (1, 2)]


async def _async_fork(peer: Peer) -> object:
    async with AsyncClient(peer.url) as client:
        transport = client._caller.link.transport()
        assert isinstance(transport, HttpxTransport)
        await transport.send(get(peer), timeout=5)

        def child() -> int:
            import asyncio

            asyncio.events._set_running_loop(None)
            return run(transport.send(get(peer), timeout=5)).status

        seen = _in_child(child)
        await transport.send(get(peer), timeout=5)
        return seen


def _in_child(work) -> object:
    """What `work` gives in a forked child; the child ends without running the parent's exit handlers."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, json.dumps(work()).encode())
        except BaseException as error:  # told to the parent
            os.write(writer, json.dumps(repr(error)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(said)
