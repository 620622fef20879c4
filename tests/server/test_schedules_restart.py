"""Schedules across restarts, failures and clocks that are set: nothing runs twice, nothing is left out."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from avtomatika_client import ConflictError, NotFoundError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock
from orchestrator_lite import Orchestrator, Settings
from orchestrator_lite.schedules import SchedulesFileError
from orchestrator_lite.store import StoreUnavailable
from orchestrator_lite.store.sqlite import SqliteStore
from tests._support.house import until
from tests.conftest import run
from tests.server.test_schedules import moment

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3600.0
NOON = datetime(2026, 6, 1, 12, 0, 30, tzinfo=UTC).timestamp()


class SetClock(Clock):
    """The machine's clock, set to another time of day."""

    def __init__(self, at: float) -> None:
        self.set(at)

    def set(self, at: float) -> None:
        self._ahead = at - SYSTEM_CLOCK.now()

    def now(self) -> float:
        return SYSTEM_CLOCK.now() + self._ahead


class FailingStore(SqliteStore):
    """One whose notes cannot be written while `failing`, as on a disk that has just become full."""

    failing = False
    failed = 0

    async def put_notes(self, notes):
        if self.failing:
            self.failed += 1
            raise StoreUnavailable("disk full")
        await super().put_notes(notes)


class Place:
    """A database that servers of different times are started on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SetClock(NOON)
        self.store = FailingStore(str(folder / "lite.db"))
        self.file = folder / "schedules.toml"

    @asynccontextmanager
    async def server(self, at: float | None = None, *, failing: bool = False):
        if at is not None:
            self.clock.set(at)
        self.store = FailingStore(str(self.folder / "lite.db"))
        self.store.failing = failing
        settings = Settings(schedules_file=self.file if self.file.exists() else None)
        lite = Orchestrator([moment()], store=self.store, settings=settings, clock=self.clock)
        async with lite, lite.client() as client:
            yield lite, client


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def hours(*numbers: int) -> list[str]:
    return [f"2026-06-01T{number:02}:00:00+00:00" for number in numbers]


async def dues(client) -> list[str]:
    """Of the jobs there are, the oldest first."""
    page = await client.jobs.list(limit=500).first_page()
    return [(await client.jobs.get(job.id)).state.metadata["due"] for job in reversed(page.items)]


async def expect(client, *numbers: int) -> None:
    """These hours have run, each once."""
    wanted = hours(*numbers)
    await until_true(lambda: dues(client), wanted)


async def next_run(client) -> float | None:
    return (await client.schedules.get("hourly")).next_run_at


async def until_true(read, wanted) -> None:
    for _ in range(400):
        if (found := await read()) == wanted:
            return
        await SYSTEM_CLOCK.sleep(0.01)
    assert found == wanted


@pytest.mark.parametrize(
    ("catch_up", "expected"), [("latest", [15]), ("all", [13, 14, 15]), ("none", [])], ids=["latest", "all", "none"]
)
def test_what_was_missed_while_the_server_was_down_is_caught_up_with_as_asked(place, catch_up, expected):
    async def body():
        async with place.server() as (_, client):
            await client.schedules.create("hourly", "moment", cron="0 * * * *", catch_up=catch_up)
        async with place.server(NOON + 3.5 * HOUR) as (_, client):
            await expect(client, *expected)
            await until_true(lambda: next_run(client), NOON - 30 + 4 * HOUR)  # noted after the job
        async with place.server() as (_, client):
            await expect(client, *expected)

    run(body())


def test_a_server_that_is_up_again_in_time_runs_what_is_a_moment_late(place):
    async def body():
        async with place.server() as (_, client):
            await client.schedules.create("hourly", "moment", cron="0 * * * *", catch_up="none")
        async with place.server(NOON + HOUR) as (_, client):  # thirty seconds past
            await expect(client, 13)

    run(body())


def test_killed_between_the_job_and_the_note_of_it_it_runs_once(place):
    async def body():
        async with place.server() as (_, client):
            await client.schedules.create("hourly", "moment", cron="0 * * * *")
        async with place.server(NOON + HOUR, failing=True) as (_, client):
            await until(lambda: place.store.failed > 0)
            await expect(client, 13)
        async with place.server() as (_, client):
            (found,) = (await client.schedules.get("hourly")).last_runs
            page = await client.jobs.list().first_page()
            assert [job.id for job in page.items] == [found.job_id]
            await expect(client, 13)

    run(body())


def test_while_it_cannot_be_noted_the_run_is_not_repeated(place):
    async def body():
        async with place.server() as (lite, client):
            await client.schedules.create("hourly", "moment", cron="0 * * * *")
            place.store.failing = True
            place.clock.set(NOON + HOUR)
            lite._site.core.schedules.book.changed.set()
            await until(lambda: place.store.failed >= 2)
            place.store.failing = False
            await until_true(lambda: last_runs(client), 1)
            await expect(client, 13)

    async def last_runs(client):
        return len((await client.schedules.get("hourly")).last_runs)

    run(body())


def test_a_clock_that_is_set_back_repeats_nothing_and_one_set_forward_catches_up(place):
    async def body():
        async with place.server() as (lite, client):
            book = lite._site.core.schedules.book
            await client.schedules.create("hourly", "moment", cron="0 * * * *")
            place.clock.set(NOON + 2 * HOUR)
            book.changed.set()
            await expect(client, 14)
            place.clock.set(NOON + 0.5 * HOUR)  # back
            book.changed.set()
            await until_true(lambda: next_run(client), NOON - 30 + HOUR)
            place.clock.set(NOON + HOUR)
            book.changed.set()
            await expect(client, 13, 14)  # it had been jumped over
            place.clock.set(NOON + 2 * HOUR)
            book.changed.set()
            await until_true(lambda: next_run(client), NOON - 30 + 3 * HOUR)
            await expect(client, 13, 14)

    async def next_run(client):
        return (await client.schedules.get("hourly")).next_run_at

    run(body())


OFFICIAL = """
title = "no table, and passed over"

