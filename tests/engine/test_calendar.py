"""When schedules are due, in every zone's own odd hours."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, strategies as st

from orchestrator_lite.engine.calendar import Cron, Daily, Interval, following, latest, next_after, zone

TURNS = {
    "Europe/Berlin": [date(2026, 3, 29), date(2026, 10, 25)],
    "America/New_York": [date(2026, 3, 8), date(2026, 11, 1)],
    "Australia/Lord_Howe": [date(2026, 4, 5), date(2026, 10, 4)],  # half an hour
    "Pacific/Apia": [date(2011, 12, 30), date(2011, 4, 2)],  # a day that never was
    "Asia/Kathmandu": [date(1986, 1, 1), date(2026, 1, 1)],  # 15 minutes forward, once
    "Africa/Casablanca": [date(2026, 2, 15), date(2026, 3, 22)],
    "UTC": [date(2026, 1, 1)],
}
"""Days around which clocks of a zone are changed."""

places = st.sampled_from([(name, day) for name, days in TURNS.items() for day in days])
times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 59]))


def midday(day: date, days: int = 0) -> float:
    return datetime.combine(day + timedelta(days=days), time(12), UTC).timestamp()


def shown(at: float, place: str) -> datetime:
    return datetime.fromtimestamp(at, zone(place)).replace(tzinfo=None, fold=0)


def first_shown(wall: datetime, place: str) -> float:
    """The first minute at which clocks of a place show a time, or more; found by looking at every minute."""
    at = wall.replace(tzinfo=UTC).timestamp() - 26 * 3600
    while shown(at, place) < wall:
        at += 60
    return at


def local(place: str, rule, start: str, count: int) -> list[str]:
    begin = datetime.fromisoformat(start).timestamp()
    return [datetime.fromtimestamp(at, zone(place)).isoformat() for at in following(rule, begin, count)]


@given(places, times)
@example(("Europe/Berlin", date(2026, 3, 29)), time(2, 30))
@example(("Europe/Berlin", date(2026, 10, 25)), time(2, 30))
@example(("Pacific/Apia", date(2011, 12, 30)), time(0, 0))
def test_a_time_of_day_is_the_first_moment_at_which_clocks_show_it_or_more(place, at):
    name, turn = place
    rule = Daily(at=at, zone=name)
    begin, end = midday(turn, -2), midday(turn, 2)
    days = [turn + timedelta(days=number) for number in range(-4, 5)]
    expected = sorted({first_shown(datetime.combine(day, at), name) for day in days})
    assert [moment for moment in following(rule, begin, 8) if moment <= end] == [
        moment for moment in expected if begin < moment <= end
    ]


@given(places, times)
def test_cron_with_a_fixed_time_is_due_when_that_time_of_day_is(place, at):
    name, turn = place
    begin = midday(turn, -2)
    daily = following(Daily(at=at, zone=name), begin, 5)
    assert following(Cron(expression=f"{at.minute} {at.hour} * * *", zone=name), begin, 5) == daily


@given(
    st.one_of(
        st.builds(Interval, seconds=st.floats(1, 1e6), anchor=st.floats(1.3e9, 1.8e9)),
        st.builds(
            Daily,
            at=times,
            weekdays=st.none() | st.frozensets(st.integers(0, 6), min_size=1),
            dates=st.none() | st.frozensets(st.sampled_from([1, 15, 29, 30, 31, -1, -2, -31]), min_size=1),
            zone=st.sampled_from(list(TURNS)),
        ),
        st.builds(
            Cron,
            expression=st.sampled_from(
                ["*/15 * * * *", "30 2 * * *", "0 0 29 2 *", "5 */7 * * MON-FRI", "0,30 1-3 L * *", "*/20 * * * * *"]
            ),
            zone=st.sampled_from(list(TURNS)),
        ),
    ),
    st.floats(1.3e9, 1.8e9),
)
def test_moments_only_grow_and_none_is_passed_over(rule, at):
    moments = following(rule, at, 4)
    assert moments == sorted(set(moments))
    assert all(moment > at for moment in moments)
    for moment in moments:  # asked from just before, each is found again
        assert next_after(rule, math.nextafter(moment, 0.0)) == moment
    assert latest(rule, at, moments[-1], 3) == moments[-3:]
    assert latest(rule, moments[-1], moments[-1], 3) == []


def test_a_skipped_time_comes_after_the_gap_and_a_repeated_one_once():
    rule = Daily(at=time(2, 30), zone="Europe/Berlin")
    assert local("Europe/Berlin", rule, "2026-03-28T12:00Z", 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]
    assert local("Europe/Berlin", rule, "2026-10-24T12:00Z", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_a_day_that_never_was_comes_when_the_next_begins():
    rule = Daily(at=time(10), dates=frozenset({30}), zone="Pacific/Apia")
    assert local("Pacific/Apia", rule, "2011-12-28T00:00Z", 2) == [
        "2011-12-31T00:00:00+14:00",
        "2012-01-30T10:00:00+14:00",
    ]


def test_cron_with_stars_goes_on_through_both_repeated_hours():
    begin = datetime.fromisoformat("2026-10-24T23:59Z").timestamp()
    moments = following(Cron(expression="*/30 * * * *", zone="Europe/Berlin"), begin, 6)
    assert [after - before for before, after in pairwise(moments)] == [1800.0] * 5


def test_months_without_the_date_are_passed_over_and_minus_one_is_the_last_day():
    rule = Daily(at=time(6), dates=frozenset({31}))
    assert local("UTC", rule, "2026-02-01T00:00Z", 3) == [
        "2026-03-31T06:00:00+00:00",
        "2026-05-31T06:00:00+00:00",
        "2026-07-31T06:00:00+00:00",
    ]
    last = Daily(at=time(6), dates=frozenset({-1}))
    assert [text[:10] for text in local("UTC", last, "2028-01-31T12:00Z", 3)] == [
        "2028-02-29",
        "2028-03-31",
        "2028-04-30",
    ]


def test_days_of_the_week_and_of_the_month_must_both_be_right():
    rule = Daily(at=time(9), weekdays=frozenset({4}), dates=frozenset({13}))
    assert [text[:10] for text in local("UTC", rule, "2026-01-01T00:00Z", 3)] == [
        "2026-02-13",
        "2026-03-13",
        "2026-11-13",
    ]


def test_an_interval_keeps_its_grid_however_late_it_is_asked():
    rule = Interval(seconds=0.1 * 3 * 10, anchor=1.7e9)
    assert next_after(rule, 1.6e9) == 1.7e9
    assert next_after(rule, 1.7e9) == 1.7e9 + 3.0
    assert next_after(rule, 1.7e9 + 3e8 + 1) == 1.7e9 + 3e8 + 3


def test_after_ten_years_only_the_end_is_walked_through():
    minute = Cron(expression="* * * * *", zone="Europe/Berlin")
    assert latest(minute, 1.4e9, 1.8e9 + 30, 2) == [1.8e9 - 60, 1.8e9]
    assert latest(Cron(expression="0 0 29 2 *"), 0.0, 1.8e9, 2) == [
        datetime(2020, 2, 29, tzinfo=UTC).timestamp(),
        datetime(2024, 2, 29, tzinfo=UTC).timestamp(),
    ]


def test_cron_knows_its_nicknames():
    assert next_after(Cron(expression="@daily"), 86_400.5) == 2 * 86_400
    assert next_after(Cron(expression="@Hourly"), 86_400.5) == 86_400 + 3600


@pytest.mark.parametrize("expression", ["", "* * * *", "61 * * * *", "0 0 31 2 *", "x", "@reboot", "* * * * * * *"])
def test_what_is_no_cron_expression_is_refused(expression):
    with pytest.raises(ValueError, match="is no cron expression"):
        next_after(Cron(expression=expression), 0.0)


@pytest.mark.parametrize("name", ["Mars/Olympus", "Europe", "../etc/passwd", "", "/etc/localtime", "Europe/Berlin\0"])
def test_what_is_no_time_zone_is_refused(name):
    with pytest.raises(ValueError, match="there is no time zone"):
        zone(name)
