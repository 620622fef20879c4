"""The two faces: `Client` for threads, `AsyncClient` for an event loop; same names, arguments, results and errors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from avtomatika_client._calls._retry import Retry
from avtomatika_client._calls._session import UNSET, Session, Timeout, Unset
from avtomatika_client._link import AsyncCaller, AsyncLink, Link, SyncCaller
from avtomatika_client._settings import resolve_client_token, resolve_url
from avtomatika_client._version import __version__
from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock
from avtomatika_client.protocol.headers import CLIENT_TOKEN

if TYPE_CHECKING:
    from types import TracebackType

    from avtomatika_client._resources._async_jobs import AsyncJobs
    from avtomatika_client._resources._blueprints import AsyncBlueprints, Blueprints
    from avtomatika_client._resources._jobs import Jobs
    from avtomatika_client._resources._schedules import AsyncSchedules, Schedules
    from avtomatika_client._resources._skills import AsyncSkills, Skills
    from avtomatika_client._resources._webhooks import AsyncWebhooks, Webhooks
    from avtomatika_client._resources._workers import AsyncWorkers, Workers
    from avtomatika_client._seam import AsyncTransport, SyncTransport
    from avtomatika_client._transport import AsyncHttpClient, HttpClient
    from avtomatika_client.protocol.jobs import ServerStatus
    from avtomatika_client.protocol.overview import Dashboard

DEFAULT_TIMEOUT = 30.0

GATHER: Final = 0.005
"""Seconds in which waits of several threads find each other: they begin one by one."""


class Client:
    """The sync client of an orchestrator; may be shared by threads. Close it, or use it in a `with` block.

    Args:
        url: The orchestrator; else `AVTOMATIKA_URL`, else http://127.0.0.1:8080.
        client_token: Else `AVTOMATIKA_CLIENT_TOKEN`, else, towards this very machine only, the development token.
        timeout: Seconds a call may take in all, retries and queueing included; None: without end.
        retries: Repetitions of a failed call, or a policy. What may have been processed is repeated only when that
            does no harm.
        transport: Used in place of HTTP; closed by its maker.
        http_client: An httpx client of your own to send everything with; never closed here.
        clock: Whose seconds all timeouts are.

    Attributes:
        jobs: Submitting, finding and waiting for jobs.
        schedules: Jobs that begin by themselves.
        skills: What workers can do, and having it done.
        workers: The registered workers.
        webhooks: What jobs report of themselves.
        blueprints: The blueprints it serves.

    Raises:
        ValueError: The URL or the token cannot be used.
    """

    jobs: Jobs
    schedules: Schedules
    skills: Skills
    workers: Workers
    webhooks: Webhooks
    blueprints: Blueprints

    def __init__(
        self,
        url: str | None = None,
        *,
        client_token: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        retries: int | Retry = 2,
        transport: SyncTransport | None = None,
        http_client: HttpClient | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        # Loaded here and not by the first call, nor by whoever only imports the package.
        from avtomatika_client._transport import HttpxSyncTransport

        session = _session(url, client_token, timeout, retries, clock)
        session.facts.gather = GATHER
        ours = transport is None
        link = Link(transport or HttpxSyncTransport(clock=clock, http_client=http_client), ours=ours)
        self._start(SyncCaller(session, link), owner=True)

    @property
    def url(self) -> str:
        """The orchestrator's URL."""
        return self._caller.session.base_url

    def status(self, *, timeout: Timeout = UNSET) -> ServerStatus:
        """How the server is, and what it can do beyond the seed protocol (`GET /_public/status`).

        Args:
            timeout: Total deadline in seconds.

        Raises:
            AvtomatikaError: See `avtomatika_client.errors`.
        """
        from avtomatika_client._calls import jobs

        return self._caller.run(jobs.status(self._caller.session, timeout))

    def dashboard(self, *, timeout: Timeout = UNSET) -> Dashboard:
        """How much there is on the server: workers, jobs, tasks (`GET /api/v1/dashboard`).

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server has no dashboard.
        """
        from avtomatika_client._calls import overview

        return self._caller.run(overview.dashboard(self._caller.session, timeout))

    def metrics(self, *, timeout: Timeout = UNSET) -> str:
        """The server's metrics in the Prometheus text format (`GET /_public/metrics`).

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server tells none, as official ones.
        """
        from avtomatika_client._calls import overview

        return self._caller.run(overview.metrics(self._caller.session, timeout))

    def flush_db(self, *, timeout: Timeout = UNSET) -> None:
        """Have the server forget everything: jobs, workers, files (`POST /_public/debug/flush_db`).

        Official servers that still know it forget their clients as well: tokens are refused until they are loaded anew.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            PermissionDeniedError: The server is not in development mode.
            NotSupportedByServerError: The server does not know it, as official ones since 1.0b30.
        """
        from avtomatika_client._calls import overview

        self._caller.run(overview.flush_db(self._caller.session, timeout))

    @property
    def docs_url(self) -> str:
        """Where the server's interactive documentation is (`GET /_public/docs`)."""
        return f"{self.url}/_public/docs"

    def with_options(self, *, timeout: Timeout = UNSET, retries: int | Retry | Unset = UNSET) -> Self:
        """A cheap copy with other defaults that shares the connections; closing it closes nothing.

        Args:
            timeout: Seconds a call may take in all; None: without end.
            retries: Repetitions of a failed call, or a policy.
        """
        copy = type(self).__new__(type(self))
        copy._start(SyncCaller(_with(self._caller.session, timeout, retries), self._caller.link), owner=False)  # noqa: SLF001
        return copy

    def close(self) -> None:
        """Close the connections; does nothing the second time."""
        if self._owner:
            self._caller.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"

    def _start(self, caller: SyncCaller, *, owner: bool) -> None:
        from avtomatika_client._resources._blueprints import Blueprints
        from avtomatika_client._resources._jobs import Jobs
        from avtomatika_client._resources._schedules import Schedules
        from avtomatika_client._resources._skills import Skills
        from avtomatika_client._resources._webhooks import Webhooks
        from avtomatika_client._resources._workers import Workers

        self._caller = caller
        self._owner = owner
        self.jobs = Jobs(caller)
        self.schedules = Schedules(caller)
        self.skills = Skills(caller)
        self.workers = Workers(caller)
        self.webhooks = Webhooks(caller)
        self.blueprints = Blueprints(caller)


