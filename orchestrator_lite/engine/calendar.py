"""When a schedule is due. Pure: a rule and a moment give the next moment; moments are UTC seconds.

Times of day are those of a time zone. One that the zone skips (clocks go forward, or a whole day is left out) comes at
the first moment after the gap; one that it has twice comes once, at the first. Cron goes by `cronsim`, as Debian's cron
does: times that are fixed come by these same rules, while fields that begin with `*` go on through both repeated hours.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

FARTHEST: Final = 11 * 366
"""Days ahead in which a date is looked for: the rarest, one weekday on a 29th of February, is found only by cron."""

WINDOW: Final = 64.0
"""Seconds before a moment that are searched first for what was due in them; then four times as many."""

NICKNAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Every so many seconds from `anchor` on, which is due itself."""

    seconds: float
    anchor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """A time of day, on all days or some.

    Attributes:
        at: The time.
        weekdays: Monday is 0; None: any.
        dates: Days of the month; -1 is its last, -2 the one before. A month without such a date is passed over.
        zone: Whose time.
    """

    at: time
    weekdays: frozenset[int] | None = None
    dates: frozenset[int] | None = None
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A cron expression of five fields, or six with seconds first, or a nickname such as `@daily`."""

    expression: str
    zone: str = "UTC"


Rule: TypeAlias = Interval | Daily | Cron


def next_after(rule: Rule, at: float) -> float | None:
    """The first moment after `at` at which the rule is due; None: there is none.

    Raises:
        ValueError: The zone or the cron expression makes no sense.
    """
    match rule:
        case Interval():
            return _next_interval(rule, at)
        case Daily():
            return next((moment for moment in _days(rule, at) if moment > at), None)
        case Cron():
            return _next_cron(rule, at)


def following(rule: Rule, at: float, count: int) -> list[float]:
    """The next moments after `at`, `count` at most."""
    found: list[float] = []
    while len(found) < count and (moment := next_after(rule, found[-1] if found else at)) is not None:
        found.append(moment)
    return found


def latest(rule: Rule, since: float, until: float, count: int) -> list[float]:
    """The last moments after `since` and not after `until`, `count` at most, the oldest first.

    However many there were, only the end of the time between is walked through.
    """
    width = WINDOW
    while True:
        begin = max(since, until - width)
        found: deque[float] = deque(maxlen=count)
        moment = next_after(rule, begin)
        while moment is not None and moment <= until:
            found.append(moment)
            moment = next_after(rule, moment)
        if len(found) == count or begin <= since:
            return list(found)
        width *= 4


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo:
    """A time zone by its IANA name.

    Raises:
        ValueError: There is none of that name.
    """
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # OSError: the name is that of a folder of zones
        raise ValueError(f"there is no time zone {name!r}") from error


def _next_interval(rule: Interval, at: float) -> float:
    if at < rule.anchor:
        return rule.anchor
    turn = math.floor((at - rule.anchor) / rule.seconds) + 1
    while (moment := rule.anchor + turn * rule.seconds) <= at:  # what division rounded away
        turn += 1
    return moment


def _days(rule: Daily, at: float) -> Iterator[float]:
    """The rule's moments from shortly before `at` on; equal ones follow each other where a zone leaves a day out."""
    place = zone(rule.zone)
    day = datetime.fromtimestamp(at, place).date() - timedelta(days=2)
    for _ in range(FARTHEST):
        if _is_on(rule, day):
            yield _moment(datetime.combine(day, rule.at), place)
        day += timedelta(days=1)


def _is_on(rule: Daily, day: date) -> bool:
    if rule.weekdays is not None and day.weekday() not in rule.weekdays:
        return False
    if rule.dates is None or day.day in rule.dates:
        return True
    length = ((day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day
    return day.day - length - 1 in rule.dates


def _moment(wall: datetime, place: tzinfo) -> float:
    """The first moment at which clocks of a place show `wall` or, where they skip it, more."""
    high = wall.replace(tzinfo=place, fold=0).timestamp()
    if _shown(high, place) == wall:
        return high
    low = wall.replace(tzinfo=place, fold=1).timestamp()
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _shown(middle, place) >= wall else (middle, high)
    return high


def _shown(at: float, place: tzinfo) -> datetime:
    return datetime.fromtimestamp(at, place).replace(tzinfo=None, fold=0)


def _next_cron(rule: Cron, at: float) -> float | None:
    expression = NICKNAMES.get(rule.expression.strip().lower(), rule.expression)
    try:
        moments = CronSim(expression, datetime.fromtimestamp(math.floor(at), zone(rule.zone)))
    except CronSimError as error:
        raise ValueError(f"{rule.expression!r} is no cron expression: {error}") from error
    # its own order is that of clocks: in a repeated hour it may look back
    return next((moment for one in moments if (moment := one.timestamp()) > at), None)
