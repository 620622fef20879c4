"""GET /jobs: the caller's own jobs, newest first, page by page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

import pytest

from avtomatika_client.protocol.jobs import JobStatus
from orchestrator_lite.api._listing import LONGEST_PAGE, Status
from orchestrator_lite.store import Change, JobRow, SqliteStore
from tests._support.clocks import JumpingClock
from tests._support.house import House, serving
from tests.conftest import run
from tests.server.flows import bare, greet

if TYPE_CHECKING:
    import httpx


async def listed(house: House, **params: Any) -> list[dict[str, Any]]:
    reply = await house.api("GET", "/jobs", params=params)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def ids(house: House, **params: Any) -> list[str]:
    return [job["id"] for job in await listed(house, **params)]


def next_of(reply: httpx.Response) -> str | None:
    return reply.headers.get("x-next-cursor")


def test_a_list_is_an_array_of_compact_jobs_newest_first():
    async def body():
        async with serving(greet()) as house:
            assert await listed(house) == []
            first = await house.create("/jobs/greet")
            second = await house.create("/jobs/greet")
            jobs = await listed(house)
            assert [job["id"] for job in jobs] == sorted([first, second], reverse=True)
            whole = await house.job(first)
            assert next(job for job in jobs if job["id"] == first) == {
                key: whole[key] for key in ("id", "blueprint_name", "status", "created_at", "ended_at")
            }
            await house.cancel(second)
            (ended,) = await listed(house, status="cancelled")
            assert ended["created_at"] <= ended["ended_at"] == (await house.job(second))["ended_at"]

    run(body())


def test_both_prefixes_serve_the_list():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            for path in ("/api/jobs", "/api/v1/jobs", "/api/v7/jobs"):
                reply = await house.http.get(path, headers=house.client_headers)
                assert [job["id"] for job in reply.json()] == [job_id]

    run(body())


def test_pages_hold_every_job_once_even_while_new_ones_come():
    async def body():
        async with serving(greet()) as house:
            made = [await house.create("/jobs/greet") for _ in range(7)]
            seen: list[str] = []
            cursor: str | None = None
            sizes = []
            while not sizes or cursor:
                reply = await house.api("GET", "/jobs", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
                sizes.append(len(reply.json()))
                seen += [job["id"] for job in reply.json()]
                cursor = next_of(reply)
                await house.create("/jobs/greet")
            assert (sizes, seen) == ([3, 3, 1], sorted(made, reverse=True))

    run(body())


def test_a_page_that_is_exactly_full_is_the_last_one():
    async def body():
        async with serving(greet()) as house:
            for _ in range(2):
                await house.create("/jobs/greet")
            reply = await house.api("GET", "/jobs", params={"limit": 2})
            assert (len(reply.json()), next_of(reply)) == (2, None)

    run(body())


def test_status_and_blueprint_narrow_the_list():
    async def body():
        async with serving(greet(), bare()) as house:
            waiting = await house.create("/jobs/greet")
            other = await house.create("/jobs/bare")
            gone = await house.create("/jobs/greet")
            await house.cancel(gone)
            await house.ended(gone)
            assert await ids(house, status="cancelled") == [gone]
            assert sorted(await ids(house, status="waiting_for_worker")) == sorted([waiting, other])
            assert await ids(house, blueprint="bare") == [other]
            assert await ids(house, blueprint="greet", status="waiting_for_worker") == [waiting]
            assert await ids(house, blueprint="no-such") == []

    run(body())


def test_an_offset_pages_as_officially():
    async def body():
        async with serving(greet()) as house:
            made = sorted([await house.create("/jobs/greet") for _ in range(3)], reverse=True)
            assert await ids(house, limit=2, offset=1) == made[1:]
            assert await ids(house, offset=3) == []

    run(body())


def test_another_clients_jobs_are_not_listed():
    async def body():
        store = SqliteStore(None)
        async with serving(greet(), store=store) as house:
            own = await house.create("/jobs/greet")
            row = JobRow(
                id="ffffffff-0000-7000-8000-000000000000",
                version=1,
                status="finished",
                client="somebody else",
                blueprint="greet",
                created_at=1.0,
                doc=b"{}",
            )
            await store.commit(Change(job=row))
            assert await ids(house) == [own]
            assert await ids(house, status="finished") == []

    run(body())


def test_a_page_is_never_longer_than_the_server_allows():
    async def body():
        async with serving(greet()) as house:
            for _ in range(3):
                await house.create("/jobs/greet")
            assert len(await ids(house, limit=LONGEST_PAGE * 1000)) == 3

    run(body())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("status", value) for value in ("done", "", "finished,", "finished,done")),
        *(("created_after", value) for value in ("", "x", "-1", "nan", "inf", "1e300", "2026-13-01", "T")),
        *(("created_before", value) for value in ("yesterday", "99999-12-31")),
        *(("cursor", value) for value in ("", "x", "' OR 1=1", "0" * 36)),
        *(("blueprint", value) for value in ("", "b" * 300)),
    ],
)
def test_a_bad_value_is_a_400_that_names_its_field(name, value):
    async def body():
        async with serving(greet()) as house:
            reply = await house.api("GET", "/jobs", params={name: value})
            assert reply.status_code == 400, reply.text
            assert reply.json()["error"].startswith(f"{name}: ")
            assert len(reply.json()["error"]) < 300

    run(body())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", value) for value in ("0", "-1", "x", "", "1.5", "9" * 5000)),
        *(("offset", value) for value in ("-1", "x", str(2**63))),
    ],
)
def test_a_bad_limit_or_offset_is_refused_in_the_words_of_the_releases(name, value):
    async def body():
        async with serving(greet()) as house:
            reply = await house.api("GET", "/jobs", params={name: value})
            assert (reply.status_code, reply.json()) == (400, {"error": "Invalid limit/offset parameter"})

    run(body())


def test_several_statuses_are_asked_for_at_once():
    async def body():
        async with serving(greet()) as house:
            waiting = await house.create("/jobs/greet")
            gone = await house.create("/jobs/greet")
            delayed = await house.create("/jobs/greet", delay=60)
            await house.cancel(gone)
            for params in ({"status": "cancelled,pending"}, {"status": ["pending", "cancelled"]}):
                assert await ids(house, **params) == [delayed, gone]
            assert await ids(house, status="waiting_for_worker,failed") == [waiting]
            assert await ids(house, status="cancelled,pending", limit=1, offset=1) == [gone]

    run(body())


def test_a_list_is_narrowed_to_when_jobs_were_created():
    async def body():
        clock = JumpingClock()
        async with serving(greet(), clock=clock) as house:
            made, moments = [], []
            for _ in range(4):
                moments.append(clock.now())
                made.append(await house.create("/jobs/greet"))
                clock.jump(10)
            assert await ids(house, created_after=moments[2]) == [made[3], made[2]]
            assert await ids(house, created_before=moments[2]) == [made[1], made[0]]
            assert await ids(house, created_after=moments[1], created_before=moments[3]) == [made[2], made[1]]
            iso = datetime.fromtimestamp(moments[2], UTC).isoformat()
            assert await ids(house, created_after=iso, status="waiting_for_worker") == [made[3], made[2]]
            assert await ids(house, created_after=iso.replace("+00:00", "")) == [made[3], made[2]]
            raw = await house.api("GET", f"/jobs?created_before={iso}&limit=1")  # its plus is not escaped
            assert [job["id"] for job in raw.json()] == [made[1]]
            assert await ids(house, created_before=iso, cursor=next_of(raw)) == [made[0]]

    run(body())


def test_every_status_of_the_protocol_can_be_asked_for():
    assert set(get_args(Status)) == {status.value for status in JobStatus}


def test_without_a_token_nothing_is_listed():
    async def body():
        async with serving(greet()) as house:
            assert (await house.http.get("/api/v1/jobs")).status_code == 401

    run(body())
