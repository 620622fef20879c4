"""The async transport: gates, deadlines and what is known when an exchange fails."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

import httpx
import pytest

from avtomatika_client._calls._flow import Request
from avtomatika_client._transport import HttpxTransport
from avtomatika_client.errors import APIConnectionError, APITimeoutError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from tests.client._peer import DROP, STALL, Answer, Peer, reply
from tests.conftest import run

OK = reply({"ok": True})


@pytest.fixture(params=["httpx", "aiohttp"])
def kind(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Both ways to speak HTTP keep the same promises."""
    return {"fast": request.param == "aiohttp"}


def get(peer: Peer, path: str = "/", *, method: str = "GET", long: bool = False) -> Request:
    return Request(method=method, url=peer.url + path, long=long)


@contextlib.asynccontextmanager
async def open_transport(**options):
    transport = HttpxTransport(**options)
    try:
        yield transport
    finally:
        await transport.aclose()


def test_a_reply_comes_whole_with_lower_case_names(peer, kind):
    peer.on("POST", "/x", reply({"a": 1}, 202, X_Thing="v"))

    async def body():
        async with open_transport(**kind) as transport:
            request = Request(method="POST", url=f"{peer.url}/x?q=1", headers={"x-client-token": "t"}, content=b"{}")
            return await transport.send(request, timeout=5)

    got = run(body())
    (seen,) = peer.calls("POST", "/x")
    assert (got.status, got.headers["x-thing"], got.content) == (202, "v", b'{"a": 1}')
    assert (seen.query, seen.headers["x-client-token"], seen.body) == ({"q": ["1"]}, "t", b"{}")


def test_the_pool_survives_hundreds_of_cancelled_requests(peer, kind):
    peer.on("GET", "/", Answer(drip=0.0001, body=b"{}"))

    async def cancelled(transport):
        task = asyncio.create_task(transport.send(get(peer), timeout=5))
        await SYSTEM_CLOCK.sleep(random.random() * 0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def body():
        async with open_transport(**kind) as transport:
            for _ in range(20):
                await asyncio.gather(*(cancelled(transport) for _ in range(20)))
            peer.on("GET", "/", OK)
            return [(await transport.send(get(peer), timeout=5)).status for _ in range(3)]

    assert run(body()) == [200, 200, 200]


def test_the_pool_survives_hundreds_of_deadlines(peer, kind):
    peer.on("GET", "/", Answer(drip=0.0005, body=b"{}"))

    async def body():
        async with open_transport(**kind) as transport:
            for _ in range(20):
                sends = (transport.send(get(peer), timeout=random.random() * 0.02) for _ in range(20))
                await asyncio.gather(*sends, return_exceptions=True)
            peer.on("GET", "/", OK)
            return [(await transport.send(get(peer), timeout=5)).status for _ in range(3)]

    assert run(body()) == [200, 200, 200]


def test_a_cancelled_exchange_runs_on_to_its_end(peer):
    peer.on("POST", "/", STALL)

    async def body():
        async with open_transport() as transport:
            task = asyncio.create_task(transport.send(get(peer, method="POST"), timeout=10))
            await asyncio.to_thread(peer.wait_for, 1, "POST", "/")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            (exchange,) = transport._running
            peer.release()
            assert (await exchange).status == 200

    run(body())


def test_a_request_cancelled_in_the_queue_is_never_sent(peer):
    peer.on("GET", "/", STALL).on("POST", "/", OK)

    async def body():
        async with open_transport(short=1) as transport:
            first = asyncio.create_task(transport.send(get(peer), timeout=10))
            await asyncio.to_thread(peer.wait_for, 1, "GET", "/")
            queued = asyncio.create_task(transport.send(get(peer, method="POST"), timeout=10))
            await SYSTEM_CLOCK.sleep(0.01)
            queued.cancel()
            peer.release()
            await first

    run(body())
    assert peer.calls("POST", "/") == []


def test_the_deadline_includes_the_queue_and_says_so(peer):
    peer.on("GET", "/", STALL)

    async def body():
        async with open_transport(short=2) as transport:
            began = SYSTEM_CLOCK.monotonic()
            held = [asyncio.create_task(transport.send(get(peer), timeout=3)) for _ in range(2)]
            await asyncio.to_thread(peer.wait_for, 2, "GET", "/")
            with pytest.raises(APITimeoutError, match="waiting for a free place") as caught:
                await transport.send(get(peer), timeout=0.3)
            assert SYSTEM_CLOCK.monotonic() - began < 2.0
            peer.release()
            await asyncio.gather(*held)
            return caught.value

    error = run(body())
    assert (error.sent, len(peer.seen)) == (False, 2)
    assert 0.25 < error.queued < 1.0


def test_time_in_the_queue_is_taken_from_the_exchange(peer):
    peer.on("GET", "/slow", STALL).on("GET", "/", STALL)

    async def body():
        async with open_transport(short=1) as transport:
            first = asyncio.create_task(transport.send(get(peer, "/slow"), timeout=0.4))
            await asyncio.to_thread(peer.wait_for, 1, "GET", "/slow")
            with pytest.raises(APITimeoutError) as caught:
                await transport.send(get(peer), timeout=0.7)
            assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], APITimeoutError)
            return caught.value

    began = SYSTEM_CLOCK.monotonic()
    error = run(body())
    assert SYSTEM_CLOCK.monotonic() - began < 1.5
    assert error.sent
    assert 0.3 < error.queued < 0.7
    peer.release()


