"""WebSockets over the transport without a network."""

from __future__ import annotations

import asyncio

import pytest

from avtomatika_client.errors import APIConnectionError, APITimeoutError
from orchestrator_lite.testing._memory.transport import AsgiTransport
from tests.testing._asgi_apps import URL, opened, virtually


class Echo:
    """Accepts, sends frames back, and keeps how it ended."""

    def __init__(self) -> None:
        self.scope = {}
        self.end = {}

    async def __call__(self, scope, receive, send):
        self.scope = scope
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        self.end = message


def scripted(*messages):
    async def app(scope, receive, send):
        await receive()
        for message in messages:
            await send(message)

    return app


def test_frames_go_both_ways():
    app = Echo()

    async def body(clock):
        async with opened(app, clock) as transport:
            socket = await transport.connect(URL + "/ws/w%201?a=b", headers={"X-Worker-Token": "t"}, timeout=5)
            await socket.send("приве́т")
            await socket.send("2")
            assert [await socket.recv(), await socket.recv()] == ["приве́т", "2"]
            await socket.close()
            await socket.close()
            with pytest.raises(APIConnectionError, match="the WebSocket is closed"):
                await socket.send("3")
            with pytest.raises(APIConnectionError, match="the WebSocket is closed: sent 1000"):
                await socket.recv()

    virtually(body)
    assert (app.scope["scheme"], app.scope["path"], app.scope["query_string"]) == ("ws", "/ws/w 1", b"a=b")
    headers = dict(app.scope["headers"])
    assert (headers[b"host"], headers[b"x-worker-token"], headers[b"upgrade"]) == (
        b"127.0.0.1:8080",
        b"t",
        b"websocket",
    )
    assert (app.end["type"], app.end["code"]) == ("websocket.disconnect", 1000)


def test_iterating_ends_without_an_error_when_the_application_closes():
    frames = [{"type": "websocket.send", "text": "1"}, {"type": "websocket.send", "bytes": b"2"}]
    app = scripted({"type": "websocket.accept"}, *frames, {"type": "websocket.close", "code": 4409, "reason": "newer"})

    async def body(clock):
        async with opened(app, clock) as transport:
            socket = await transport.connect(URL, headers={}, timeout=5)
            assert [frame async for frame in socket] == ["1", "2"]
            with pytest.raises(APIConnectionError, match="the WebSocket is closed: received 4409 newer"):
                await socket.recv()

    virtually(body)


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        (
            [
                {"type": "websocket.http.response.start", "status": 429, "headers": []},
                {"type": "websocket.http.response.body", "body": b"{}"},
            ],
            429,
        ),
        ([{"type": "websocket.close"}], 403),
        ([], 500),
        ([{"type": "websocket.send", "text": "too early"}], 500),
    ],
)
def test_a_refusal_tells_its_status(messages, status):
    async def body(clock):
        async with opened(scripted(*messages), clock) as transport:
            with pytest.raises(APIConnectionError, match=f"refused the WebSocket with status {status}") as caught:
                await transport.connect(URL + "/ws", headers={}, timeout=5)
            assert (caught.value.status, caught.value.path) == (status, "/ws")

    virtually(body)


def test_a_handshake_takes_no_longer_than_it_may():
    ended = []

    async def app(scope, receive, send):
        await receive()
        ended.append(await receive())

    async def body(clock):
        async with opened(app, clock) as transport:
            with pytest.raises(APITimeoutError, match=r"no WebSocket within 5.000 s"):
                await transport.connect(URL, headers={}, timeout=5)
            assert clock.elapsed == pytest.approx(5)

    virtually(body)
    assert [message["type"] for message in ended] == ["websocket.disconnect"]


def test_a_cancelled_handshake_hangs_up():
    async def body(clock):
        inside, ended = asyncio.Event(), asyncio.Event()

        async def app(scope, receive, send):
            await receive()
            inside.set()
            await receive()
            ended.set()

        async with opened(app, clock) as transport:
            opening = asyncio.create_task(transport.connect(URL, headers={}, timeout=5))
            await inside.wait()
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            await ended.wait()

    virtually(body)


def test_what_the_application_sends_to_a_client_that_is_gone_raises_an_os_error():
    caught = []

    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        try:
            await send({"type": "websocket.send", "text": "anybody?"})
        except OSError as error:
            caught.append(type(error).__name__)
            raise

    async def body(clock):
        async with opened(app, clock) as transport:
            await (await transport.connect(URL, headers={}, timeout=5)).close()

    virtually(body)
    assert caught == ["ClientGoneError"]


@pytest.mark.parametrize("failing", [True, False])
def test_a_socket_whose_application_ends_is_lost(failing, caplog):
    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        if failing:
            raise LookupError("deep inside")

    async def body(clock):
        async with opened(app, clock) as transport:
            socket = await transport.connect(URL, headers={}, timeout=5)
            with pytest.raises(APIConnectionError, match=r"closed: no close frame received or sent \(1006\)"):
                await socket.recv()

    virtually(body)
    assert ("deep inside" in caplog.text) == failing


def test_frames_may_be_large_but_not_without_bound():
    async def body(clock):
        async with opened(app := Echo(), clock) as transport:
            socket = await transport.connect(URL, headers={}, timeout=5)
            await socket.send("x" * (15 * 1024 * 1024))
            assert len(await socket.recv()) == 15 * 1024 * 1024
            await socket.send("я" * (9 * 1024 * 1024))
            with pytest.raises(APIConnectionError, match="1009"):
                await socket.recv()
        assert app.end["code"] == 1009

    virtually(body)


def test_a_cancelled_wait_for_a_frame_loses_none():
    async def body(clock):
        async with opened(Echo(), clock) as transport:
            socket = await transport.connect(URL, headers={}, timeout=5)
            waiting = asyncio.create_task(socket.recv())
            await clock.sleep(1)
            await socket.send("1")
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert await socket.recv() == "1"

    virtually(body)


def test_closing_the_transport_ends_open_sockets_and_leaves_nothing_behind():
    async def body(clock):
        transport = AsgiTransport(app := Echo(), clock)
        socket = await transport.connect(URL, headers={}, timeout=5)
        reading = asyncio.create_task(_all(socket))
        await clock.sleep(1)
        await transport.aclose()
        assert await reading == []
        assert app.end["type"] == "websocket.disconnect"
        with pytest.raises(APIConnectionError, match="this client is closed"):
            await transport.connect(URL, headers={}, timeout=5)

    virtually(body)


def test_giving_up_raises_in_whoever_waits_for_a_frame():
    async def body(clock):
        async with opened(Echo(), clock) as transport:
            socket = await transport.connect(URL, headers={}, timeout=5)
            reading = asyncio.create_task(_all(socket))
            await clock.sleep(1)
            assert transport.give_up(LookupError("it can never end")) == 1
            with pytest.raises(LookupError, match="it can never end"):
                await reading

    virtually(body)


async def _all(socket):
    return [frame async for frame in socket]
