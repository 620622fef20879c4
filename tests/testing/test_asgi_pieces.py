"""Bodies in pieces over the transport without a network: streamed both ways, with back pressure, and stalls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from avtomatika_client.errors import APIConnectionError, APITimeoutError
from tests.testing._asgi_apps import get, opened, post, read, respond, virtually


@dataclass
class Source:
    pieces: list[bytes]
    size: int | None = None
    taken: int = 0
    threads: set[int] = field(default_factory=set)

    def chunks(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.taken += 1
            self.threads.add(threading.get_ident())
            if piece == b"broken":
                raise OSError("the disk is gone")
            yield piece


class Collected:
    def __init__(self, on_write=lambda chunk: None) -> None:
        self.begun: list[dict[str, str]] = []
        self.pieces: list[bytes] = []
        self.on_write = on_write

    def begin(self, headers):
        self.begun.append(dict(headers))
        self.pieces.clear()

    def write(self, chunk):
        self.on_write(chunk)
        self.pieces.append(chunk)


def test_the_first_event_is_seen_before_the_application_ends():
    async def body(clock):
        seen = asyncio.Event()
        loop = asyncio.get_running_loop()
        sink = Collected(lambda chunk: loop.call_soon_threadsafe(seen.set))

        async def app(scope, receive, send):
            await read(receive)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            await seen.wait()
            await send({"type": "http.response.body", "body": b"data: 2\n\n", "more_body": False})

        async with opened(app, clock) as transport:
            reply = await transport.send(get(sink=sink, long=True), timeout=5)
        assert (reply.status, reply.content) == (200, b"")
        assert sink.begun == [{"transfer-encoding": "chunked"}]
        assert b"".join(sink.pieces) == b"data: 1\n\ndata: 2\n\n"

    virtually(body)


def test_a_reply_that_is_no_success_is_read_whole_past_the_sink():
    async def app(scope, receive, send):
        await respond(send, 404, b"{}")

    async def body(clock):
        sink = Collected()
        async with opened(app, clock) as transport:
            reply = await transport.send(get(sink=sink), timeout=5)
        assert (reply.status, reply.content, sink.begun) == (404, b"{}", [])

    virtually(body)


@pytest.mark.parametrize("size", [None, 30])
def test_an_upload_is_read_on_a_thread_and_only_as_fast_as_the_application_takes_it(size):
    async def body(clock):
        source = Source([b"0123456789"] * 3, size)
        took = []

        async def app(scope, receive, send):
            while True:
                message = await receive()
                took.append((len(message["body"]), source.taken))
                if not message["more_body"]:
                    break
            await respond(send, body=str(dict(scope["headers"])).encode())

        async with opened(app, clock) as transport:
            reply = await transport.send(post(content=None, upload=source), timeout=5)
        assert took == [(10, 1), (10, 2), (10, 3), (0, 3)]
        assert (b"content-length" in reply.content, b"chunked" in reply.content) == (bool(size), not size)
        assert threading.get_ident() not in source.threads

    virtually(body)


def test_an_application_that_answers_early_ends_the_upload():
    async def app(scope, receive, send):
        await receive()
        await respond(send, 413)
        assert (await receive())["type"] == "http.disconnect"

    async def body(clock):
        source = Source([b"x"] * 100)
        async with opened(app, clock) as transport:
            assert (await transport.send(post(content=None, upload=source), timeout=5)).status == 413
        assert source.taken == 1

    virtually(body)


@pytest.mark.parametrize("size", [1, 100])
def test_an_upload_of_another_length_than_it_said_breaks_the_connection(size):
    ended = []

    async def app(scope, receive, send):
        ended.append(await read(receive))

    async def body(clock):
        async with opened(app, clock) as transport:
            with pytest.raises(APIConnectionError, match="POST /: the upload is not as long as it said it was"):
                await transport.send(post(content=None, upload=Source([b"ab", b"cd"], size)), timeout=5)

    virtually(body)
    assert ended == [None]


def test_what_goes_wrong_with_the_callers_file_is_raised_as_it_is():
    ended = []

    async def taking(scope, receive, send):
        ended.append(await read(receive))

    async def giving(scope, receive, send):
        await respond(send)

    def full(chunk):
        raise OSError("no space left")

    async def body(clock):
        async with opened(taking, clock) as transport:
            with pytest.raises(OSError, match="the disk is gone"):
                await transport.send(post(content=None, upload=Source([b"x", b"broken"])), timeout=5)
        async with opened(giving, clock) as transport:
            with pytest.raises(OSError, match="no space left"):
                await transport.send(get(sink=Collected(full)), timeout=5)

    virtually(body)
    assert ended == [None]


def test_time_stands_still_while_a_piece_is_read():
    go = threading.Event()

    class Slow(Source):
        def chunks(self):
            assert go.wait(5)
            yield from super().chunks()

    async def app(scope, receive, send):
        await read(receive)
        await respond(send)

    async def body(clock):
        async with opened(app, clock) as transport:
            call = asyncio.create_task(transport.send(post(content=None, upload=Slow([b"x"])), timeout=1))
            threading.Timer(0.1, go.set).start()
            assert (await call).status == 200
            assert clock.elapsed < 1

    virtually(body)


def test_a_cancelled_caller_has_its_file_back_at_once_and_the_application_is_told():
    writing, go = threading.Event(), threading.Event()

    def slow(chunk):
        writing.set()
        assert go.wait(5)

    async def body(clock):
        told = asyncio.Event()

        async def app(scope, receive, send):
            await read(receive)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"1", "more_body": True})
            await send({"type": "http.response.body", "body": b"2", "more_body": True})
            assert (await receive())["type"] == "http.disconnect"
            told.set()

        sink = Collected(slow)
        async with opened(app, clock) as transport:
            call = asyncio.create_task(transport.send(get(sink=sink), timeout=60))
            assert await asyncio.to_thread(writing.wait, 5)
            call.cancel()
            threading.Timer(0.1, go.set).start()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert sink.pieces == [b"1"]
            await told.wait()
        assert sink.pieces == [b"1"]

    virtually(body)


def test_a_stream_fails_when_no_byte_has_passed_for_the_stall():
    async def body(clock):
        async def app(scope, receive, send):
            await read(receive)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for pause in (9, 9, 11):
                await clock.sleep(pause)
                await send({"type": "http.response.body", "body": b"x", "more_body": True})

        sink = Collected()
        async with opened(app, clock) as transport:
            with pytest.raises(APITimeoutError, match="not a byte went through for 10 s"):
                await transport.send(get(sink=sink, stall=10), timeout=None)
            assert clock.elapsed == pytest.approx(28)
            assert sink.pieces == [b"x", b"x"]

    virtually(body)


def test_a_stall_does_not_end_what_moves():
    async def body(clock):
        async def app(scope, receive, send):
            while (await receive())["more_body"]:
                await clock.sleep(9)
            await respond(send)

        async with opened(app, clock) as transport:
            upload = Source([b"x"] * 20)
            assert (await transport.send(post(content=None, upload=upload, stall=10), timeout=None)).status == 200

    virtually(body)


def test_a_source_that_gives_nothing_is_left_behind_when_the_caller_leaves():
    go, reading = threading.Event(), threading.Event()

    class Stuck(Source):
        def chunks(self):
            reading.set()
            assert go.wait(5)
            yield b""

    ended = []

    async def app(scope, receive, send):
        ended.append(await read(receive))

    async def body(clock):
        async with opened(app, clock) as transport:
            call = asyncio.create_task(transport.send(post(content=None, upload=Stuck([])), timeout=None))
            await asyncio.to_thread(reading.wait, 5)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert ended == [None]

    try:
        virtually(body)
    finally:
        go.set()