class AsyncClient:
    """The async client of an orchestrator; belongs to the loop that first uses it. Use it in an `async with` block.

    Args:
        url: The orchestrator; else `AVTOMATIKA_URL`, else http://127.0.0.1:8080.
        client_token: Else `AVTOMATIKA_CLIENT_TOKEN`, else, towards this very machine only, the development token.
        timeout: Seconds a call may take in all, retries and queueing included; None: without end.
        retries: Repetitions of a failed call, or a policy. What may have been processed is repeated only when that
            does no harm.
        transport: Used in place of HTTP; closed by its maker.
        http_client: An httpx client of your own to send everything with; never closed here.
        clock: Whose seconds all timeouts are.

    Attributes:
        jobs: Submitting, finding and waiting for jobs.
        schedules: Jobs that begin by themselves.
        skills: What workers can do, and having it done.
        workers: The registered workers.
        webhooks: What jobs report of themselves.
        blueprints: The blueprints it serves.

    Raises:
        ValueError: The URL or the token cannot be used.
    """

    jobs: AsyncJobs
    schedules: AsyncSchedules
    skills: AsyncSkills
    workers: AsyncWorkers
    webhooks: AsyncWebhooks
    blueprints: AsyncBlueprints

    def __init__(
        self,
        url: str | None = None,
        *,
        client_token: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        retries: int | Retry = 2,
        transport: AsyncTransport | None = None,
        http_client: AsyncHttpClient | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        # Loaded here and not by the first call, where it would hold up the loop.
        from avtomatika_client._transport import HttpxTransport

        session = _session(url, client_token, timeout, retries, clock)
        ours = transport is None
        link = AsyncLink(transport or HttpxTransport(clock=clock, fast=True, http_client=http_client), ours=ours)
        self._start(AsyncCaller(session, link), owner=True)

    @property
    def url(self) -> str:
        """The orchestrator's URL."""
        return self._caller.session.base_url

    async def status(self, *, timeout: Timeout = UNSET) -> ServerStatus:
        """How the server is, and what it can do beyond the seed protocol (`GET /_public/status`).

        Args:
            timeout: Total deadline in seconds.

        Raises:
            AvtomatikaError: See `avtomatika_client.errors`.
        """
        from avtomatika_client._calls import jobs

        return await self._caller.run(jobs.status(self._caller.session, timeout))

    async def dashboard(self, *, timeout: Timeout = UNSET) -> Dashboard:
        """How much there is on the server: workers, jobs, tasks (`GET /api/v1/dashboard`).

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server has no dashboard.
        """
        from avtomatika_client._calls import overview

        return await self._caller.run(overview.dashboard(self._caller.session, timeout))

    async def metrics(self, *, timeout: Timeout = UNSET) -> str:
        """The server's metrics in the Prometheus text format (`GET /_public/metrics`).

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server tells none, as official ones.
        """
        from avtomatika_client._calls import overview

        return await self._caller.run(overview.metrics(self._caller.session, timeout))

    async def flush_db(self, *, timeout: Timeout = UNSET) -> None:
        """Have the server forget everything: jobs, workers, files (`POST /_public/debug/flush_db`).

        Official servers that still know it forget their clients as well: tokens are refused until they are loaded anew.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            PermissionDeniedError: The server is not in development mode.
            NotSupportedByServerError: The server does not know it, as official ones since 1.0b30.
        """
        from avtomatika_client._calls import overview

        await self._caller.run(overview.flush_db(self._caller.session, timeout))

    @property
    def docs_url(self) -> str:
        """Where the server's interactive documentation is (`GET /_public/docs`)."""
        return f"{self.url}/_public/docs"

    def with_options(self, *, timeout: Timeout = UNSET, retries: int | Retry | Unset = UNSET) -> Self:
        """A cheap copy with other defaults that shares the connections; closing it closes nothing.

        Args:
            timeout: Seconds a call may take in all; None: without end.
            retries: Repetitions of a failed call, or a policy.
        """
        copy = type(self).__new__(type(self))
        copy._start(AsyncCaller(_with(self._caller.session, timeout, retries), self._caller.link), owner=False)  # noqa: SLF001
        return copy

    async def close(self) -> None:
        """Close the connections; does nothing the second time."""
        if self._owner:
            await self._caller.close()

    async def aclose(self) -> None:
        """`close`, under the name that async libraries often give it."""
        await self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"

    def _start(self, caller: AsyncCaller, *, owner: bool) -> None:
        from avtomatika_client._resources._async_jobs import AsyncJobs
        from avtomatika_client._resources._blueprints import AsyncBlueprints
        from avtomatika_client._resources._schedules import AsyncSchedules
        from avtomatika_client._resources._skills import AsyncSkills
        from avtomatika_client._resources._webhooks import AsyncWebhooks
        from avtomatika_client._resources._workers import AsyncWorkers

        self._caller = caller
        self._owner = owner
        self.jobs = AsyncJobs(caller)
        self.schedules = AsyncSchedules(caller)
        self.skills = AsyncSkills(caller)
        self.workers = AsyncWorkers(caller)
        self.webhooks = AsyncWebhooks(caller)
        self.blueprints = AsyncBlueprints(caller)


def _session(
    url: str | None, client_token: str | None, timeout: float | None, retries: int | Retry, clock: Clock
) -> Session:
    base_url = resolve_url(url)
    headers = {"accept": "application/json", "user-agent": f"avtomatika-sdk/{__version__}"}
    token = resolve_client_token(client_token, base_url)
    if token is not None:
        headers[CLIENT_TOKEN] = token
    return Session(base_url=base_url, headers=headers, clock=clock, timeout=timeout, retry=_policy(retries))


def _with(session: Session, timeout: Timeout, retries: int | Retry | Unset) -> Session:
    return replace(
        session,
        timeout=session.timeout if isinstance(timeout, Unset) else timeout,
        retry=session.retry if isinstance(retries, Unset) else _policy(retries),
    )


def _policy(retries: int | Retry) -> Retry:
    return retries if isinstance(retries, Retry) else Retry(retries=retries)
