"""Quotas (`monthly_attempts` of `clients.toml`): jobs a month, counted over restarts."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator_lite.access import Refused
from orchestrator_lite.access._quotas import Quotas
from orchestrator_lite.store import StoreUnavailable, open_store
from tests._support.clocks import JumpingClock
from tests._support.house import House, serving, until
from tests.conftest import run
from tests.server.flows import greet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CLIENTS = """
[ada]
token = "token-of-the-client-ada"
monthly_attempts = 3

[bob]
token = "token-of-the-client-bob"

[eve]
token = "token-of-the-client-eve"
monthly_attempts = 0
"""
ADA, BOB, EVE = ({"X-Client-Token": f"token-of-the-client-{name}"} for name in ("ada", "bob", "eve"))
DAY = 86_400.0


@asynccontextmanager
async def clients(tmp_path: Path, **more: Any) -> AsyncIterator[House]:
    (tmp_path / "clients.toml").write_text(CLIENTS)
    given = {"clients_file": tmp_path / "clients.toml", "worker_token": "token-of-the-workers"}
    async with serving(greet(), **given, **more) as house:
        yield house


async def create(house: House, headers: dict[str, str], body: Any = None) -> Any:
    return await house.http.post("/api/v1/jobs/greet", headers=headers, json={} if body is None else body)


def test_so_many_jobs_a_month_then_429_until_the_next():
    clock = Dated(2026, 12, 31, 23)
    quotas = Quotas(clock, {"ada": 2})
    assert [quotas.take("ada"), quotas.take("nobody")] == [quotas.of("ada"), None]
    quotas.take("ada")
    with pytest.raises(Refused) as refused:
        quotas.take("ada")
    assert str(refused.value) == "Quota exceeded or not configured"
    assert refused.value.status == 429
    assert 3590 <= int(refused.value.headers["Retry-After"]) <= 3600
    clock.at += 3600
    allowance = quotas.take("ada")
    assert allowance is not None
    assert (allowance.remaining, allowance.resets_at) == (1, datetime(2027, 2, 1, tzinfo=UTC).timestamp())
    clock.at -= 2 * DAY
    assert quotas.take("ada") is not None
    with pytest.raises(Refused):
        quotas.take("ada")  # a clock that is set back opens no second month


class Dated(JumpingClock):
    """A clock that stands at a date."""

    def __init__(self, *date: int) -> None:
        super().__init__()
        self.at = datetime(*date, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]

    def now(self) -> float:
        return self.at


def test_all_of_a_batch_is_counted_or_none_and_given_back_it_is_free_again():
    quotas = Quotas(Dated(2026, 1, 1), {"ada": 5})
    quotas.take("ada", 3)
    with pytest.raises(Refused) as refused:
        quotas.take("ada", 3)
    assert refused.value.headers["X-Quota-Remaining"] == "2"
    quotas.give_back("ada", 2)
    assert quotas.take("ada", 3) is not None
    quotas.set({"ada": 10, "bob": 1})
    allowance = quotas.of("ada")
    assert allowance is not None
    assert allowance.remaining == 6, "another quota; what was used stays used"


def test_created_jobs_count_and_nothing_else_does(tmp_path: Path):
    async def body():
        async with clients(tmp_path) as house:
            first = await create(house, ADA)
            assert (first.headers["X-Quota-Limit"], first.headers["X-Quota-Remaining"]) == ("3", "2")
            for _ in range(5):
                assert (await house.http.get("/api/v1/jobs", headers=ADA)).status_code == 200
                assert (await create(house, ADA, {"initial_data": 5})).status_code == 400
                assert (await house.http.post("/api/v1/jobs/nothing", headers=ADA, json={})).status_code == 404
            assert [(await create(house, ADA)).status_code for _ in range(4)] == [202, 202, 429, 429]
            refused = await create(house, ADA)
            assert refused.json() == {"error": "Quota exceeded or not configured"}
            assert int(refused.headers["Retry-After"]) >= 1
            assert (await house.http.get("/api/v1/jobs", headers=ADA)).status_code == 200
            assert (await create(house, EVE)).status_code == 429
            replies = [await create(house, BOB) for _ in range(5)]
            assert [reply.status_code for reply in replies] == [202] * 5
            assert "X-Quota-Limit" not in replies[0].headers

    run(body())


def test_what_was_used_is_known_after_a_restart(tmp_path: Path):
    async def body():
        store = f"sqlite:///{tmp_path}/lite.db"
        async with clients(tmp_path, store=store) as house:
            await create(house, ADA)
            await create(house, ADA)
        async with clients(tmp_path, store=store) as house:
            assert (await create(house, ADA)).headers["X-Quota-Remaining"] == "0"
            assert (await create(house, ADA)).status_code == 429

    run(body())


def test_counts_are_written_in_groups_and_again_after_a_failure(caplog: pytest.LogCaptureFixture):
    async def body():
        store = open_store("memory")
        await store.open()
        writes, fail = [], [True]
        put = store.put_notes

        async def put_notes(notes: Any) -> None:
            writes.append(dict(notes))
            if fail and fail.pop():
                raise StoreUnavailable("disk full")
            await put(notes)

        store.put_notes = put_notes  # type: ignore[method-assign]
        quotas = Quotas(Dated(2026, 1, 1), {"ada": 1000, "bob": 1000})
        await quotas.open(store)
        quotas.take("ada")
        await until(lambda: quotas._writing is None)
        for _ in range(100):
            quotas.take("ada")
            quotas.take("bob")
        await until(lambda: quotas._writing is None)
        assert len(writes) <= 4
        await quotas.close()
        again = Quotas(Dated(2026, 1, 1), {"ada": 1000, "bob": 1000})
        await again.open(store)
        assert [allowance.remaining for name in ("ada", "bob") if (allowance := again.of(name))] == [899, 900]
        await store.close()

    run(body())
    assert "disk full" in caplog.text


def test_a_repeated_submission_counts_once_and_is_answered_when_nothing_is_left(tmp_path: Path):
    async def body():
        async with clients(tmp_path) as house:
            keys = [{**ADA, "Idempotency-Key": f"order {n}"} for n in range(3)]
            first = [(await create(house, key)).json()["job_id"] for key in keys]
            again = [await create(house, key) for key in keys]
            assert [reply.json()["job_id"] for reply in again] == first
            assert (await create(house, {**ADA, "Idempotency-Key": "order 4"})).status_code == 429

    run(body())


def test_of_many_in_one_request_those_beyond_the_quota_are_refused_by_themselves(tmp_path: Path):
    async def body():
        async with clients(tmp_path) as house:
            jobs = [{"blueprint": "greet"}, {"blueprint": "none"}, *[{"blueprint": "greet"}] * 4]
            reply = await house.http.post("/api/v1/jobs:submit", headers=ADA, json={"jobs": jobs})
            codes = [item.get("code", 202) for item in reply.json()["results"]]
            assert sorted(codes) == [202, 202, 202, 404, 429, 429]
            assert reply.headers["X-Quota-Remaining"] == "0"

    run(body())
