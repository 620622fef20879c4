"""Schedules by the command line."""

from __future__ import annotations

from tests._support.house import serving
from tests.cli._command import piped, shown
from tests.conftest import run
from tests.server.flows import greet


def test_a_schedule_is_made_shown_run_paused_and_deleted():
    async def body():
        async with serving(greet()) as house:
            words = ("--weekly", "mon", "--weekly", "fri", "--time", "09:30", "--timezone", "Europe/Berlin")
            made = await piped(house, "schedules", "create", "reports", "greet", '{"name": "Ada"}', *words)
            assert (made.code, made.err) == (0, "")
            assert made.json["weekly_days"] == ["mon", "fri"]
            ran = await piped(house, "schedules", "run", "reports")
            assert (await house.job(ran.json["id"]))["initial_data"] == {"name": "Ada"}
            table = await shown(house, "schedules", "list")
            assert "mon, fri 09:30 Europe/Berlin" in table.out
            assert ran.json["id"] in table.out
            assert not (await piped(house, "schedules", "pause", "reports")).json["enabled"]
            assert (await piped(house, "schedules", "resume", made.json["id"])).json["enabled"]
            assert (await piped(house, "schedules", "delete", "reports")).code == 0
            assert (await piped(house, "schedules", "list")).json == []

    run(body())


def test_what_goes_wrong_is_one_line():
    async def body():
        async with serving(greet()) as house:
            done = await piped(house, "schedules", "create", "it", "greet", "--cron", "61 * * * *")
            assert (done.code, done.out) == (2, "")
            assert "cron: is no cron expression" in done.said
            done = await piped(house, "schedules", "create", "it", "no-such", "--every", "60")
            assert (done.code, done.said) == (4, "avtomatika: this server has no blueprint 'no-such'")
            done = await piped(house, "schedules", "get", "it")
            assert (done.code, done.said) == (4, "avtomatika: this server has no schedule 'it'")

    run(body())
