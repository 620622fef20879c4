"""Schedules as they travel: jobs that begin by themselves (`/api/v1/schedules`, feature `schedules`)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from pydantic import Field

from avtomatika_client.protocol._base import JSON, OpenEnum, Received


class CatchUp(OpenEnum):
    """What becomes of times that were missed while the server was down."""

    LATEST = "latest"
    ALL = "all"
    NONE = "none"


class ScheduleRun(Received):
    """One time a schedule was due.

    Attributes:
        due: When, UTC seconds since 1970; None: it was asked for with `run`.
        at: When the server saw to it.
        job_id: The job that began; None: none did.
        skipped: Why none did.
    """

    due: float | None = None
    at: float
    job_id: str | None = None
    skipped: str | None = None


class Schedule(Received):
    """A schedule.

    Attributes:
        id: Its id.
        name: What it is called; a client's schedules have different ones.
        blueprint: Which blueprint its jobs run.
        source: `api`, or `file`: it stands in the server's `schedules.toml`, which alone can change it.
        enabled: Whether it runs; False: it is paused.
        input_data: The `initial_data` of its jobs.
        interval_seconds: Due every so many seconds.
        daily_at: Due at this time of day.
        weekly_days: Due on these days of the week, at `time`.
        monthly_dates: Due on these days of the month, at `time`; -1 is the last.
        time: The time of day of these.
        cron: Due as this cron expression says.
        timezone: Whose times these are: an IANA name.
        dispatch_timeout: Seconds a task of its jobs may wait for a worker.
        result_timeout: Seconds within which its jobs must have ended.
        webhook_url: Where their end is reported.
        priority: What the priorities of their tasks are raised by.
        metadata: Kept in the jobs' own metadata.
        catch_up: What becomes of times that were missed while the server was down.
        overlap: Whether it runs (`allow`) or not (`skip`) while its last job still does.
        created_at: When it came, UTC seconds since 1970.
        updated_at: When somebody changed it last.
        next_run_at: When it is due next; None: it is paused, or never again.
        next_runs: The next few of those times.
        last_runs: What became of the last times, the newest first.
    """

    id: str
    name: str
    blueprint: str
    source: str = "api"
    enabled: bool = True
    input_data: dict[str, JSON] = Field(default_factory=dict)
    interval_seconds: float | None = None
    daily_at: str | None = None
    weekly_days: list[str] | None = None
    monthly_dates: list[int] | None = None
    time: str | None = None
    cron: str | None = None
    timezone: str = "UTC"
    dispatch_timeout: float | None = None
    result_timeout: float | None = None
    webhook_url: str | None = None
    priority: float | None = None
    metadata: dict[str, JSON] = Field(default_factory=dict)
    catch_up: CatchUp = CatchUp.LATEST
    overlap: str = "allow"
    created_at: float | None = None
    updated_at: float | None = None
    next_run_at: float | None = None
    next_runs: list[float] = Field(default_factory=list)
    last_runs: list[ScheduleRun] = Field(default_factory=list)


class ScheduleFields(TypedDict, total=False):
    """What can be said of a schedule beside its name, blueprint and data; see `Schedule` for what each means.

    One of `interval_seconds`, `cron`, `daily_at`, and `weekly_days` or `monthly_dates` with `time` says when.
    """

    interval_seconds: float | None
    daily_at: str | datetime.time | None
    weekly_days: Sequence[str] | None
    monthly_dates: Sequence[int] | None
    time: str | datetime.time | None
    cron: str | None
    timezone: str | None
    dispatch_timeout: float | None
    result_timeout: float | None
    webhook_url: str | None
    priority: float | None
    metadata: Mapping[str, JSON] | None
    catch_up: Literal["latest", "all", "none"] | None
    overlap: Literal["allow", "skip"] | None
    enabled: bool


class ScheduleChanges(ScheduleFields, total=False):
    """What a schedule may say otherwise. None takes a field back."""

    name: str
    blueprint: str
    input_data: Mapping[str, JSON]
