"""Every fault, by count and route, and what is told of those that did not strike."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from avtomatika_client.errors import APIConnectionError, APITimeoutError
from orchestrator_lite.testing._faults.faults import Faults
from tests.testing._asgi_apps import URL, Held, Recording, get, opened, post, virtually


@contextlib.asynccontextmanager
async def faulty(clock, app=None):
    faults = Faults()
    async with opened(app or Recording(), clock, faults=faults) as transport:
        yield faults, transport


def test_a_dropped_request_never_arrives_and_may_have_been_sent():
    app = Recording()

    async def body(clock):
        async with faulty(clock, app) as (faults, transport):
            faults.drop_request("POST /x")
            assert (await transport.send(post("/y"), timeout=5)).status == 200
            with pytest.raises(APIConnectionError, match="POST /x: the connection was closed") as caught:
                await transport.send(post("/x"), timeout=5)
            assert caught.value.sent
            assert not isinstance(caught.value, APITimeoutError)
            assert (await transport.send(post("/x"), timeout=5)).status == 200
            assert faults.unused() == []

    virtually(body)
    assert app.asked == ["POST /y", "POST /x"]


def test_a_dropped_response_is_lost_after_the_application_has_done_all():
    app = Recording()

    async def body(clock):
        async with faulty(clock, app) as (faults, transport):
            faults.drop_response(times=2)
            for _ in range(2):
                with pytest.raises(APIConnectionError, match="closed before the reply came") as caught:
                    await transport.send(post(), timeout=5)
                assert caught.value.sent
            assert (await transport.send(post(), timeout=5)).status == 200

    virtually(body)
    assert app.ended == 3


def test_a_lost_response_writes_nothing_into_the_callers_sink():
    class Untouched:
        def begin(self, headers):
            raise AssertionError

        def write(self, chunk):
            raise AssertionError

    async def body(clock):
        async with faulty(clock) as (faults, transport):
            faults.drop_response()
            with pytest.raises(APIConnectionError, match="closed before the reply came"):
                await transport.send(get(sink=Untouched()), timeout=5)

    virtually(body)


def test_a_delayed_request_arrives_later_by_the_clock():
    async def body(clock):
        async with faulty(clock) as (faults, transport):
            faults.delay(2.5, "/slow")
            await transport.send(get("/slow"), timeout=5)
            assert clock.elapsed == pytest.approx(2.5)
            await transport.send(get("/slow"), timeout=5)
            assert clock.elapsed == pytest.approx(2.5)

    virtually(body)


def test_a_request_delayed_beyond_its_callers_patience_arrives_all_the_same():
    app = Recording()

    async def body(clock):
        async with faulty(clock, app) as (faults, transport):
            faults.delay(20)
            with pytest.raises(APITimeoutError):
                await transport.send(post(), timeout=5)
            assert app.ended == 0
            await clock.advance(20)
            assert app.ended == 1

    virtually(body)
    assert app.bodies == [b"{}"]


def test_a_duplicated_request_arrives_twice_and_the_second_reply_is_seen():
    count = iter(range(10))
    app = Recording(lambda scope: (200, str(next(count)).encode()))

    async def body(clock):
        async with faulty(clock, app) as (faults, transport):
            faults.duplicate("POST /x")
            assert (await transport.send(post("/x"), timeout=5)).content == b"1"
            assert (await transport.send(post("/x"), timeout=5)).content == b"2"

    virtually(body)
    assert (app.ended, app.bodies) == (3, [b"{}"] * 3)


def test_both_of_a_duplicated_poll_run_to_their_end_and_see_the_hang_up():
    async def body(clock):
        app = Held()
        async with faulty(clock, app) as (faults, transport):
            faults.duplicate()
            with pytest.raises(APITimeoutError):
                await transport.send(get(long=True), timeout=5)
        assert sorted(app.seen) == ["end", "end", "http.disconnect", "http.disconnect"]

    virtually(body)


def test_a_duplicated_upload_is_read_twice_in_turn():
    reading = []

    class Source:
        size = 2

        def chunks(self):
            assert reading == [], "two readers at once"
            reading.append(True)
            yield b"ab"
            reading.clear()

    app = Recording()

    async def body(clock):
        async with faulty(clock, app) as (faults, transport):
            faults.duplicate()
            assert (await transport.send(post(content=None, upload=Source()), timeout=5)).status == 200

    virtually(body)
    assert app.bodies == [b"ab", b"ab"]


def test_a_status_is_answered_in_the_servers_place_in_its_envelope():
    app = Recording()

    async def body(clock):
        async with faulty(clock, app) as (faults, transport):
            faults.status(503, "/x", times=2, retry_after=1.5)
            faults.status(599, "/y")
            for _ in range(2):
                reply = await transport.send(get("/x"), timeout=5)
                assert (reply.status, reply.headers["retry-after"]) == (503, "1.5")
                assert json.loads(reply.content) == {"error": "Service Unavailable (a fault set by the test)"}
                assert reply.headers["content-type"] == "application/json"
            assert (await transport.send(get("/x"), timeout=5)).status == 200
            reply = await transport.send(get("/y"), timeout=5)
            assert (reply.status, "retry-after" in reply.headers) == (599, False)

    virtually(body)
    assert app.asked == ["GET /x"]


def test_faults_of_one_route_strike_in_the_order_they_were_set():
    async def body(clock):
        async with faulty(clock) as (faults, transport):
            faults.status(503, "/x", times=2)
            faults.drop_response("/x")
            faults.status(429)
            said = []
            for _ in range(5):
                try:
                    said.append((await transport.send(get("/x"), timeout=5)).status)
                except APIConnectionError:
                    said.append("lost")
            assert said == [503, 503, "lost", 429, 200]
            assert faults.spent == 4

    virtually(body)


def test_delays_add_up_with_what_follows_them():
    async def body(clock):
        async with faulty(clock) as (faults, transport):
            faults.delay(1, times=None)
            faults.delay(2)
            faults.status(503)
            assert (await transport.send(get(), timeout=5)).status == 503
            assert clock.elapsed == pytest.approx(3)
            assert (await transport.send(get(), timeout=5)).status == 200
            assert clock.elapsed == pytest.approx(4)

    virtually(body)


def test_times_none_strikes_until_it_is_removed():
    async def body(clock):
        async with faulty(clock) as (faults, transport):
            with faults.status(503, times=None) as outage:
                assert [(await transport.send(get(), timeout=5)).status for _ in range(5)] == [503] * 5
            assert (await transport.send(get(), timeout=5)).status == 200
            assert (outage.struck, outage.asked, faults.unused(), faults.spent) == (5, 6, [], 0)
            faults.status(503, times=None)
            faults.clear()
            assert (await transport.send(get(), timeout=5)).status == 200

    virtually(body)


@pytest.mark.parametrize(
    ("route", "struck"),
    [
        ("*", ["GET /a", "POST /a/b", "POST /a/b/c"]),
        ("POST *", ["POST /a/b", "POST /a/b/c"]),
        ("post /a/*", ["POST /a/b", "POST /a/b/c"]),
        ("/a/{name}", ["POST /a/b"]),
        ("/a/{x}/{y}", ["POST /a/b/c"]),
        ("/a/*/c", ["POST /a/b/c"]),
        ("/a.*", []),
        ("/a", ["GET /a"]),
        ("POST /a", []),
    ],
)
def test_a_route_names_method_and_path(route, struck):
    async def body(clock):
        async with faulty(clock) as (faults, transport):
            faults.status(503, route, times=None)
            replies = {
                f"{request.method} {path}": (await transport.send(request, timeout=5)).status
                for request, path in [(get("/a?b=/a/b"), "/a"), (post("/%61/b"), "/a/b"), (post("/a/b/c"), "/a/b/c")]
            }
            assert [name for name, status in replies.items() if status == 503] == struck

    virtually(body)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        (lambda faults: faults.drop_request(times=0), "times 0: a whole number from 1, or None for always"),
        (lambda faults: faults.drop_response(times=-1), "times -1: a whole number"),
        (lambda faults: faults.duplicate(times=True), "times True: a whole number"),
        (lambda faults: faults.close_websocket(times=1.5), "times 1.5: a whole number"),
        (lambda faults: faults.delay(-1), "seconds -1: a number of seconds from 0"),
        (lambda faults: faults.delay(float("nan")), "seconds nan: a number of seconds from 0"),
        (lambda faults: faults.delay("/x"), "seconds '/x': a number of seconds from 0"),
        (lambda faults: faults.status(99), "code 99: an HTTP status is a whole number from 100 to 599"),
        (lambda faults: faults.status("503"), "code '503': an HTTP status"),
        (lambda faults: faults.status(503, retry_after=-1), "retry_after -1: a number of seconds from 0"),
        (lambda faults: faults.drop_request("jobs"), """route 'jobs': write "METHOD /path", "/path" or "*" """),
        (lambda faults: faults.drop_request("FETCH /x"), "route 'FETCH /x': write"),
        (lambda faults: faults.drop_request(2), "route 2: write"),
        (lambda faults: faults.drop_request("/x?y=1"), "route '/x?y=1': a route has no query"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(setting, says):
    faults = Faults()
    with pytest.raises(ValueError) as caught:
        setting(faults)
    assert str(caught.value).startswith(says.rstrip())
    assert "\n" not in str(caught.value)
    assert faults.unused() == []


def test_unused_faults_are_told_with_what_was_asked_and_where_they_were_set():
    async def body(clock):
        async with faulty(clock) as (faults, transport):
            faults.drop_response("POST /_worker/tasks/result", times=2)
            faults.drop_request("POST /_worker/task/result", times=None)
            faults.status(503, "GET /nobody", retry_after=2)
            faults.delay(2.5, "POST /*", times=3)
            faults.duplicate("POST /_worker/tasks/result")
            faults.close_websocket()
            with contextlib.suppress(APIConnectionError):
                await transport.send(post("/_worker/tasks/result"), timeout=5)
            return faults.unused()

    lines = virtually(body)
    never = "struck 0 times: the route was never asked"
    beaten = "struck 0 times: the route was asked once, but faults set earlier struck there"
    assert [line.rpartition(" (set at ")[0] for line in lines] == [
        'drop_response("POST /_worker/tasks/result", times=2) struck 1 time: the route was asked only once',
        f'drop_request("POST /_worker/task/result", times=None) {never}; POST /_worker/tasks/result was',
        f'status(503, "GET /nobody", retry_after=2) {never}',
        f'delay(2.5, "POST /*", times=3) {beaten}',
        f'duplicate("POST /_worker/tasks/result") {beaten}',
        "close_websocket() struck 0 times: no WebSocket was opened on the route",
    ]
    places = [line.rpartition(" (set at ")[2] for line in lines]
    first = int(places[0].rstrip(")").rpartition(":")[2])
    assert [place.replace("\\", "/").rpartition("tests/")[2] for place in places] == [
        f"testing/test_faults.py:{first + offset})" for offset in range(6)
    ]


async def listening(scope, receive, send):
    """Accepts, sends one frame, and reports how it ended."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "hello"})
    while (message := await receive())["type"] != "websocket.disconnect":
        pass
    ENDED.append((scope["path"], message["code"]))


