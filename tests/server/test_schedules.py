"""Jobs that begin by themselves: over REST, in virtual months."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from avtomatika_client import (
    ConflictError,
    NotFoundError,
    NotSupportedByServerError,
    ValidationFailedError,
)
from avtomatika_worker import Worker, skill
from orchestrator_lite import Blueprint
from orchestrator_lite.testing._errors import NeverEndsError
from orchestrator_lite.testing._orchestrator import TestSettings, VirtualOrchestrator
from orchestrator_lite.testing._time.clock import VirtualClock
from tests.conftest import run
from tests.server.flows import greet

SPRING = datetime(2026, 3, 27, 12, tzinfo=UTC).timestamp()
"""Two days before clocks in Berlin go forward."""


def moment(blueprint: str = "moment") -> Blueprint:
    """Ends at once."""
    flow = Blueprint(blueprint, api_endpoint=f"/jobs/{blueprint}")

    @flow.handler(is_start=True, is_end=True)
    async def finished(initial_data):
        return initial_data

    return flow


def virtually(body, *blueprints, start=SPRING, **settings):
    """Run a test in a server of its own whose time begins at `start`."""

    async def whole():
        lite = VirtualOrchestrator(
            blueprints or [moment()], clock=VirtualClock(start), settings=TestSettings(**settings)
        )
        async with lite, lite.client() as client:
            await body(lite, client)

    run(whole())


async def begun(client, count=50) -> list[str]:
    """When jobs were due that have begun, the oldest first."""
    page = await client.jobs.list(limit=count).first_page()
    jobs = [(await client.jobs.get(job.id)).state for job in page.items]
    return [job.metadata["due"] for job in reversed(jobs)]


def test_a_daily_job_begins_every_day_at_its_time_whatever_the_clocks_do():
    async def body(lite, client):
        made = await client.schedules.create(
            "nightly", "moment", {"n": 1}, daily_at="02:30", timezone="Europe/Berlin", result_timeout=60
        )
        assert made.next_run_at == datetime(2026, 3, 28, 1, 30, tzinfo=UTC).timestamp()
        await lite.clock.advance(days=3)
        assert await begun(client) == [
            "2026-03-28T01:30:00+00:00",
            "2026-03-29T01:00:00+00:00",
            "2026-03-30T00:30:00+00:00",
        ]
        job = (await client.jobs.list().first_page()).items[0]
        state = (await client.jobs.get(job.id)).state
        assert (state.result, state.initial_data) == ({"n": 1}, {"n": 1})
        assert state.metadata["source"] == "scheduler:nightly"
        assert state.metadata["schedule_id"] == made.id
        history = await client.jobs.handle(job.id).history()
        assert [event.event_type for event in history][:3] == ["job_created", "worker_event:scheduled", "state_started"]
        assert history[1].context_snapshot["schedule"] == "scheduler:nightly"
        runs = (await client.schedules.get("nightly")).last_runs
        assert runs[0].job_id == job.id
        assert len(runs) == 3

    virtually(body)


def test_thirty_days_of_every_way_to_say_when():
    async def body(lite, client):
        ways = {
            "hourly": ({"interval_seconds": 3600}, 721),  # the first at once
            "daily": ({"time": "04:00"}, 30),
            "weekly": ({"weekly_days": ["Mon", "friday"], "time": "04:00"}, 8),
            "monthly": ({"monthly_dates": [1, -1, 31], "time": "04:00"}, 2),
            "cron": ({"cron": "0 4 * * SAT"}, 5),
        }
        for name, (when, _) in ways.items():
            await client.schedules.create(name, "moment", {"name": name}, **when)
        await lite.clock.advance(days=30)
        pager = client.jobs.list(limit=500)
        names = [(await client.jobs.get(job.id)).state.initial_data["name"] async for job in pager]
        assert {name: names.count(name) for name in ways} == {name: count for name, (_, count) in ways.items()}

    virtually(body)


def test_pause_and_resume_leave_out_what_was_due_meanwhile():
    async def body(lite, client):
        await client.schedules.create("hourly", "moment", cron="0 * * * *")
        await lite.clock.advance(hours=1)
        assert not (await client.schedules.pause("hourly")).enabled
        assert (await client.schedules.pause("hourly")).next_run_at is None
        await lite.clock.advance(hours=5)
        resumed = await client.schedules.resume("hourly")
        assert resumed.enabled
        assert resumed.next_run_at == SPRING + 7 * 3600
        await lite.clock.advance(hours=1)
        assert await begun(client) == ["2026-03-27T13:00:00+00:00", "2026-03-27T19:00:00+00:00"]

    virtually(body)


def test_run_begins_one_now_even_while_paused_and_leaves_the_times_as_they_are():
    async def body(lite, client):
        before = await client.schedules.create("nightly", "moment", {"n": 2}, daily_at="03:00", enabled=False)
        assert before.next_runs == []
        job = await client.schedules.run("nightly")
        assert await job.result() == {"n": 2}
        after = await client.schedules.get(before.id)
        assert [(run.due, run.job_id) for run in after.last_runs] == [(None, job.id)]
        assert not after.enabled
        assert (await job.refresh()).state.metadata["due"] is None

    virtually(body)


def test_the_next_times_are_told():
    async def body(lite, client):
        await client.schedules.create("nightly", "moment", daily_at="02:30", timezone="Europe/Berlin")
        assert len((await client.schedules.get("nightly")).next_runs) == 5
        assert [
            datetime.fromtimestamp(at, UTC).isoformat()
            for at in (await client.schedules.get("nightly", upcoming=2)).next_runs
        ] == ["2026-03-28T01:30:00+00:00", "2026-03-29T01:00:00+00:00"]
        assert (await client.schedules.get("nightly", upcoming=0)).next_runs == []
        with pytest.raises(ValidationFailedError, match="next"):
            await client.schedules.get("nightly", upcoming=101)

    virtually(body)


def test_others_are_answered_while_a_long_list_is_put_together():
    async def body(lite, client):
        for number in range(900):
            await client.schedules.create(f"n{number}", "moment", cron=f"{number % 60} 3 * * *")
        answered = []

        async def asks(name, call):
            await call
            answered.append(name)

        await asyncio.gather(asks("list", client.schedules.list()), asks("status", client.status()))
        assert answered == ["status", "list"]

    virtually(body)


def test_a_changed_schedule_goes_by_its_new_times_and_does_not_run_by_that():
    async def body(lite, client):
        await client.schedules.create("it", "moment", interval_seconds=3600)
        await lite.clock.advance(minutes=90)
        changed = await client.schedules.update("it", interval_seconds=7200, input_data={"n": 3})
        assert changed.next_run_at == pytest.approx(SPRING + 5400 + 7200)
        changed = await client.schedules.update("it", cron="0 4 * * *")
        assert (changed.cron, changed.interval_seconds, changed.input_data) == ("0 4 * * *", None, {"n": 3})
        changed = await client.schedules.update("it", weekly_days=["sun"], time="05:00")
        assert (changed.cron, changed.weekly_days) == (None, ["sun"])
        changed = await client.schedules.update("it", daily_at="06:00", name="renamed", input_data={})
        assert (changed.time, changed.weekly_days, changed.name) == (None, None, "renamed")
        await lite.clock.advance(days=1)
        assert len(await begun(client)) == 3  # two of the interval, one at six
        with pytest.raises(NotFoundError):
            await client.schedules.get("it")

    virtually(body)


def test_the_same_definition_again_is_no_second_schedule_and_another_one_of_its_name_is_refused():
    async def body(lite, client):
        first = await client.schedules.create("it", "moment", daily_at="03:00")
        assert (await client.schedules.create("it", "moment", daily_at="03:00")).id == first.id
        with pytest.raises(ConflictError, match="'it'"):
            await client.schedules.create("it", "moment", daily_at="04:00")
        await client.schedules.create("other", "moment", daily_at="04:00")
        with pytest.raises(ConflictError, match="'it'"):
            await client.schedules.update("other", name="it")
        assert [each.name for each in await client.schedules.list()] == ["it", "other"]

    virtually(body)


def test_a_deleted_schedule_runs_no_more_and_its_jobs_stay():
    async def body(lite, client):
        await client.schedules.create("it", "moment", interval_seconds=60)
        await lite.clock.advance(seconds=61)
        await client.schedules.delete("it")
        await lite.clock.advance(hours=1)
        assert len(await begun(client)) == 2
        with pytest.raises(NotFoundError):
            await client.schedules.delete("it")

    virtually(body)


def test_overlap_skip_waits_for_the_last_job_to_end():
    async def body(lite, client):
        await client.schedules.create("it", "greet", {"name": "Ada"}, interval_seconds=60, overlap="skip")
        await lite.clock.advance(minutes=3, seconds=1)
        (job,) = (await client.jobs.list().first_page()).items
        runs = (await client.schedules.get("it")).last_runs
        assert [run.job_id for run in runs] == [None, None, None, job.id]
        assert runs[0].skipped is not None
        assert job.id in runs[0].skipped
        await client.jobs.handle(job.id).cancel(wait=True)
        await lite.clock.advance(minutes=1)
        assert len((await client.jobs.list().first_page()).items) == 2

    virtually(body, greet())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "give one of interval_seconds"),
        ({"cron": "0 3 * * *", "daily_at": "03:00"}, "give one of"),
        ({"weekly_days": ["mon"]}, "give the time of day once"),
        ({"daily_at": "03:00", "time": "03:00"}, "give the time of day once"),
        ({"daily_at": "25:00"}, "daily_at: is no time of day"),
        ({"daily_at": "3:00"}, "daily_at: "),
        ({"weekly_days": ["someday"], "time": "03:00"}, "weekly_days.0: is no day of the week"),
        ({"weekly_days": [], "time": "03:00"}, "weekly_days: "),
        ({"monthly_dates": [0], "time": "03:00"}, "monthly_dates.0: is no day of a month"),
        ({"monthly_dates": [32], "time": "03:00"}, "monthly_dates.0: "),
        ({"monthly_dates": [True], "time": "03:00"}, "monthly_dates.0: "),
        ({"interval_seconds": 0}, "interval_seconds: "),
        ({"cron": "61 * * * *"}, "cron: is no cron expression"),
        ({"cron": "0 0 31 2 *"}, "cron: is no cron expression"),
        ({"daily_at": "03:00", "timezone": "Mars/Olympus"}, "timezone: is no time zone"),
        ({"daily_at": "03:00", "catch_up": "some"}, "catch_up: "),
        ({"daily_at": "03:00", "enabled": "yes"}, "enabled: "),
        ({"daily_at": "03:00", "webhook_url": "ftp://x"}, "webhook_url: "),
        ({"daily_at": "03:00", "result_timeout": -1}, "result_timeout: "),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(fields, words):
    async def body(lite, client):
        with pytest.raises(ValidationFailedError) as refused:
            await client.schedules.create("it", "moment", **fields)
        assert words in str(refused.value)
        assert await client.schedules.list() == []

    virtually(body)


def test_an_unknown_field_or_blueprint_is_refused():
    async def body(lite, client):
        with pytest.raises(TypeError, match="'dayly_at'"):
            await client.schedules.create("it", "moment", dayly_at="03:00")
        with pytest.raises(NotFoundError, match="nothing"):
            await client.schedules.create("it", "nothing", daily_at="03:00")
        with pytest.raises(ValidationFailedError, match="webhook_url"):
            await client.schedules.create("it", "moment", daily_at="03:00", webhook_url="http://10.0.0.1/x")
        with pytest.raises(ValidationFailedError, match="name"):
            await client.schedules.create("it\n", "moment", daily_at="03:00")

    virtually(body)


def test_the_servers_zone_is_that_of_schedules_that_name_none():
    async def body(lite, client):
        assert (await client.schedules.create("it", "moment", daily_at="03:00")).timezone == "Asia/Kathmandu"

    virtually(body, timezone="Asia/Kathmandu")


def test_a_missing_blueprint_is_told_of_and_the_next_time_is_tried():
    async def body(lite, client):
        await client.schedules.create("it", "moment", interval_seconds=3600)
        await lite.clock.advance(seconds=1)
        lite._site.blueprints._by_name.pop("moment")
        await lite.clock.advance(hours=1)
        assert (await client.schedules.get("it")).last_runs[0].skipped == "blueprint 'moment' is not loaded"
        with pytest.raises(ConflictError, match="not loaded"):
            await client.schedules.run("it")
        lite._site.blueprints._by_name["moment"] = moment()
        await lite.clock.advance(hours=1)
        assert len(await begun(client)) == 2

    virtually(body)


def test_a_wait_in_vain_is_found_out_beside_a_schedule_that_runs_for_ever():
    async def body(lite, client):
        await client.schedules.create("it", "moment", interval_seconds=60)
        job = await client.jobs.submit("greet", {"name": "Ada"})
        with pytest.raises(NeverEndsError, match="no worker"):
            await job.result()
        assert 20 < lite._site.core.schedules.keeper.fires < 30

    virtually(body, moment(), greet())


def test_a_wait_for_the_work_of_a_schedule_is_not_in_vain():
    done = asyncio.Event()

    @skill
    async def greet(name: str) -> None:
        done.set()

    async def body(lite, client):
        async with lite.working(Worker("greeter", skills=[greet])):
            await client.schedules.create("it", "greet", {"name": "Ada"}, cron="0 * * * *")
            await done.wait()
            assert lite.clock.now() >= SPRING + 3600

    virtually(body, globals()["greet"]())


def test_a_server_that_keeps_no_schedules_is_told_apart():
    async def body(lite, client):
        client._caller.session.facts.features = frozenset({"wait"})
        with pytest.raises(NotSupportedByServerError, match="keeps no schedules"):
            await client.schedules.list()

    virtually(body)
