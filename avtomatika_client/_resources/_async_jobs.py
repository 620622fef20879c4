"""Submitting, finding and waiting for jobs: the async face of `_jobs`, kept equal to it by a test."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from avtomatika_client._calls import decisions, jobs as calls, many
from avtomatika_client._calls._completing import Ends
from avtomatika_client._calls._paging import each
from avtomatika_client._calls._session import UNSET, Budget, Timeout
from avtomatika_client._calls._versions import prefix_of
from avtomatika_client._calls.events import Events
from avtomatika_client._calls.jobs import JobRef
from avtomatika_client._calls.submitting import new_job, submit
from avtomatika_client._resources._events import each_event_async
from avtomatika_client._resources._handle import AsyncJobHandle
from avtomatika_client._resources._held import submit_held_async
from avtomatika_client._resources._many import submit_all_async
from avtomatika_client._resources._pager import AsyncPager

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping

    from pydantic import BaseModel

    from avtomatika_client._bodies import Source
    from avtomatika_client._link import AsyncCaller
    from avtomatika_client.protocol._base import JSON
    from avtomatika_client.protocol.watching import JobEvent


AsyncHandles: TypeAlias = list[AsyncJobHandle]


class AsyncJobs:
    """Submitting, finding and waiting for jobs."""

    def __init__(self, caller: AsyncCaller) -> None:
        self._caller = caller

    async def submit(
        self,
        blueprint: str,
        initial_data: Mapping[str, JSON] | BaseModel | None = None,
        *,
        endpoint: str | None = None,
        api_version: str | None = None,
        webhook_url: str | None = None,
        dispatch_timeout: float | None = None,
        result_timeout: float | None = None,
        delay: float | None = None,
        priority: float | None = None,
        max_transitions: int | None = None,
        idempotency_key: str | None = None,
        files: Mapping[str, Source] | None = None,
        timeout: Timeout = UNSET,
    ) -> AsyncJobHandle:
        """Create a job (`POST /api/v1/jobs/{blueprint}`; on 404 or 405 the unversioned form once).

        Towards a server that knows idempotency keys (`idempotency` in its features) it is repeated whatever has become
        of it, and there is one job all the same; towards others only while it is certain that it was not taken.

        Args:
            blueprint: Which blueprint to run.
            initial_data: A JSON object, or a pydantic model of one; what handlers read as `initial_data`.
            endpoint: The blueprint's own path, where it is not `/jobs/{blueprint}`.
            api_version: The blueprint's API version; empty: it has none; None: `v1`, else none.
            webhook_url: Where the server reports the job's end.
            dispatch_timeout: Seconds a task of it may wait for a worker.
            result_timeout: Seconds from now within which the job must have ended.
            delay: Seconds from now until it starts.
            priority: What the priorities of its tasks are raised by; tasks of a higher one are handed out first.
            max_transitions: States it may enter, 1 to 100, before it fails.
            idempotency_key: Whatever is submitted with the same key within 24 hours is the same job: 1 to 255 ASCII
                characters; by default this call has one of its own.
            files: What its handlers and skills find as the job's files: sources by name, as for `job.files.upload`.
                The job is created held, given its files (four at a time) and released; it is cancelled when one of
                these fails, unless an idempotency key was given: then the same call goes on with it.
            timeout: Total deadline of this call in seconds; by default the transfer of files has none.

        Raises:
            NotFoundError: The server has no such blueprint.
            ValidationFailedError: The server refused the data, or a file.
            ValueError: The data is no JSON object, or a file's name or source cannot be used.
            OSError: A file cannot be read.
            ConflictError: The key was used for another job.
            NotSupportedByServerError: The server cannot delay jobs, or whatever else was asked for.
        """
        new = new_job(
            blueprint,
            initial_data,
            endpoint=endpoint,
            api_version=api_version,
            webhook_url=webhook_url,
            dispatch_timeout=dispatch_timeout,
            result_timeout=result_timeout,
            delay=delay,
            priority=priority,
            max_transitions=max_transitions,
            idempotency_key=idempotency_key,
            hold=bool(files),
        )
        if files:
            return AsyncJobHandle(self._caller, await submit_held_async(self._caller, new, files, timeout))
        return AsyncJobHandle(self._caller, await self._caller.run(submit(self._caller.session, new, timeout)))

    async def submit_many(
        self,
        blueprint: str,
        items: Iterable[Mapping[str, JSON] | BaseModel],
        *,
        endpoint: str | None = None,
        api_version: str | None = None,
        webhook_url: str | None = None,
        dispatch_timeout: float | None = None,
        result_timeout: float | None = None,
        delay: float | None = None,
        priority: float | None = None,
        max_transitions: int | None = None,
        idempotency_key: str | None = None,
        timeout: Timeout = UNSET,
    ) -> list[AsyncJobHandle]:
        """Create a job per item; the handles come in the items' order.

        A server that offers it (`submit_many` in its features) gets up to 250 in one request. All items are checked
        before the first one is sent. When a creation fails nothing more is sent, and a note on the error names the jobs
        that were accepted.

        Args:
            blueprint: Which blueprint to run.
            items: The jobs' `initial_data`.
            endpoint: As for `submit`.
            api_version: As for `submit`.
            webhook_url: As for `submit`.
            dispatch_timeout: As for `submit`.
            result_timeout: As for `submit`.
            delay: As for `submit`.
            priority: As for `submit`.
            max_transitions: As for `submit`.
            idempotency_key: As for `submit`, for all items in their order: when the same call is made again, those that
                were accepted before are the same jobs.
            timeout: Seconds for all of them; by default each request has the client's own.

        Raises:
            AvtomatikaError: As for `submit`.
        """
        make = partial(
            new_job,
            blueprint,
            endpoint=endpoint,
            api_version=api_version,
            webhook_url=webhook_url,
            dispatch_timeout=dispatch_timeout,
            result_timeout=result_timeout,
            delay=delay,
            priority=priority,
            max_transitions=max_transitions,
        )
        new_jobs = many.numbered(self._caller.session, [make(item) for item in items], idempotency_key)
        return await submit_all_async(self._caller, new_jobs, timeout)

    async def get(self, job_id: str, *, api_version: str | None = None, timeout: Timeout = UNSET) -> AsyncJobHandle:
        """A job, with its state read.

        Args:
            job_id: Its id.
            api_version: As for `submit`.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: The server does not know the job.
        """
        return await self.handle(job_id, api_version=api_version).refresh(timeout=timeout)

    def handle(self, job_id: str, *, api_version: str | None = None) -> AsyncJobHandle:
        """A job by its id, without asking the server.

        Args:
            job_id: Its id, as `str(handle)` gave it.
            api_version: As for `submit`.
        """
        return AsyncJobHandle(self._caller, JobRef(str(job_id), prefix_of(api_version)))

    async def quarantined(self, *, timeout: Timeout = UNSET) -> AsyncHandles:
        """The client's quarantined jobs, newest first, a hundred at most; `state.quarantine` tells why.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server has no such list.
        """
        found = await self._caller.run(decisions.quarantined(self._caller.session, timeout))
        return [AsyncJobHandle(self._caller, JobRef(job.id), job) for job in found]

    def events(self, *, after: str | None = None, timeout: float | None = None) -> AsyncIterator[JobEvent]:
        """What happens to all the client's jobs, from now on and as it happens; it has no end of its own.

        Lost connections and restarts of the server are outlasted; what is durable is told once.

        Args:
            after: The `id` of an event: go on behind it; "0": from the very first.
            timeout: Seconds; None: for ever.

        Raises:
            NotSupportedByServerError: The server does not tell; raised when the first event is asked for.
            WaitTimeout: The time was up.
        """
        session = self._caller.session
        return each_event_async(self._caller, Events(session, None, Budget(session.clock, timeout), after))

    def as_completed(
        self, jobs: Iterable[AsyncJobHandle], *, timeout: float | None = None
    ) -> AsyncIterator[AsyncJobHandle]:
        """The jobs, each as soon as it has ended, well or not.

        Args:
            jobs: Handles of this client; a job that is named twice comes once.
            timeout: Seconds for all of them from now; None: as long as it takes.

        Raises:
            WaitTimeout: The time was up before all had ended.
        """
        return self._completed({job.id: job for job in jobs}, Budget(self._caller.session.clock, timeout))

    async def _completed(self, jobs: dict[str, AsyncJobHandle], budget: Budget) -> AsyncIterator[AsyncJobHandle]:
        ends = Ends(self._caller.session, [job._ref for job in jobs.values()], budget)  # noqa: SLF001
        while ends:
            ref, state = await self._caller.run(ends.next())
            yield jobs[ref.id]._took(state)  # noqa: SLF001

    def list(
        self,
        *,
        limit: int = 50,
        status: str | Collection[str] | None = None,
        blueprint: str | None = None,
        created_after: float | datetime | None = None,
        created_before: float | datetime | None = None,
        cursor: str | None = None,
        timeout: Timeout = UNSET,
    ) -> AsyncPager[AsyncJobHandle]:
        """The client's own jobs, newest first (`GET /api/v1/jobs`); their handles know what the list tells of them.

        Args:
            limit: How many jobs a page holds; all are fetched, page by page, as they are gone through.
            status: Only jobs with this status, or with one of these.
            blueprint: Only jobs of this blueprint.
            created_after: Only jobs created then or later: a time, or UTC seconds.
            created_before: Only jobs created earlier.
            cursor: Begin with this page: the `cursor` of the one before.
            timeout: Total deadline in seconds of fetching one page.

        Raises:
            NotSupportedByServerError: The server has no such list, or cannot narrow it so; raised when the first page
                is fetched.
        """
        fetch = calls.pages_of_jobs(
            self._caller.session,
            limit=limit,
            status=status,
            blueprint=blueprint,
            created_after=created_after,
            created_before=created_before,
            begin=cursor,
            timeout=timeout,
        )
        return AsyncPager(self._caller, each(fetch, lambda job: self.handle(job.id)._listed(job)))  # noqa: SLF001
