"""Bodies in pieces: flat memory, back pressure, deadlines, early answers; over every transport."""

from __future__ import annotations

import asyncio
import resource
import threading
import tracemalloc
from dataclasses import dataclass, field
from typing import Any

import pytest

from avtomatika_client._calls._flow import Request
from avtomatika_client._transport import HttpxSyncTransport, HttpxTransport
from avtomatika_client.errors import APIConnectionError, APITimeoutError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock
from tests.client._file_peer import FilePeer, Talk
from tests.conftest import run

MIB = 1024 * 1024


@pytest.fixture
def peer():
    with FilePeer() as running:
        yield running


@pytest.fixture(params=["sync", "httpx", "aiohttp"])
def send(request):
    """Exchanges one request over one of the transports."""
    if request.param == "sync":
        transport: Any = HttpxSyncTransport()
        yield transport.send
        transport.close()
        return
    with asyncio.Runner() as runner:
        transport = HttpxTransport(fast=request.param == "aiohttp")
        yield lambda request, *, timeout: runner.run(transport.send(request, timeout=timeout))
        runner.run(transport.aclose())


@dataclass
class Pieces:
    """An upload of so many pieces of one size."""

    count: int
    piece: bytes = b"x" * MIB
    known: bool = True
    asked: int = 0
    tries: int = 0
    closed: int = 0

    @property
    def size(self) -> int | None:
        return self.count * len(self.piece) if self.known else None

    def chunks(self):
        self.tries += 1
        try:
            for _ in range(self.count):
                self.asked += 1
                yield self.piece
        finally:
            self.closed += 1


@dataclass
class Counting:
    """A sink that keeps nothing but the count."""

    begun: list[dict[str, str]] = field(default_factory=list)
    received: int = 0
    threads: set[str] = field(default_factory=set)

    def begin(self, headers):
        self.begun.append(dict(headers))
        self.received = 0

    def write(self, chunk):
        self.threads.add(threading.current_thread().name)
        self.received += len(chunk)


def put(peer: FilePeer, upload: Pieces, **options: Any) -> Request:
    return Request(method="PUT", url=f"{peer.url}/file", upload=upload, long=True, **options)


def get(peer: FilePeer, sink: Counting, **options: Any) -> Request:
    return Request(method="GET", url=f"{peer.url}/file", sink=sink, long=True, **options)


async def take(talk: Talk) -> None:
    async for _ in talk.pieces():
        pass
    await talk.json(200, f'{{"received": {talk.received}}}')


def giving(count: int, piece: bytes = b"y" * MIB):
    async def give(talk: Talk) -> None:
        await talk.head(200, content_length=str(count * len(piece)), etag='"v1"')
        for _ in range(count):
            talk.writer.write(piece)
            await talk.writer.drain()

    return give


@pytest.mark.parametrize("known", [True, False], ids=["of known size", "of unknown size"])
def test_an_upload_arrives_whole(peer, send, known):
    peer.on("PUT", "/file", take)
    upload = Pieces(5, b"abc" * 50_000, known=known)
    assert send(put(peer, upload), timeout=10).content == b'{"received": 750000}'
    (talk,) = peer.seen
    assert (talk.headers.get("content-length") == "750000") is known
    assert (talk.headers.get("transfer-encoding") == "chunked") is not known
    assert (upload.tries, upload.closed) == (1, 1)


def test_an_empty_upload_arrives(peer, send):
    peer.on("PUT", "/file", take)
    assert send(put(peer, Pieces(0)), timeout=10).content == b'{"received": 0}'


def test_a_download_goes_into_its_sink(peer, send):
    peer.on("GET", "/file", giving(3))
    sink = Counting()
    reply = send(get(peer, sink), timeout=10)
    assert (reply.status, reply.content, reply.headers["etag"]) == (200, b"", '"v1"')
    assert sink.received == 3 * MIB
    assert sink.begun[0]["content-length"] == str(3 * MIB)


def test_an_error_is_no_body_for_the_sink(peer, send):
    peer.on("GET", "/file", lambda talk: talk.json(404, '{"error": "gone"}'))
    sink = Counting()
    reply = send(get(peer, sink), timeout=10)
    assert (reply.status, reply.content, sink.begun) == (404, b'{"error": "gone"}', [])


