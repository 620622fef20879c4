"""Bodies that come slowly, in pieces, packed, or not at all."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib

import httpx
import pytest

from orchestrator_lite.api._body import PACE, PATIENCE, Body
from orchestrator_lite.api._site import Bound
from tests._support.clocks import JumpingClock
from tests._support.house import House, serving, soon
from tests.conftest import run
from tests.server.flows import greet
from tests.server.test_bad_input import refused, unmoved

DATA = {"initial_data": {"a": "x" * 1000}}
PACKED = {
    "gzip": gzip.compress(json.dumps(DATA).encode()),
    "x-gzip": gzip.compress(json.dumps(DATA).encode()),
    "deflate": zlib.compress(json.dumps(DATA).encode()),
    "identity": json.dumps(DATA).encode(),
}


def packed(how: str) -> dict[str, str]:
    return {"Content-Type": "application/json", "Content-Encoding": how}


@pytest.mark.parametrize("how", PACKED)
def test_a_packed_body_is_unpacked(how):
    async def check():
        async with serving(greet()) as house:
            reply = await house.api("POST", "/jobs/greet", content=PACKED[how], headers=packed(how))
            assert reply.status_code == 202, reply.text
            assert (await house.job(reply.json()["job_id"]))["initial_data"] == DATA["initial_data"]

    run(check())


def test_a_packed_body_may_come_byte_by_byte():
    async def pieces():
        for byte in PACKED["gzip"]:
            yield bytes([byte])

    async def check():
        async with serving(greet()) as house:
            reply = await house.api("POST", "/jobs/greet", content=pieces(), headers=packed("gzip"))
            assert reply.status_code == 202, reply.text

    run(check())


def test_a_packed_file_lies_there_unpacked():
    async def check():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            where = f"/jobs/{job_id}/files/content/a.txt"
            reply = await house.api("PUT", where, content=gzip.compress(b"hello" * 200_000), headers=packed("gzip"))
            assert reply.json()["size"] == 1_000_000, reply.text

    run(check())


@pytest.mark.parametrize("how", ["br", "zstd", "gzip, br", "gzip;q=1"])
def test_a_body_packed_in_an_unknown_way_is_415(how):
    async def check():
        async with unmoved() as house:
            refused(
                await house.api("POST", "/jobs/greet", content=b"{}", headers=packed(how)),
                "Content-Encoding",
                status=415,
            )

    run(check())


@pytest.mark.parametrize(
    "body",
    [b"{}", PACKED["gzip"][:-9], PACKED["gzip"] + b"more", PACKED["deflate"]],
    ids=["plain", "cut off", "with more", "deflate"],
)
def test_a_body_that_is_not_packed_as_it_says_is_refused(body):
    async def check():
        async with unmoved() as house:
            refused(
                await house.api("POST", "/jobs/greet", content=body, headers=packed("gzip")),
                "Content-Encoding",
            )

    run(check())


def test_a_small_body_that_is_huge_inside_is_413():
    bomb = gzip.compress(b" " * (64 * 1024 * 1024))
    assert len(bomb) < 100_000

    async def check():
        async with unmoved() as house:
            reply = await house.api("POST", "/jobs/greet", content=bomb, headers=packed("gzip"))
            refused(reply, "too large", status=413)

    run(check())


def test_a_packed_body_without_end_or_content_is_413():
    empty = zlib.compressobj(wbits=31)
    begin, nothing = empty.compress(b" ") + empty.flush(zlib.Z_FULL_FLUSH), b"\x00\x00\x00\xff\xff" * 1000

    async def pieces():
        yield begin
        for _ in range(20):
            yield nothing

    async def check():
        async with unmoved(max_body=20_000) as house:
            reply = await house.api("POST", "/jobs/greet", content=pieces(), headers=packed("gzip"))
            refused(reply, "too large", status=413)

    run(check())


async def dripping(house: House, path: str, *lines: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection with a request whose body is still to come."""
    url = httpx.URL(house.lite.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = [f"POST {path} HTTP/1.1", f"Host: {url.netloc.decode()}", *lines]
    writer.write(("\r\n".join(head) + "\r\n\r\n").encode())
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize("length", ["Content-Length: 100", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("path", ["/api/v1/jobs/greet", "/_worker/tasks/result", "/api/v1/auth/token"])
def test_a_body_that_does_not_come_is_408_and_the_connection_is_closed(path, length):
    async def check():
        clock = JumpingClock()
        async with serving(greet(), clock=clock) as house:
            tokens = [f"X-Client-Token: {house.lite.client_token}", f"X-Worker-Token: {house.lite.worker_token}"]
            reader, writer = await dripping(house, path, length, *tokens)
            await house.settled()
            clock.jump(PATIENCE + 0.1)
            said = (await soon(asyncio.ensure_future(reader.read()))).decode()
            assert said.startswith("HTTP/1.1 408")
            assert "too slowly" in said
            writer.close()

    run(check())


def test_a_body_that_drips_gets_no_more_time_than_its_bytes_are_worth():
    async def check():
        clock = JumpingClock()
        async with serving(greet(), clock=clock) as house:
            token = f"X-Client-Token: {house.lite.client_token}"
            reader, writer = await dripping(house, "/api/v1/jobs/greet", "Content-Length: 1000000", token)
            for sent in range(1, 4):
                writer.write(b" " * PACE)
                await writer.drain()
                await house.settled()
                clock.jump(1.0)
                assert not reader.at_eof(), sent
            await house.settled()
            clock.jump(PATIENCE - 0.5)
            await house.settled()
            writer.write(b" ")
            await house.settled()
            clock.jump(0.6)
            assert (await soon(asyncio.ensure_future(reader.read()))).startswith(b"HTTP/1.1 408")
            writer.close()

    run(check())


@pytest.mark.parametrize(
    "length", ["Content-Length: 5\r\nContent-Length: 6", "Content-Length: -1", "Content-Length: x"]
)
def test_a_length_that_is_none_is_400(length):
    async def check():
        async with unmoved() as house:
            token = f"X-Client-Token: {house.lite.client_token}"
            reader, writer = await dripping(house, "/api/v1/jobs/greet", length, token)
            writer.write(b"{}123")
            said = await soon(asyncio.ensure_future(reader.read()))
            assert said.startswith(b"HTTP/1.1 400"), said
            writer.close()

    run(check())


@pytest.mark.parametrize("late", [False, True])
def test_a_server_may_hand_over_a_body_as_anything_that_can_be_awaited(late):
    message = {"type": "http.request", "body": b"{}", "more_body": False}

    async def check():
        loop = asyncio.get_running_loop()

        def receive() -> asyncio.Future[dict[str, object]]:
            future = loop.create_future()
            if late:
                loop.call_soon(future.set_result, message)
            else:
                future.set_result(message)
            return future

        assert await Body(receive, [], Bound(10), JumpingClock())() == message

    run(check())
