"""What a server tells of itself: its dashboard, its readiness."""

from __future__ import annotations

from pydantic import Field

from avtomatika_client.protocol._base import Received


class DashboardWorkers(Received):
    """Workers of a server.

    Attributes:
        total: Those that are active.
        by_status: The same by `idle`, `busy`, `draining`; absent from official servers.
    """

    total: int = 0
    by_status: dict[str, int] = Field(default_factory=dict)


class DashboardJobs(Received):
    """Jobs of a server.

    Attributes:
        queued: Those that have not ended.
        finished: Those that ended as `finished`.
        by_status: All by status; absent from official servers.
    """

    queued: int = 0
    finished: int = 0
    by_status: dict[str, int] = Field(default_factory=dict)


class DashboardTasks(Received):
    """Tasks of a server: those that wait for a worker, and those that workers have."""

    queued: int = 0
    leased: int = 0


class DashboardQuota(Received):
    """A client's own quota: jobs a month, how many of them are left, and until when (UTC seconds)."""

    limit: int
    remaining: int
    until: float


class Dashboard(Received):
    """Answer of `GET /api/v1/dashboard` (`spec/avtomatika.md` §5)."""

    workers: DashboardWorkers = Field(default_factory=DashboardWorkers)
    jobs: DashboardJobs = Field(default_factory=DashboardJobs)
    tasks: DashboardTasks | None = None
    quota: DashboardQuota | None = None


class Readiness(Received):
    """Answer of `GET /readyz` and `/livez`: `ready`, `stopping`, `unavailable` or `alive`, and why."""

    status: str
    reason: str | None = None