def test_long_exchanges_never_take_short_places(peer, kind):
    peer.on("GET", "/long", STALL).on("GET", "/", OK)

    async def body():
        async with open_transport(**kind) as transport:
            polls = [asyncio.create_task(transport.send(get(peer, "/long", long=True), timeout=20)) for _ in range(70)]
            await asyncio.to_thread(peer.wait_for, 64, "GET", "/long")
            assert (await transport.send(get(peer), timeout=2)).status == 200
            assert len(peer.calls("GET", "/long")) == 64
            peer.release()
            await asyncio.gather(*polls)

    run(body())


def test_no_more_than_eight_short_exchanges_at_a_time(peer):
    peer.on("GET", "/", Answer(drip=0.0005))

    async def body():
        async with open_transport() as transport:
            await asyncio.gather(*(transport.send(get(peer), timeout=20) for _ in range(40)))

    run(body())
    assert peer.most_at_once <= 8
    assert max(seen.connection for seen in peer.seen) <= 8


def test_a_get_on_a_connection_that_had_died_is_repeated_at_once(peer, kind):
    peer.on("GET", "/", OK, DROP, OK)

    async def body():
        async with open_transport(**kind) as transport:
            return [(await transport.send(get(peer), timeout=5)).status for _ in range(2)]

    assert run(body()) == [200, 200]
    assert [(seen.connection, seen.turn) for seen in peer.seen] == [(1, 1), (1, 2), (2, 1)]


def test_a_post_on_a_connection_that_died_is_not_repeated(peer, kind):
    peer.on("GET", "/", OK).on("POST", "/", DROP, OK)

    async def body():
        async with open_transport(**kind) as transport:
            await transport.send(get(peer), timeout=5)
            with pytest.raises(APIConnectionError) as caught:
                await transport.send(get(peer, method="POST"), timeout=5)
            return caught.value

    assert run(body()).sent is True
    assert len(peer.calls("POST", "/")) == 1


def test_a_server_that_always_drops_is_not_hammered(peer):
    peer.on("GET", "/", OK, DROP)

    async def body():
        async with open_transport() as transport:
            await transport.send(get(peer), timeout=5)
            with pytest.raises(APIConnectionError):
                await transport.send(get(peer), timeout=5)

    run(body())
    assert len(peer.seen) == 3


def test_a_refused_connection_was_not_sent(peer, kind):
    peer.stop()

    async def body():
        async with open_transport(**kind) as transport:
            with pytest.raises(APIConnectionError) as caught:
                await transport.send(get(peer, "/p?q=1", method="POST"), timeout=5)
            return caught.value

    error = run(body())
    assert (type(error), error.sent, error.method, error.path) == (APIConnectionError, False, "POST", "/p")
    assert "within" not in str(error), "refused at once is no time that ran out"
    peer.start()


