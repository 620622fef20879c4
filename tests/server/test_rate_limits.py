"""Rate limits: by token, by address before authentication, and what wrong tokens and passwords come to."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from orchestrator_lite import Orchestrator, Settings
from orchestrator_lite.access._limits import MOST_SENDERS, Limit
from orchestrator_lite.access._origin import sender
from tests._support.clocks import JumpingClock
from tests._support.house import serving
from tests.conftest import run
from tests.server.flows import greet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKENS = {"client_token": "a-token-of-the-clients", "worker_token": "a-token-of-the-workers"}
CLIENT = {"X-Client-Token": TOKENS["client_token"]}
WORKER = {"X-Worker-Token": TOKENS["worker_token"]}
SOMEWHERE = "203.0.113.5"


class Street:
    """A server, and senders at any address."""

    def __init__(self, lite: Orchestrator, clock: JumpingClock) -> None:
        self.lite = lite
        self.clock = clock

    async def send(
        self, path: str, headers: dict[str, str] | None = None, at: str = SOMEWHERE, **more: Any
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.lite._front, client=(at, 4321))
        async with httpx.AsyncClient(transport=transport, base_url="http://orchestrator.example") as http:
            return await http.request(more.pop("method", "GET"), path, headers=headers or {}, **more)

    async def statuses(
        self, count: int, path: str, headers: dict[str, str] | None = None, at: str = SOMEWHERE
    ) -> list[int]:
        return [(await self.send(path, headers, at)).status_code for _ in range(count)]


@asynccontextmanager
async def street(**settings: Any) -> AsyncIterator[Street]:
    clock = JumpingClock()
    lite = Orchestrator([greet()], settings=Settings(**{**TOKENS, **settings}), clock=clock)
    async with lite:
        yield Street(lite, clock)


def test_a_token_has_so_many_requests_a_minute_from_wherever_they_come():
    async def body():
        async with street(rate_limit=5) as s:
            replies = [await s.send("/api/v1/jobs", CLIENT, at) for at in (SOMEWHERE, "198.51.100.7", SOMEWHERE)]
            assert [reply.headers["X-RateLimit-Remaining"] for reply in replies] == ["4", "3", "2"]
            assert {reply.headers["X-RateLimit-Limit"] for reply in replies} == {"5"}
            assert 58 <= int(replies[0].headers["X-RateLimit-Reset"]) - s.clock.now() <= 61
            assert await s.statuses(4, "/api/v1/jobs", CLIENT) == [200, 200, 429, 429]
            refused = await s.send("/api/v1/jobs", CLIENT)
            assert refused.json() == {"error": "Too Many Requests"}
            assert 55 <= int(refused.headers["Retry-After"]) <= 60
            assert refused.headers["X-RateLimit-Remaining"] == "0"
            s.clock.jump(int(refused.headers["Retry-After"]))
            assert (await s.send("/api/v1/jobs", CLIENT)).headers["X-RateLimit-Remaining"] == "4"

    run(body())


def test_an_address_without_credentials_has_so_many_requests_a_minute():
    async def body():
        async with street(rate_limit_address=3) as s:
            assert await s.statuses(2, "/_public/status") == [200, 200]
            assert await s.statuses(2, "/api/v1/jobs") == [401, 429], "those that are missing a token count too"
            refused = await s.send("/_public/status")
            assert refused.status_code == 429
            assert int(refused.headers["Retry-After"]) > 50
            assert await s.statuses(3, "/_public/status", at="198.51.100.7") == [200] * 3
            assert (await s.send("/api/v1/jobs", CLIENT)).status_code == 200, "credentials have a limit of their own"
            assert (await s.send("/_worker/workers/w1", WORKER, method="PATCH")).status_code == 200

    run(body())


def test_this_machine_and_workers_are_not_limited_unless_a_setting_says_so():
    async def body():
        async with street(rate_limit=2, rate_limit_address=2) as s:
            assert await s.statuses(9, "/_public/status", at="127.0.0.1") == [200] * 9
            replies = [await s.send("/api/v1/jobs", CLIENT, at) for at in ("127.0.0.1", "::1", "127.8.8.8") * 3]
            assert [reply.status_code for reply in replies] == [200] * 9
            told = {(reply.headers["X-RateLimit-Limit"], reply.headers["X-RateLimit-Remaining"]) for reply in replies}
            assert told == {("2", "2")}, "the limit that is configured, nothing taken"
            for _ in range(9):
                reply = await s.send("/_worker/workers/w1", WORKER, method="PATCH")
                assert reply.status_code == 200
                assert "X-RateLimit-Limit" not in reply.headers
        async with street(rate_limit=2, rate_limit_address=2, rate_limit_workers=3, rate_limit_loopback=True) as s:
            assert await s.statuses(3, "/_public/status", at="127.0.0.1") == [200, 200, 429]
            assert await s.statuses(3, "/api/v1/jobs", CLIENT, at="127.0.0.1") == [200, 200, 429]
            for worker_id in ("w1", "w2"):
                sent = [await s.send(f"/_worker/workers/{worker_id}", WORKER, method="PATCH") for _ in range(4)]
                assert [reply.status_code for reply in sent] == [200, 200, 200, 429]

    run(body())


def test_no_limit_no_header():
    async def body():
        async with street(rate_limit=0, rate_limit_address=0) as s:
            for headers in (CLIENT, {}):
                reply = await s.send("/api/v1/jobs", headers)
                assert not [name for name in reply.headers if name.startswith("x-ratelimit")]

    run(body())


@pytest.mark.parametrize(
    ("path", "header", "right", "method"),
    [
        ("/api/v1/jobs", "X-Client-Token", TOKENS["client_token"], "GET"),
        ("/_worker/workers/w1", "X-Worker-Token", TOKENS["worker_token"], "PATCH"),
    ],
    ids=["clients", "workers"],
)
@pytest.mark.parametrize("at", [SOMEWHERE, "127.0.0.1"])
def test_a_thousand_wrong_tokens_are_slowed_and_a_right_one_is_let_in(
    caplog: pytest.LogCaptureFixture, at: str, path: str, header: str, right: str, method: str
):
    caplog.set_level(logging.DEBUG, logger="orchestrator_lite")

    async def body():
        async with street() as s:
            replies = [await s.send(path, {header: f"a-wrong-token-{n}"}, at, method=method) for n in range(1000)]
            assert [reply.status_code for reply in replies] == [401] * 10 + [429] * 990
            assert all(1 <= int(reply.headers["Retry-After"]) <= 60 for reply in replies[10:])
            assert (await s.send(path, {header: right}, at, method=method)).status_code == 200
            loaded = s.lite._site.access.limits._failures._loaded
            assert loaded is not None
            assert len(loaded[0].storage) == 1, "one address, one window"
            s.clock.jump(61)
            assert (await s.send(path, {header: "a-wrong-token"}, at, method=method)).status_code == 401

    run(body())
    told = [record.getMessage() for record in caplog.records if record.name.startswith("orchestrator_lite")]
    assert len([text for text in told if "wrong credentials from" in text]) == 1
    assert not [text for text in told if "a-wrong-token" in text or right in text]


def test_a_token_that_could_be_guessed_waits_with_the_guesses():
    async def body():
        async with street(client_token="short") as s:
            right = {"X-Client-Token": "short"}
            assert (await s.send("/api/v1/jobs", right)).status_code == 200
            assert await s.statuses(11, "/api/v1/jobs", {"X-Client-Token": "guess"}) == [401] * 10 + [429]
            assert (await s.send("/api/v1/jobs", right)).status_code == 429
            assert (await s.send("/api/v1/jobs", right, at="198.51.100.7")).status_code == 200
            s.clock.jump(61)
            assert (await s.send("/api/v1/jobs", right)).status_code == 200

    run(body())


def test_over_a_real_socket_wrong_tokens_are_slowed_without_holding_connections():
    async def body():
        async with serving(greet(), **TOKENS) as house:
            for n in range(30):
                reply = await house.http.get("/api/v1/jobs", headers={"X-Client-Token": f"wrong-{n}"})
                assert reply.status_code == (401 if n < 10 else 429)
                assert reply.elapsed.total_seconds() < 5
            assert (await house.api("GET", "/jobs")).status_code == 200

    run(body())


@pytest.mark.parametrize(
    ("address", "whom"),
    [
        (None, None),
        ("127.0.0.1", None),
        ("127.9.9.9", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("203.0.113.5", "203.0.113.5"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_whom_an_address_counts_for(address: str | None, whom: str | None):
    assert sender(address) == whom


def test_the_windows_of_many_senders_take_bounded_memory():
    async def body():
        clock = JumpingClock()
        limit = Limit(60, clock)
        for n in range(MOST_SENDERS + 500):
            await limit.take(f"sender {n}")
        assert limit._loaded is not None
        windows = limit._loaded[0].storage
        assert len(windows) == MOST_SENDERS
        clock.jump(61)
        for n in range(MOST_SENDERS // 3):
            await limit.take(f"later {n}")
        assert len(windows) < MOST_SENDERS // 2, "those that have ended are taken away as new ones begin"

    run(body())


def test_a_wall_clock_that_is_set_back_makes_no_window_longer():
    class SetBack(JumpingClock):
        back = 0.0

        def now(self) -> float:
            return super().now() - self.back

    async def body():
        clock = SetBack()
        limit = Limit(1, clock)
        await limit.take("a")
        clock.back = 86_400.0
        clock.jump(61)
        standing = await limit.take("a")
        assert 58 <= standing.reset - clock.now() <= 61

    run(body())