ENDED: list[tuple[str, int]] = []


def test_close_websocket_breaks_the_socket_that_is_open():
    ENDED.clear()

    async def body(clock):
        async with faulty(clock, listening) as (faults, transport):
            first = await transport.connect(URL + "/ws/1", headers={}, timeout=5)
            other = await transport.connect(URL + "/other", headers={}, timeout=5)
            second = await transport.connect(URL + "/ws/2", headers={}, timeout=5)
            await first.recv()
            reading = asyncio.create_task(first.recv())
            await clock.sleep(1)
            faults.close_websocket("/ws/*")
            with pytest.raises(APIConnectionError, match="1006"):
                await reading
            for socket in (other, second):
                assert await socket.recv() == "hello"
                await socket.send("still open")
            await clock.sleep(1)
            assert ENDED == [("/ws/1", 1006)]
            assert faults.unused() == []

    virtually(body)


def test_close_websocket_breaks_the_next_one_when_none_is_open():
    ENDED.clear()

    async def body(clock):
        async with faulty(clock, listening) as (faults, transport):
            await (await transport.connect(URL + "/ws/0", headers={}, timeout=5)).close()
            faults.close_websocket("GET /ws/{id}", times=2)
            for number in (1, 2):
                broken = await transport.connect(f"{URL}/ws/{number}", headers={}, timeout=5)
                assert [frame async for frame in broken] in ([], ["hello"])
                with pytest.raises(APIConnectionError, match="1006"):
                    await broken.send("x")
            whole = await transport.connect(URL + "/ws/3", headers={}, timeout=5)
            assert await whole.recv() == "hello"
            await clock.sleep(1)
            assert ENDED == [("/ws/0", 1000), ("/ws/1", 1006), ("/ws/2", 1006)]

    virtually(body)