def test_a_silent_server_may_have_processed_the_request(peer, kind):
    peer.on("POST", "/", STALL)

    async def body():
        async with open_transport(**kind) as transport:
            with pytest.raises(APITimeoutError) as caught:
                await transport.send(get(peer, method="POST"), timeout=0.2)
            return caught.value

    assert run(body()).sent is True
    peer.release()


def test_closing_cancels_what_runs_and_tells_its_callers(peer, kind):
    peer.on("GET", "/", STALL)

    async def body():
        transport = HttpxTransport(short=1, **kind)
        calls = [asyncio.create_task(transport.send(get(peer), timeout=20)) for _ in range(3)]
        await asyncio.to_thread(peer.wait_for, 1, "GET", "/")
        await transport.aclose()
        errors = await asyncio.gather(*calls, return_exceptions=True)
        with pytest.raises(APIConnectionError, match="closed"):
            await transport.send(get(peer), timeout=1)
        assert len(asyncio.all_tasks()) == 1
        return errors

    for error in run(body()):
        assert isinstance(error, APIConnectionError)
        assert "closed" in str(error)
    peer.release()


def test_redirects_are_not_followed(peer, kind):
    peer.on("GET", "/", Answer(307, b"", {"location": f"{peer.url}/elsewhere"}))

    async def body():
        async with open_transport(**kind) as transport:
            return await transport.send(get(peer), timeout=5)

    assert run(body()).status == 307
    assert [seen.path for seen in peer.seen] == ["/"]


def test_no_proxy_of_the_environment_stands_before_this_machine(peer, kind, monkeypatch):
    peer.on("GET", "/", OK)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def body():
        async with open_transport(**kind) as transport:
            return await transport.send(get(peer), timeout=5)

    assert run(body()).status == 200


def test_a_proxy_of_the_environment_serves_other_hosts(peer, monkeypatch):
    peer.on("GET", "http://orchestrator.test/", OK)
    monkeypatch.setenv("http_proxy", peer.url)

    async def body():
        async with open_transport() as transport:
            await transport.send(Request(method="GET", url="http://orchestrator.test/x"), timeout=5)

    run(body())
    assert peer.seen[0].headers["host"] == "orchestrator.test"


def test_an_http_client_of_ones_own_is_used_and_left_open(peer):
    peer.on("GET", "/", OK)

    async def body():
        async with httpx.AsyncClient(headers={"x-mine": "yes"}) as mine:
            async with open_transport(http_client=mine) as transport:
                await transport.send(get(peer), timeout=5)
            assert not mine.is_closed
            assert (await mine.get(peer.url)).status_code == 200

    run(body())
    assert peer.seen[0].headers["x-mine"] == "yes"


def test_without_tls_no_certificates_are_loaded(peer, monkeypatch):
    peer.on("GET", "/", OK)

    def refuse(*args, **kwargs):
        raise AssertionError("certificates were loaded")

    monkeypatch.setattr(httpx, "create_ssl_context", refuse)

    async def body():
        async with open_transport() as transport:
            await transport.send(get(peer), timeout=5)

    run(body())


def test_a_pool_that_lost_its_places_is_replaced(peer, caplog):
    peer.on("GET", "/", OK)

    async def body():
        async with open_transport(short=2) as transport:
            await transport.send(get(peer), timeout=5)
            (pool,) = transport._lanes[False].pools()
            # What httpcore's pool looks like after its known leak: places taken by connections nobody uses.
            inner = pool._transport._pool
            for connection in inner.connections:
                await connection.aclose()
            stuck = [inner.create_connection(httpx_origin(peer)) for _ in range(2)]
            inner._connections[:] = stuck
            assert (await transport.send(get(peer), timeout=5)).status == 200
            inner._connections.clear()

    run(body())
    assert "is replaced" in caplog.text


def httpx_origin(peer: Peer):
    import httpcore

    return httpcore.URL(peer.url).origin