@pytest.mark.parametrize("way", ["up", "down"])
def test_memory_stays_flat(peer, send, way):
    peer.on("PUT", "/file", take).on("GET", "/file", giving(64))
    upload, sink = Pieces(64), Counting()
    request = put(peer, upload) if way == "up" else get(peer, sink)
    send(request, timeout=20)
    tracemalloc.start()
    try:
        send(request, timeout=20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB  # of 64


def test_a_server_that_reads_slowly_is_sent_no_more_than_it_takes(peer, send):
    async def wait(talk: Talk) -> None:
        await peer.released.wait()
        await take(talk)

    peer.on("PUT", "/file", wait)
    upload = Pieces(200)
    threading.Timer(0.5, peer.release).start()
    began = SYSTEM_CLOCK.monotonic()

    def look() -> None:
        looked.append(upload.asked)

    looked: list[int] = []
    threading.Timer(0.4, look).start()
    assert send(put(peer, upload), timeout=20).status == 200
    assert SYSTEM_CLOCK.monotonic() - began >= 0.5
    assert looked[0] < 50  # what the machine's buffers hold


@pytest.mark.parametrize("reads", [True, False], ids=["reads on", "reads no more"])
@pytest.mark.parametrize("status", [413, 401])
def test_an_early_refusal_is_the_answer(peer, send, status, reads):
    async def refuse(talk: Talk) -> None:
        await talk.json(status, '{"error": "no"}')
        if reads:
            async for _ in talk.pieces():
                pass
        else:
            await peer.released.wait()

    peer.on("PUT", "/file", refuse)
    upload = Pieces(2000)
    reply = send(put(peer, upload, stall=1.0), timeout=30)
    assert (reply.status, reply.content) == (status, b'{"error": "no"}')
    assert upload.asked < 1000
    assert upload.closed == 1


def test_a_refusal_whose_connection_is_closed_is_the_answer(peer, send):
    async def refuse(talk: Talk) -> bool:
        async for _ in talk.pieces():
            if talk.received > MIB:
                break
        await talk.json(413, '{"error": "too large"}', connection="close")
        talk.writer.write_eof()
        await peer.released.wait()
        return False

    peer.on("PUT", "/file", refuse)
    reply = send(put(peer, Pieces(500), stall=2.0), timeout=30)
    assert reply.status == 413


def test_after_an_early_refusal_the_next_exchange_is_sound(peer, send):
    async def refuse(talk: Talk) -> None:
        await talk.json(413, "{}")
        await take(talk)

    peer.on("PUT", "/file", refuse)
    for _ in range(3):
        assert send(put(peer, Pieces(300)), timeout=10).status == 413
    peer.on("PUT", "/file", take)
    assert send(put(peer, Pieces(3)), timeout=10).content == f'{{"received": {3 * MIB}}}'.encode()


@pytest.mark.parametrize("way", ["up", "down", "answer"])
def test_a_transfer_that_stands_still_fails_after_its_stall(peer, send, way):
    async def still(talk: Talk) -> None:
        if way == "answer":
            await talk.body()
        if way == "down":
            await talk.head(200, content_length="100")
            talk.writer.write(b"1")
        await peer.released.wait()

    peer.on("PUT", "/file", still).on("GET", "/file", still)
    small = Pieces(1, b"x")
    request = (
        get(peer, Counting(), stall=0.3)
        if way == "down"
        else put(peer, small if way == "answer" else Pieces(500), stall=0.3)
    )
    began = SYSTEM_CLOCK.monotonic()
    with pytest.raises(APITimeoutError, match=r"not a byte went through for 0\.3 s") as caught:
        send(request, timeout=None)
    assert SYSTEM_CLOCK.monotonic() - began < 3
    assert caught.value.sent


def test_a_transfer_that_goes_on_slowly_outlives_its_stall(peer, send):
    async def drip(talk: Talk) -> None:
        await talk.head(200, content_length="8")
        for _ in range(8):
            await SYSTEM_CLOCK.sleep(0.1)
            talk.writer.write(b"1")
            await talk.writer.drain()

    peer.on("GET", "/file", drip)
    sink = Counting()
    assert send(get(peer, sink, stall=0.4), timeout=None).status == 200
    assert sink.received == 8


@pytest.mark.parametrize("way", ["up", "down"])
def test_the_deadline_is_total(peer, send, way):
    async def drip(talk: Talk) -> None:
        await talk.head(200, content_length="8000")
        while True:
            await SYSTEM_CLOCK.sleep(0.05)
            talk.writer.write(b"1")
            await talk.writer.drain()

    async def sip(talk: Talk) -> None:
        async for _ in talk.pieces():
            await SYSTEM_CLOCK.sleep(0.05)

    peer.on("GET", "/file", drip).on("PUT", "/file", sip)
    request = get(peer, Counting(), stall=5) if way == "down" else put(peer, Pieces(500), stall=5)
    began = SYSTEM_CLOCK.monotonic()
    with pytest.raises(APITimeoutError, match=r"no reply within 0\.500 s"):
        send(request, timeout=0.5)
    assert SYSTEM_CLOCK.monotonic() - began < 3


def test_a_body_that_breaks_off_is_a_lost_connection(peer, send):
    async def cut(talk: Talk) -> bool:
        await talk.head(200, content_length="100")
        talk.writer.write(b"half")
        return False

    peer.on("GET", "/file", cut)
    with pytest.raises(APIConnectionError):
        send(get(peer, Counting()), timeout=5)


@pytest.mark.parametrize("error", [OSError("disk on fire"), TimeoutError("share is gone"), ValueError("no bytes")])
def test_what_a_source_raises_reaches_the_caller_as_it_was(peer, send, error):
    class Failing(Pieces):
        def chunks(self):
            yield b"x" * 10
            raise error

    peer.on("PUT", "/file", take)
    with pytest.raises(type(error)) as caught:
        send(put(peer, Failing(1, b"x" * 100)), timeout=5)
    assert caught.value is error
    assert send(put(peer, Pieces(1)), timeout=5).status == 200


def test_what_a_sink_raises_reaches_the_caller_as_it_was(peer, send):
    class Full(Counting):
        def write(self, chunk):
            raise OSError(28, "No space left on device")

    peer.on("GET", "/file", giving(3))
    with pytest.raises(OSError, match="No space left"):
        send(get(peer, Full()), timeout=5)
    sink = Counting()
    assert send(get(peer, sink), timeout=5).status == 200
    assert sink.received == 3 * MIB


def test_files_are_read_and_written_beside_the_loop_within_a_hold(peer):
    class Held(Clock):
        held = most = 0

        def hold(self):
            clock = self

            class Hold:
                def __enter__(self):
                    clock.held += 1
                    clock.most = max(clock.most, clock.held)

                def __exit__(self, *_):
                    clock.held -= 1

            return Hold()

    peer.on("PUT", "/file", take).on("GET", "/file", giving(3))
    clock, sink = Held(), Counting()

    async def body():
        transport = HttpxTransport(clock=clock)
        await transport.send(put(peer, Pieces(3)), timeout=5)
        assert (clock.most, clock.held) == (1, 0)
        await transport.send(get(peer, sink), timeout=5)
        await transport.aclose()

    run(body())
    assert clock.held == 0
    assert all(name.startswith("avtomatika-file") for name in sink.threads)


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("fast", [False, True])
def test_a_cancelled_transfer_ends_at_once_and_lets_go_of_its_file(peer, way, fast):
    arrived = threading.Event()

    async def still(talk: Talk) -> None:
        if way == "down":
            await talk.head(200, content_length="100")
        arrived.set()
        await peer.released.wait()

    peer.on("PUT", "/file", still).on("GET", "/file", still)
    upload = Pieces(500)

    async def body():
        transport = HttpxTransport(fast=fast, long=1)
        request = put(peer, upload) if way == "up" else get(peer, Counting())
        sending = asyncio.create_task(transport.send(request, timeout=None))
        await asyncio.to_thread(arrived.wait)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert not transport._running
        assert upload.tries == upload.closed
        peer.on("PUT", "/file", take).on("GET", "/file", giving(1))
        for _ in range(3):  # the one place is free again, and its pool sound
            assert (await transport.send(put(peer, Pieces(1)), timeout=5)).status == 200
        await transport.aclose()

    run(body())


def test_a_source_that_blocks_does_not_hold_up_a_cancellation(peer):
    reading, go_on = threading.Event(), threading.Event()

    class Blocking(Pieces):
        def chunks(self):
            yield b"x"
            reading.set()
            go_on.wait(10)
            yield b"y"

    peer.on("PUT", "/file", take)

    async def body():
        transport = HttpxTransport()
        sending = asyncio.create_task(transport.send(put(peer, Blocking(1, known=False)), timeout=None))
        await asyncio.to_thread(reading.wait)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert not go_on.is_set()
        go_on.set()
        await transport.aclose()

    run(body())


def test_transfers_share_the_long_places(peer):
    async def body():
        transport = HttpxTransport(long=2)
        peer.on("PUT", "/file", take)
        await asyncio.gather(*(transport.send(put(peer, Pieces(2)), timeout=10) for _ in range(8)))
        await transport.aclose()

    run(body())
    assert peer.most_at_once <= 2


def test_closing_ends_transfers(peer):
    arrived = threading.Event()

    async def still(talk: Talk) -> None:
        arrived.set()
        await peer.released.wait()

    peer.on("PUT", "/file", still)

    async def body():
        transport = HttpxTransport()
        sending = asyncio.create_task(transport.send(put(peer, Pieces(500)), timeout=None))
        await asyncio.to_thread(arrived.wait)
        await transport.aclose()
        with pytest.raises(APIConnectionError, match="closed before the reply came"):
            await sending

    run(body())


def test_a_transfer_costs_little_cpu(peer, send):
    peer.on("GET", "/file", giving(128))
    before = resource.getrusage(resource.RUSAGE_SELF)
    send(get(peer, Counting()), timeout=20)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 4  # both ends, 128 MiB