def test_a_close_websocket_that_found_too_few_tells_so():
    async def body(clock):
        async with faulty(clock, listening) as (faults, transport):
            await transport.connect(URL, headers={}, timeout=5)
            faults.close_websocket(times=2)
            return faults.unused()

    (line,) = virtually(body)
    assert line.startswith("close_websocket(times=2) struck 1 time: a WebSocket was opened only once (set at ")


def test_opening_a_websocket_meets_delays_refusals_and_lost_requests_but_no_http_faults():
    async def body(clock):
        async with faulty(clock, listening) as (faults, transport):
            faults.duplicate()
            faults.drop_response()
            faults.status(503)
            with pytest.raises(APIConnectionError) as caught:
                await transport.connect(URL + "/ws", headers={}, timeout=5)
            assert caught.value.status == 503
            faults.drop_request("GET /ws")
            with pytest.raises(APIConnectionError, match="no WebSocket: the connection was lost") as caught:
                await transport.connect(URL + "/ws", headers={}, timeout=5)
            assert caught.value.status is None
            faults.delay(3)
            await transport.connect(URL + "/ws", headers={}, timeout=5)
            assert clock.elapsed == pytest.approx(3)
            return faults.unused()

    assert [line.partition(":")[0] for line in virtually(body)] == [
        "duplicate() struck 0 times",
        "drop_response() struck 0 times",
    ]