[nightly]
blueprint = "moment"
daily_at = "02:00"
input_data = { source = "nightly", days = 2026-01-01 }
dispatch_timeout = 60
result_timeout = 3600
unheard_of = 1

[heartbeat]
blueprint = "moment"
interval_seconds = 3600

[reports]
blueprint = "moment"
weekly_days = ["mon", "fri"]
time = "09:30"

[invoices]
blueprint = "moment"
monthly_dates = [1, 15]
time = "08:00"
"""


def test_the_official_file_is_read_as_it_is_and_kept_to(place):
    async def body():
        place.file.write_text(OFFICIAL)
        async with place.server() as (_, client):
            found = {each.name: each for each in await client.schedules.list()}
            assert set(found) == {"nightly", "heartbeat", "reports", "invoices"}
            nightly = found["nightly"]
            assert (nightly.source, nightly.result_timeout) == ("file", 3600)
            assert nightly.input_data == {"source": "nightly", "days": "2026-01-01"}
            await until_true(lambda: jobs(client), 1)  # the interval, at once
            for change in (
                client.schedules.delete("nightly"),
                client.schedules.update("nightly", daily_at="03:00"),
            ):
                with pytest.raises(ConflictError, match=r"schedules\.toml"):
                    await change
            await client.schedules.pause("reports")
        async with place.server() as (_, client):  # unchanged: nothing runs, what was paused stays so
            again = {each.name: each for each in await client.schedules.list()}
            assert {each.id for each in again.values()} == {each.id for each in found.values()}
            assert not again["reports"].enabled
            assert await jobs(client) == 1
        place.file.write_text('[heartbeat]\nblueprint = "moment"\ninterval_seconds = 7200\nclient = "dev"\n')
        async with place.server() as (_, client):
            (only,) = await client.schedules.list()
            assert (only.id, only.interval_seconds) == (found["heartbeat"].id, 7200)
            assert len(only.last_runs) == 1
            assert await jobs(client) == 1, "a change does not make it run"
        place.file.unlink()
        async with place.server() as (_, client):
            assert await client.schedules.list() == []

    async def jobs(client):
        return len((await client.jobs.list().first_page()).items)

    run(body())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a]\nblueprint = 5\ndaily_at = '03:00'", "a.blueprint: Input should be a valid string"),
        ("[a]\ndaily_at = '03:00'", "a.blueprint: Field required"),
        ("[a]\nblueprint = 'x'", "a: give one of interval_seconds"),
        ("[a]\nblueprint = 'x'\nweekly_days = ['someday']\ntime = '03:00'", "a.weekly_days.0: is no day of the week"),
        ("[a]\nblueprint = 'x'\ndaily_at = '03:00'\nclient = 'nobody'", "a.client: there is no client 'nobody'"),
        ("[a\n", "this is no TOML"),
    ],
)
def test_a_file_that_makes_no_sense_is_one_line(place, text, words):
    async def body():
        place.file.write_text(text)
        with pytest.raises(SchedulesFileError) as refused:
            async with place.server():
                pass
        assert str(refused.value).startswith(f"{place.file}: {words}")
        assert "\n" not in str(refused.value)

    run(body())


def test_clients_see_and_change_their_own_alone(place):
    async def body():
        (place.folder / "clients.toml").write_text(
            '[one]\ntoken = "token-of-one"\nplan = "free"\n\n[two]\ntoken = "token-of-two"\nplan = "free"\n'
        )
        settings = Settings(clients_file=place.folder / "clients.toml", worker_token="worker-token-1")
        async with (
            Orchestrator([moment()], store="memory", settings=settings) as lite,
            lite.client(client_token="token-of-one") as one,
            lite.client(client_token="token-of-two") as two,
        ):
            made = await one.schedules.create("it", "moment", daily_at="03:00")
            assert await two.schedules.list() == []
            assert (await two.schedules.create("it", "moment", daily_at="04:00")).id != made.id
            for call in (two.schedules.get, two.schedules.pause, two.schedules.run, two.schedules.delete):
                with pytest.raises(NotFoundError):
                    await call(made.id)
            job = await one.schedules.run("it")
            await job.result()
            assert (await two.jobs.list().first_page()).items == []

    run(body())
