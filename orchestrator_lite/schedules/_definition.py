"""What a schedule says: which job, and when. Names are those of the official `schedules.toml`, and some more."""

from __future__ import annotations

from datetime import time as time_of_day
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from orchestrator_lite.engine.calendar import Cron, Daily, Interval, Rule, next_after, zone
from orchestrator_lite.engine.json_values import copied

DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LONGEST: Final = 10 * 366 * 86_400
"""Seconds; what lies further ahead is a mistake."""


def _day(value: object) -> object:
    """A day of the week by its first three letters, as officially, whatever their case; or written out."""
    word = value.strip().lower() if isinstance(value, str) else ""
    if len(word) >= 3 and (found := [day for day in DAYS if day == word or day[:3] == word]):
        return found[0][:3]
    raise PydanticCustomError("day", "is no day of the week: mon, tue, wed, thu, fri, sat, sun")


def _time(value: str) -> str:
    try:
        read = time_of_day.fromisoformat(value)
    except ValueError as error:
        raise PydanticCustomError("time", "is no time of day: HH:MM or HH:MM:SS") from error
    return read.isoformat("seconds" if read.second else "minutes")


def _zone(value: str) -> str:
    try:
        zone(value)
    except ValueError as error:
        raise PydanticCustomError("zone", "is no time zone: give an IANA name such as Europe/Berlin") from error
    return value


def _cron(value: str) -> str:
    try:
        never = next_after(Cron(expression=value), 0.0) is None
    except ValueError as error:
        raise PydanticCustomError("cron", "is no cron expression: five fields, such as 0 3 * * MON-FRI") from error
    if never:
        raise PydanticCustomError("cron", "is never due")
    return value


def _date(value: int) -> int:
    if value == 0:
        raise PydanticCustomError("date", "is no day of a month: 1 to 31, or -1 (its last) to -31")
    return value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise PydanticCustomError("name", "holds characters that cannot be printed")
    return value


Name = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_printable)]
Time = Annotated[str, Field(max_length=8, pattern=r"^\d\d:\d\d(:\d\d)?$"), AfterValidator(_time)]
Day = Annotated[str, BeforeValidator(_day), WithJsonSchema({"type": "string", "enum": [day[:3] for day in DAYS]})]
Date = Annotated[int, Field(strict=True, ge=-31, le=31), AfterValidator(_date)]
Seconds = Annotated[float, Field(gt=0, le=LONGEST, allow_inf_nan=False)]

Data = Annotated[dict[str, Any], AfterValidator(copied)]


class Definition(BaseModel):
    """A schedule as it is given.

    Attributes:
        name: What it is called; a client's schedules have different ones.
        blueprint: Which blueprint its jobs run.
        input_data: Their `initial_data`.
        interval_seconds: Due every so many seconds, the first time at once.
        daily_at: Due at this time of day, `HH:MM` or `HH:MM:SS`.
        weekly_days: Only on these days of the week, at `time`.
        monthly_dates: Only on these days of the month, at `time`; -1 is the last. Months without one pass it over.
        time: The time of day for `weekly_days` and `monthly_dates`; alone the same as `daily_at`.
        cron: Due as a cron expression of five fields says (six: seconds first), or `@daily` and its like.
        timezone: IANA name of the zone of all of these; default: the server's setting.
        dispatch_timeout: Seconds a task of such a job may wait for a worker.
        result_timeout: Seconds within which such a job must have ended.
        webhook_url: Where the end of such a job is reported.
        priority: What the priorities of its tasks are raised by; higher goes first.
        metadata: Kept in the job's own metadata.
        catch_up: What becomes of times that were missed while the server was down: `latest` runs once for all of them,
            `all` once for each (the last hundred), `none` for none.
        overlap: Whether it runs while its last job still does: `allow` or `skip`.
        enabled: Off: it is paused from the beginning.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    blueprint: Annotated[str, Field(min_length=1, max_length=256)]
    input_data: Data = Field(default_factory=dict)
    interval_seconds: Annotated[float, Field(ge=1, le=LONGEST, allow_inf_nan=False)] | None = None
    daily_at: Time | None = None
    weekly_days: Annotated[list[Day], Field(min_length=1, max_length=7)] | None = None
    monthly_dates: Annotated[list[Date], Field(min_length=1, max_length=62)] | None = None
    time: Time | None = None
    cron: Annotated[str, Field(max_length=256), AfterValidator(_cron)] | None = None
    timezone: Annotated[str, Field(max_length=64), AfterValidator(_zone)] = "UTC"
    dispatch_timeout: Seconds | None = None
    result_timeout: Seconds | None = None
    webhook_url: Annotated[str, Field(max_length=2048, pattern=r"^https?://")] | None = None
    priority: Annotated[float, Field(ge=-1_000_000, le=1_000_000, allow_inf_nan=False)] | None = None
    metadata: Data = Field(default_factory=dict)
    catch_up: Literal["latest", "all", "none"] = "latest"
    overlap: Literal["allow", "skip"] = "allow"
    enabled: bool = Field(default=True, strict=True)

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        """Exactly one way to say when."""
        clock = self.daily_at or self.time or self.weekly_days or self.monthly_dates
        if sum(way is not None for way in (self.interval_seconds, clock, self.cron)) != 1:
            raise PydanticCustomError(
                "when", "give one of interval_seconds, daily_at, weekly_days or monthly_dates with time, cron"
            )
        if clock and (self.daily_at is None) == (self.time is None):
            raise PydanticCustomError("when", "give the time of day once: time, or daily_at")
        if clock and next_after(self.rule(0.0), 0.0) is None:
            raise PydanticCustomError("when", "these days never come together")
        return self

    def rule(self, anchor: float) -> Rule:
        """When it is due; `anchor` is the first moment of an interval."""
        if self.interval_seconds is not None:
            return Interval(seconds=self.interval_seconds, anchor=anchor)
        if self.cron is not None:
            return Cron(expression=self.cron, zone=self.timezone)
        return Daily(
            at=time_of_day.fromisoformat(self.daily_at or self.time or ""),
            weekdays=_set(number for number, day in enumerate(DAYS) if day[:3] in (self.weekly_days or ())),
            dates=_set(self.monthly_dates or ()),
            zone=self.timezone,
        )

    def when(self) -> dict[str, Any]:
        """The fields that say when, as far as they are given."""
        names = ("interval_seconds", "daily_at", "weekly_days", "monthly_dates", "time", "cron")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def _set(days: Any) -> frozenset[int] | None:
    return frozenset(days) or None
