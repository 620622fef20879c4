"""What comes before a request is whole: bounded in size and time, for senders nobody knows yet."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite import _heads
from tests._support.house import House, serving, soon
from tests.conftest import run
from tests.server.flows import greet
from tests.server.test_bad_input import refused, unmoved


async def opened(house: House) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = httpx.URL(house.lite.url)
    return await asyncio.open_connection(url.host, url.port)


async def answered(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes."""
    try:
        return await soon(asyncio.ensure_future(reader.read()))
    except ConnectionError:
        return b""


@pytest.mark.parametrize(
    "piece", [b"x" * 5000, b"X-Name: value\r\n" * 400, b" " * 5000], ids=["one header", "many headers", "spaces"]
)
def test_headers_without_end_are_431_and_the_connection_is_closed(piece):
    async def check():
        async with unmoved() as house:
            reader, writer = await opened(house)
            writer.write(b"GET /_public/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Endless: ")
            sent = 0
            while sent < 10 * _heads.LARGEST and not reader.at_eof():
                writer.write(piece)
                try:
                    await writer.drain()
                except ConnectionError:
                    break
                sent += len(piece)
                await SYSTEM_CLOCK.sleep(0.001)
            said = await answered(reader)
            assert sent < 10 * _heads.LARGEST
            assert not said or said.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
            writer.close()

    run(check())


@pytest.mark.parametrize(
    ("begin", "said"), [(b"", b""), (b"GE", b"HTTP/1.1 408"), (b"GET / HTTP/1.1\r\nHost: x\r\n", b"HTTP/1.1 408")]
)
def test_a_head_that_does_not_come_is_not_waited_for(begin, said, monkeypatch):
    monkeypatch.setattr(_heads, "PATIENCE", 0.2)

    async def check():
        async with serving(greet()) as house:
            reader, writer = await opened(house)
            writer.write(begin)
            told = await answered(reader)
            assert told.startswith(said)
            assert bool(told) == bool(said)
            writer.close()

    run(check())


def test_the_second_head_of_a_connection_is_not_waited_for_either(monkeypatch):
    async def check():
        async with serving(greet()) as house:
            reader, writer = await opened(house)
            whole = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            writer.write(whole)
            assert (await soon(asyncio.ensure_future(reader.readuntil(b"}")))).startswith(b"HTTP/1.1 200")
            monkeypatch.setattr(_heads, "PATIENCE", 0.2)
            writer.write(whole[:20])
            assert (await answered(reader)).startswith(b"HTTP/1.1 408")
            writer.close()

    run(check())


def test_a_request_that_takes_its_time_is_not_taken_for_a_slow_head(monkeypatch):
    monkeypatch.setattr(_heads, "PATIENCE", 0.1)

    async def check():
        async with serving(greet(), poll_hold=0.5) as house:
            worker = await house.registered("w1", "greet")
            async with worker.socket() as socket:
                await worker.nothing()
                assert await worker.next(timeout=0.5) is None
                await (await socket.ping())

    run(check())


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": 1}{"b": 2}',
        '{"a": 1}'.encode("utf-16"),
        b"{'a': 1}",
        b'{"a": 01}',
        b'{"a": 1,}',
    ],
)
def test_what_is_nearly_json_is_refused(body):
    async def check():
        async with unmoved() as house:
            refused(await house.api("POST", "/jobs/greet", content=body), "JSON")

    run(check())


def test_of_two_keys_with_one_name_the_last_counts():
    async def check():
        async with serving(greet()) as house:
            reply = await house.api(
                "POST", "/jobs/greet", content=b'{"initial_data": {"a": 1, "a": 2}, "initial_data": {"b": 3}}'
            )
            assert (await house.job(reply.json()["job_id"]))["initial_data"] == {"b": 3}

    run(check())


def test_a_trace_that_is_none_does_not_go_with_the_tasks():
    async def check():
        async with serving(greet()) as house:
            reply = await house.api("POST", "/jobs/greet", json={}, headers={"traceparent": "x" * 10_000})
            assert (await house.job(reply.json()["job_id"]))["tracing_context"] == {}

    run(check())


@pytest.mark.parametrize(
    "query",
    [
        "limit=",
        "limit=%00",
        "limit=" + "9" * 5000,
        "offset=" + "9" * 30,
        "limit=1;2",
        "cursor=%FF",
        "status=" + "x," * 5000,
    ],
)
def test_a_query_that_means_nothing_is_refused(query):
    async def check():
        async with unmoved() as house:
            refused(await house.api("GET", f"/jobs?{query}"))

    run(check())


@pytest.mark.parametrize("query", ["limit=1&limit=2", "&&&=&a", "x" * 60_000, "%", "=%zz&%"])
def test_a_query_of_which_nothing_is_meant_is_passed_over(query):
    async def check():
        async with serving(greet()) as house:
            reply = await house.http.get(
                "/", headers=house.client_headers, extensions={"target": f"/api/v1/jobs?{query}".encode()}
            )
            assert reply.status_code == 200, reply.text

    run(check())
