"""The WebSocket side of the transport, against the library's own server."""

from __future__ import annotations

import asyncio
import contextlib
import os

import pytest
from websockets.asyncio.server import serve

from avtomatika_client._transport import HttpxTransport
from avtomatika_client.errors import APIConnectionError, APITimeoutError, ForkedClientError
from tests.client._peer import STALL, Answer, Peer
from tests.conftest import run


@contextlib.asynccontextmanager
async def echoing(handler=None):
    async def echo(connection):
        async for frame in connection:
            await connection.send(frame)

    async with serve(handler or echo, "127.0.0.1", 0, max_size=None) as server:
        host, port = server.sockets[0].getsockname()
        transport = HttpxTransport()
        try:
            yield f"http://{host}:{port}/_worker/ws/w1", transport
        finally:
            await transport.aclose()


def test_frames_go_both_ways_over_an_http_address():
    async def body():
        async with echoing() as (url, transport):
            socket = await transport.connect(url, headers={}, timeout=5)
            await socket.send("приве́т")
            assert await socket.recv() == "приве́т"
            await socket.close()
            await socket.close()

    run(body())


def test_frames_may_be_large_but_not_without_bound():
    async def body():
        async with echoing() as (url, transport):
            socket = await transport.connect(url, headers={}, timeout=5)
            await socket.send("x" * (15 * 1024 * 1024))
            assert len(await socket.recv()) == 15 * 1024 * 1024
            await socket.send("x" * (17 * 1024 * 1024))
            with pytest.raises(APIConnectionError, match="closed"):
                await socket.recv()

    run(body())


def test_headers_reach_the_server():
    seen = []

    async def note(connection):
        seen.append(connection.request.headers["x-worker-token"])

    async def body():
        async with echoing(note) as (url, transport):
            socket = await transport.connect(url, headers={"x-worker-token": "t"}, timeout=5)
            with pytest.raises(APIConnectionError):
                await socket.recv()

    run(body())
    assert seen == ["t"]


def test_iteration_ends_quietly_when_the_server_goes():
    async def two(connection):
        await connection.send("one")
        await connection.send("two")

    async def body():
        async with echoing(two) as (url, transport):
            socket = await transport.connect(url, headers={}, timeout=5)
            assert [frame async for frame in socket] == ["one", "two"]
            with pytest.raises(APIConnectionError):
                await socket.send("too late")

    run(body())


def test_a_refusal_tells_its_status(peer):
    peer.on("GET", "/ws", Answer(403, b"no"))

    async def body():
        transport = HttpxTransport()
        with pytest.raises(APIConnectionError, match="403") as caught:
            await transport.connect(f"{peer.url}/ws", headers={}, timeout=5)
        await transport.aclose()
        return caught.value

    assert run(body()).status == 403


def test_a_silent_server_meets_the_deadline(peer):
    peer.on("GET", "/ws", STALL)

    async def body():
        transport = HttpxTransport()
        with pytest.raises(APITimeoutError):
            await transport.connect(f"{peer.url}/ws", headers={}, timeout=0.2)
        await transport.aclose()

    run(body())
    peer.release()


def test_no_server_is_a_connection_error(peer):
    peer.stop()

    async def body():
        transport = HttpxTransport()
        with pytest.raises(APIConnectionError) as caught:
            await transport.connect(f"{peer.url}/ws", headers={}, timeout=5)
        await transport.aclose()
        return caught.value

    assert run(body()).sent is False
    peer.start()


def test_credentials_follow_no_redirect_to_another_host(peer):
    with Peer() as elsewhere:
        peer.on("GET", "/ws", Answer(302, b"", {"location": f"{elsewhere.url.replace('http', 'ws')}/ws"}))

        async def body():
            transport = HttpxTransport()
            with pytest.raises(APIConnectionError):
                await transport.connect(f"{peer.url}/ws", headers={"x-worker-token": "t"}, timeout=5)
            await transport.aclose()

        run(body())
        assert elsewhere.seen == []


def test_closing_the_transport_closes_its_sockets():
    async def body():
        async with echoing() as (url, transport):
            socket = await transport.connect(url, headers={}, timeout=5)
            waiting = asyncio.create_task(socket.recv())
            await asyncio.wait([waiting], timeout=0.01)
            await transport.aclose()
            with pytest.raises(APIConnectionError):
                await waiting

    run(body())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_cannot_use_its_parents_socket():
    async def body():
        async with echoing() as (url, transport):
            socket = await transport.connect(url, headers={}, timeout=5)
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                step = socket.send("from the child").__await__()
                try:
                    next(step)
                except ForkedClientError:
                    os.write(writer, b"refused")
                finally:
                    os._exit(0)
            os.close(writer)
            assert await asyncio.to_thread(_said, pid, reader) == b"refused"
            await socket.send("from the parent")
            assert await socket.recv() == "from the parent"

    run(body())


def _said(pid: int, reader: int) -> bytes:
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said
