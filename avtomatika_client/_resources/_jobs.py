"""Submitting, finding and waiting for jobs."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from avtomatika_client._calls import _waiting as waiting, decisions, jobs as calls
from avtomatika_client._calls._paging import each
from avtomatika_client._calls._session import UNSET, Budget, Timeout
from avtomatika_client._calls._versions import prefix_of
from avtomatika_client._calls.jobs import JobRef, NewJob, new_job
from avtomatika_client._resources._handle import AsyncJobHandle, JobHandle
from avtomatika_client._resources._held import submit_held, submit_held_async
from avtomatika_client._resources._pager import AsyncPager, Pager
from avtomatika_client.protocol.errors import AvtomatikaError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from avtomatika_client._bodies import Source
    from avtomatika_client._link import AsyncCaller, SyncCaller
    from avtomatika_client.protocol._base import JSON

_AT_ONCE = 8


Handles: TypeAlias = list[JobHandle]
AsyncHandles: TypeAlias = list[AsyncJobHandle]


class Jobs:
    """Submitting, finding and waiting for jobs."""

    def __init__(self, caller: SyncCaller) -> None:
        self._caller = caller

    def submit(
        self,
        blueprint: str,
        initial_data: Mapping[str, JSON] | BaseModel | None = None,
        *,
        endpoint: str | None = None,
        api_version: str | None = None,
        webhook_url: str | None = None,
        dispatch_timeout: float | None = None,
        result_timeout: float | None = None,
        files: Mapping[str, Source] | None = None,
        timeout: Timeout = UNSET,
    ) -> JobHandle:
        """Create a job (`POST /api/v1/jobs/{blueprint}`; on 404 or 405 the unversioned form once).

        It is repeated only while it is certain that the server has not taken it.

        Args:
            blueprint: Which blueprint to run.
            initial_data: A JSON object, or a pydantic model of one; what handlers read as `initial_data`.
            endpoint: The blueprint's own path, where it is not `/jobs/{blueprint}`.
            api_version: The blueprint's API version; empty: it has none; None: `v1`, else none.
            webhook_url: Where the server reports the job's end.
            dispatch_timeout: Seconds a task of it may wait for a worker.
            result_timeout: Seconds from now within which the job must have ended.
            files: What its handlers and skills find as the job's files: sources by name, as for `job.files.upload`.
                The job is created held, given its files (four at a time) and released; it is cancelled when one of
                these fails.
            timeout: Total deadline of this call in seconds; by default the transfer of files has none.

        Raises:
            NotFoundError: The server has no such blueprint.
            ValidationFailedError: The server refused the data, or a file.
            ValueError: The data is no JSON object, or a file's name or source cannot be used.
            OSError: A file cannot be read.
            NotSupportedByServerError: The server cannot hold a job until its files are there.
        """
        new = new_job(
            blueprint,
            initial_data,
            endpoint=endpoint,
            api_version=api_version,
            webhook_url=webhook_url,
            dispatch_timeout=dispatch_timeout,
            result_timeout=result_timeout,
            hold=bool(files),
        )
        if files:
            return JobHandle(self._caller, submit_held(self._caller, new, files, timeout))
        return self._submit(new, timeout)

    def submit_many(
        self,
        blueprint: str,
        items: Iterable[Mapping[str, JSON] | BaseModel],
        *,
        endpoint: str | None = None,
        api_version: str | None = None,
        webhook_url: str | None = None,
        dispatch_timeout: float | None = None,
        result_timeout: float | None = None,
        timeout: Timeout = UNSET,
    ) -> list[JobHandle]:
        """Create a job per item; the handles come in the items' order.

        All items are checked before the first one is sent. When a creation fails nothing more is sent, and a note on
        the error names the jobs that were accepted.

        Args:
            blueprint: Which blueprint to run.
            items: The jobs' `initial_data`.
            endpoint: As for `submit`.
            api_version: As for `submit`.
            webhook_url: As for `submit`.
            dispatch_timeout: As for `submit`.
            result_timeout: As for `submit`.
            timeout: Seconds for all of them; by default each creation has the client's own.

        Raises:
            AvtomatikaError: As for `submit`.
        """
        options = _options(endpoint, api_version, webhook_url, dispatch_timeout, result_timeout)
        new_jobs = [new_job(blueprint, item, **options) for item in items]
        budget = None if timeout is UNSET else Budget(self._caller.session.clock, timeout)
        handles: list[JobHandle] = []
        for new in new_jobs:
            try:
                handles.append(self._submit(new, UNSET if budget is None else budget.left))
            except AvtomatikaError as error:
                _note_accepted(error, handles, len(new_jobs))
                raise
        return handles

    def get(self, job_id: str, *, api_version: str | None = None, timeout: Timeout = UNSET) -> JobHandle:
        """A job, with its state read.

        Args:
            job_id: Its id.
            api_version: As for `submit`.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: The server does not know the job.
        """
        return self.handle(job_id, api_version=api_version).refresh(timeout=timeout)

    def handle(self, job_id: str, *, api_version: str | None = None) -> JobHandle:
        """A job by its id, without asking the server.

        Args:
            job_id: Its id, as `str(handle)` gave it.
            api_version: As for `submit`.
        """
        return JobHandle(self._caller, JobRef(str(job_id), prefix_of(api_version)))

    def quarantined(self, *, timeout: Timeout = UNSET) -> Handles:
        """The client's quarantined jobs, newest first, a hundred at most; `state.quarantine` tells why.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server has no such list.
        """
        found = self._caller.run(decisions.quarantined(self._caller.session, timeout))
        return [JobHandle(self._caller, JobRef(job.id), job) for job in found]

    def as_completed(self, jobs: Iterable[JobHandle], *, timeout: float | None = None) -> Iterator[JobHandle]:
        """The jobs, each as soon as it has ended, well or not.

        Args:
            jobs: Handles of this client; a job that is named twice comes once.
            timeout: Seconds for all of them from now; None: as long as it takes.

        Raises:
            WaitTimeout: The time was up before all had ended.
        """
        return self._completed({job.id: job for job in jobs}, Budget(self._caller.session.clock, timeout))

    def _submit(self, new: NewJob, timeout: Timeout) -> JobHandle:
        return JobHandle(self._caller, self._caller.run(calls.submit(self._caller.session, new, timeout)))

    def _completed(self, jobs: dict[str, JobHandle], budget: Budget) -> Iterator[JobHandle]:
        left = deque(job._ref for job in jobs.values())  # noqa: SLF001
        while left:
            ref, state = self._caller.run(waiting.next_ended(self._caller.session, left, budget))
            yield jobs[ref.id]._took(state)  # noqa: SLF001

    def list(
        self,
        *,
        limit: int = 50,
        status: str | None = None,
        blueprint: str | None = None,
        cursor: str | None = None,
        timeout: Timeout = UNSET,
    ) -> Pager[JobHandle]:
        """The client's own jobs, newest first (`GET /api/v1/jobs`); their handles know what the list tells of them.

        Args:
            limit: How many jobs a page holds; all are fetched, page by page, as they are gone through.
            status: Only jobs with this status.
            blueprint: Only jobs of this blueprint.
            cursor: Begin with this page: the `cursor` of the one before.
            timeout: Total deadline in seconds of fetching one page.

        Raises:
            NotSupportedByServerError: The server has no such list; raised when the first page is fetched.
        """
        fetch = calls.pages_of_jobs(
            self._caller.session, limit=limit, status=status, blueprint=blueprint, begin=cursor, timeout=timeout
        )
        return Pager(self._caller, each(fetch, lambda job: self.handle(job.id)._listed(job)))  # noqa: SLF001


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
        files: Mapping[str, Source] | None = None,
        timeout: Timeout = UNSET,
    ) -> AsyncJobHandle:
        """Create a job (`POST /api/v1/jobs/{blueprint}`; on 404 or 405 the unversioned form once).

        It is repeated only while it is certain that the server has not taken it.

        Args:
            blueprint: Which blueprint to run.
            initial_data: A JSON object, or a pydantic model of one; what handlers read as `initial_data`.
            endpoint: The blueprint's own path, where it is not `/jobs/{blueprint}`.
            api_version: The blueprint's API version; empty: it has none; None: `v1`, else none.
            webhook_url: Where the server reports the job's end.
            dispatch_timeout: Seconds a task of it may wait for a worker.
            result_timeout: Seconds from now within which the job must have ended.
            files: What its handlers and skills find as the job's files: sources by name, as for `job.files.upload`.
                The job is created held, given its files (four at a time) and released; it is cancelled when one of
                these fails.
            timeout: Total deadline of this call in seconds; by default the transfer of files has none.

        Raises:
            NotFoundError: The server has no such blueprint.
            ValidationFailedError: The server refused the data, or a file.
            ValueError: The data is no JSON object, or a file's name or source cannot be used.
            OSError: A file cannot be read.
            NotSupportedByServerError: The server cannot hold a job until its files are there.
        """
        new = new_job(
            blueprint,
            initial_data,
            endpoint=endpoint,
            api_version=api_version,
            webhook_url=webhook_url,
            dispatch_timeout=dispatch_timeout,
            result_timeout=result_timeout,
            hold=bool(files),
        )
        if files:
            return AsyncJobHandle(self._caller, await submit_held_async(self._caller, new, files, timeout))
        return await self._submit(new, timeout)

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
        timeout: Timeout = UNSET,
    ) -> list[AsyncJobHandle]:
        """Create a job per item; the handles come in the items' order.

        All items are checked before the first one is sent. When a creation fails nothing more is sent, and a note on
        the error names the jobs that were accepted.

        Args:
            blueprint: Which blueprint to run.
            items: The jobs' `initial_data`.
            endpoint: As for `submit`.
            api_version: As for `submit`.
            webhook_url: As for `submit`.
            dispatch_timeout: As for `submit`.
            result_timeout: As for `submit`.
            timeout: Seconds for all of them; by default each creation has the client's own.

        Raises:
            AvtomatikaError: As for `submit`.
        """
        options = _options(endpoint, api_version, webhook_url, dispatch_timeout, result_timeout)
        new_jobs = [new_job(blueprint, item, **options) for item in items]
        budget = None if timeout is UNSET else Budget(self._caller.session.clock, timeout)
        return await self._submit_all(new_jobs, budget)

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

    async def _submit(self, new: NewJob, timeout: Timeout) -> AsyncJobHandle:
        return AsyncJobHandle(self._caller, await self._caller.run(calls.submit(self._caller.session, new, timeout)))

    async def _completed(self, jobs: dict[str, AsyncJobHandle], budget: Budget) -> AsyncIterator[AsyncJobHandle]:
        left = deque(job._ref for job in jobs.values())  # noqa: SLF001
        while left:
            ref, state = await self._caller.run(waiting.next_ended(self._caller.session, left, budget))
            yield jobs[ref.id]._took(state)  # noqa: SLF001

    async def _submit_all(self, new_jobs: Sequence[NewJob], budget: Budget | None) -> list[AsyncJobHandle]:
        handles: dict[int, AsyncJobHandle] = {}
        errors: list[AvtomatikaError] = []
        work = enumerate(new_jobs)

        async def take() -> None:
            for index, new in work:
                if errors:
                    return
                try:
                    handles[index] = await self._submit(new, UNSET if budget is None else budget.left)
                except AvtomatikaError as error:
                    errors.append(error)

        # A failure stops the others between two creations, not within one: so it is known what was accepted.
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_AT_ONCE, len(new_jobs))):
                group.create_task(take())
        accepted = [handles[index] for index in sorted(handles)]
        if errors:
            _note_accepted(errors[0], accepted, len(new_jobs))
            raise errors[0]
        return accepted

    def list(
        self,
        *,
        limit: int = 50,
        status: str | None = None,
        blueprint: str | None = None,
        cursor: str | None = None,
        timeout: Timeout = UNSET,
    ) -> AsyncPager[AsyncJobHandle]:
        """The client's own jobs, newest first (`GET /api/v1/jobs`); their handles know what the list tells of them.

        Args:
            limit: How many jobs a page holds; all are fetched, page by page, as they are gone through.
            status: Only jobs with this status.
            blueprint: Only jobs of this blueprint.
            cursor: Begin with this page: the `cursor` of the one before.
            timeout: Total deadline in seconds of fetching one page.

        Raises:
            NotSupportedByServerError: The server has no such list; raised when the first page is fetched.
        """
        fetch = calls.pages_of_jobs(
            self._caller.session, limit=limit, status=status, blueprint=blueprint, begin=cursor, timeout=timeout
        )
        return AsyncPager(self._caller, each(fetch, lambda job: self.handle(job.id)._listed(job)))  # noqa: SLF001


def _options(
    endpoint: str | None,
    api_version: str | None,
    webhook_url: str | None,
    dispatch_timeout: float | None,
    result_timeout: float | None,
) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "api_version": api_version,
        "webhook_url": webhook_url,
        "dispatch_timeout": dispatch_timeout,
        "result_timeout": result_timeout,
    }


def _note_accepted(error: AvtomatikaError, accepted: Sequence[JobHandle | AsyncJobHandle], total: int) -> None:
    ids = ", ".join(job.id for job in accepted)
    error.add_note(f"{len(accepted)} of {total} jobs were accepted before: {ids or 'none'}")
