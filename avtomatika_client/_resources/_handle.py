"""One job in the caller's hands: a few words that can be stored as its id and restored from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from avtomatika_client._calls import _waiting as waiting, decisions, jobs as calls
from avtomatika_client._calls._session import UNSET, Budget, Session, Timeout
from avtomatika_client._calls.events import Events
from avtomatika_client._resources._events import each_event, each_event_async
from avtomatika_client._resources._files import AsyncFiles, Files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from avtomatika_client._calls._flow import Flow
    from avtomatika_client._calls.jobs import JobRef
    from avtomatika_client._link import AsyncCaller, SyncCaller
    from avtomatika_client.protocol._base import JSON
    from avtomatika_client.protocol.jobs import CancelReply, HistoryEvent, Job, JobStatus
    from avtomatika_client.protocol.watching import JobEvent, JobExplanation


class _Handle:
    """What both faces of a job know without asking."""

    def __init__(self, session: Session, ref: JobRef, state: Job | None = None) -> None:
        self._session = session
        self._ref = ref
        self._state = state
        self._whole = True

    @property
    def id(self) -> str:
        """The job's id; `client.jobs.handle(id)` restores the handle."""
        return self._ref.id

    @property
    def state(self) -> Job | None:
        """The job as it was last read; None before the first `refresh`, `wait` or `result`."""
        return self._state

    @property
    def status(self) -> JobStatus | None:
        """The job's status as it was last read; None before that."""
        return None if self._state is None else self._state.status

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id!r} status={self.status and str(self.status)!r}>"

    def _took(self, state: Job) -> Self:
        """Remember a state that was read."""
        self._state = state
        self._whole = True
        return self

    def _listed(self, state: Job) -> Self:
        """Remember what a list tells of the job: not its result, for one."""
        self._state = state
        self._whole = False
        return self

    def _waited(self, timeout: float | None) -> Flow[Job]:
        return waiting.wait_for_end(self._session, self._ref, Budget(self._session.clock, timeout))

    @property
    def _has_ended(self) -> bool:
        return self._whole and self._state is not None and self._state.is_final


class JobHandle(_Handle):
    """A job; made by `client.jobs.submit`, `get` and `handle`.

    Attributes:
        id: The job's id; `str(handle)` is the same.
        status: Its status as it was last read.
        state: All of it as it was last read.
        files: Its files.
    """

    files: Files

    def __init__(self, caller: SyncCaller, ref: JobRef, state: Job | None = None) -> None:
        super().__init__(caller.session, ref, state)
        self._caller = caller
        self.files = Files(caller, ref)

    def refresh(self, *, timeout: Timeout = UNSET) -> Self:
        """Read the job's state anew; returns this handle.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: The server does not know the job.
        """
        return self._took(self._caller.run(calls.get(self._session, self._ref, self._session.budget(timeout))))

    def wait(self, timeout: float | None = None) -> Self:
        """Wait until the job has ended, well or not; returns this handle.

        Lost connections and restarts of the server are outlasted.

        Args:
            timeout: Seconds; None: as long as it takes.

        Raises:
            WaitTimeout: The time was up; the job goes on.
        """
        return self if self._has_ended else self._took(self._caller.run(self._waited(timeout)))

    def result(self, timeout: float | None = None) -> JSON:
        """Wait until the job has ended and give what it returned.

        Args:
            timeout: Seconds; None: as long as it takes.

        Raises:
            JobFailed: It ended, but not well.
            WaitTimeout: The time was up; the job goes on.
        """
        self.wait(timeout)
        return _result(self._state)

    def cancel(self, *, wait: bool = False, timeout: Timeout = UNSET) -> CancelReply:
        """Ask for the job's cancellation; what runs on a worker ends when the worker says so.

        Args:
            wait: Also wait until the job has ended.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: The server does not know the job (or, to some releases, it has ended).
            ConflictError: The job can no longer be cancelled.
            WaitTimeout: The cancellation was accepted, but the job did not end in time.
        """
        budget = self._session.budget(timeout)
        reply = self._caller.run(calls.cancel(self._session, self._ref, budget))
        if wait:
            self.wait(budget.left)
        return reply

    def history(self, *, timeout: Timeout = UNSET) -> list[HistoryEvent]:
        """The job's history, oldest event first.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: Releases before 1.0b14 serve no history.
        """
        return self._caller.run(calls.history(self._session, self._ref, timeout))

    def explain(self, *, timeout: Timeout = UNSET) -> JobExplanation:
        """Why the job does not go on, or that it does: one word, a sentence, and what that speaks of.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server does not say.
        """
        return self._caller.run(calls.explain(self._session, self._ref, timeout))

    def events(self, *, after: str | None = None, timeout: float | None = None) -> Iterator[JobEvent]:
        """What happens to the job, from its beginning and as it happens: progress and changes of its state.

        Lost connections and restarts of the server are outlasted; what is durable is told once. The last event is of
        type `end`. Servers that do not tell are looked at now and then: from them come `state_changed`, `progress`
        and `end`.

        Args:
            after: The `id` of an event: go on behind it.
            timeout: Seconds; None: as long as it takes.

        Raises:
            WaitTimeout: The time was up; the job goes on.
        """
        return each_event(self._caller, Events(self._session, self._ref, Budget(self._session.clock, timeout), after))

    def approve(
        self,
        decision: str = "approved",
        *,
        token: str | None = None,
        metadata: JSON = None,
        timeout: Timeout = UNSET,
    ) -> None:
        """Decide what the job waits for.

        Args:
            decision: One of `state.approval["decisions"]`.
            token: The token its handler gave away; the client that owns the job needs none.
            metadata: Kept with the decision in the job's `state_history`; any JSON value.
            timeout: Total deadline in seconds.

        Raises:
            ValidationFailedError: The job knows no such decision.
            ConflictError: The job does not wait for one.
            NotFoundError: The server does not know the job.
        """
        flow = decisions.approve(self._session, self._ref, decision, token=token, metadata=metadata, timeout=timeout)
        self._caller.run(flow)

    def retry(self, *, timeout: Timeout = UNSET) -> None:
        """Have the job, which is quarantined, try its task again: as a new task, with all its tries.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            ConflictError: The job is not quarantined.
            NotSupportedByServerError: The server cannot do that.
        """
        self._whole = False
        self._caller.run(decisions.retry(self._session, self._ref, timeout))

    def release(self, state: str | None = None, *, timeout: Timeout = UNSET) -> None:
        """Let the job out of quarantine, or start if it is held.

        Args:
            state: Where a quarantined job goes on; None: it ends as `failed`.
            timeout: Total deadline in seconds.

        Raises:
            ConflictError: The job is neither held nor quarantined.
            ValidationFailedError: Its blueprint has no such state.
            NotSupportedByServerError: The server cannot do that.
        """
        self._whole = False
        self._caller.run(decisions.release(self._session, self._ref, state, timeout))


class AsyncJobHandle(_Handle):
    """A job; made by `client.jobs.submit`, `get` and `handle`.

    Attributes:
        id: The job's id; `str(handle)` is the same.
        status: Its status as it was last read.
        state: All of it as it was last read.
        files: Its files.
    """

    files: AsyncFiles

    def __init__(self, caller: AsyncCaller, ref: JobRef, state: Job | None = None) -> None:
        super().__init__(caller.session, ref, state)
        self._caller = caller
        self.files = AsyncFiles(caller, ref)

    async def refresh(self, *, timeout: Timeout = UNSET) -> Self:
        """Read the job's state anew; returns this handle.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: The server does not know the job.
        """
        return self._took(await self._caller.run(calls.get(self._session, self._ref, self._session.budget(timeout))))

    async def wait(self, timeout: float | None = None) -> Self:
        """Wait until the job has ended, well or not; returns this handle.

        Lost connections and restarts of the server are outlasted.

        Args:
            timeout: Seconds; None: as long as it takes.

        Raises:
            WaitTimeout: The time was up; the job goes on.
        """
        return self if self._has_ended else self._took(await self._caller.run(self._waited(timeout)))

    async def result(self, timeout: float | None = None) -> JSON:
        """Wait until the job has ended and give what it returned.

        Args:
            timeout: Seconds; None: as long as it takes.

        Raises:
            JobFailed: It ended, but not well.
            WaitTimeout: The time was up; the job goes on.
        """
        await self.wait(timeout)
        return _result(self._state)

    async def cancel(self, *, wait: bool = False, timeout: Timeout = UNSET) -> CancelReply:
        """Ask for the job's cancellation; what runs on a worker ends when the worker says so.

        Args:
            wait: Also wait until the job has ended.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: The server does not know the job (or, to some releases, it has ended).
            ConflictError: The job can no longer be cancelled.
            WaitTimeout: The cancellation was accepted, but the job did not end in time.
        """
        budget = self._session.budget(timeout)
        reply = await self._caller.run(calls.cancel(self._session, self._ref, budget))
        if wait:
            await self.wait(budget.left)
        return reply

    async def history(self, *, timeout: Timeout = UNSET) -> list[HistoryEvent]:
        """The job's history, oldest event first.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: Releases before 1.0b14 serve no history.
        """
        return await self._caller.run(calls.history(self._session, self._ref, timeout))

    async def explain(self, *, timeout: Timeout = UNSET) -> JobExplanation:
        """Why the job does not go on, or that it does: one word, a sentence, and what that speaks of.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server does not say.
        """
        return await self._caller.run(calls.explain(self._session, self._ref, timeout))

    def events(self, *, after: str | None = None, timeout: float | None = None) -> AsyncIterator[JobEvent]:
        """What happens to the job, from its beginning and as it happens: progress and changes of its state.

        Lost connections and restarts of the server are outlasted; what is durable is told once. The last event is of
        type `end`. Servers that do not tell are looked at now and then: from them come `state_changed`, `progress`
        and `end`.

        Args:
            after: The `id` of an event: go on behind it.
            timeout: Seconds; None: as long as it takes.

        Raises:
            WaitTimeout: The time was up; the job goes on.
        """
        return each_event_async(
            self._caller, Events(self._session, self._ref, Budget(self._session.clock, timeout), after)
        )

    async def approve(
        self,
        decision: str = "approved",
        *,
        token: str | None = None,
        metadata: JSON = None,
        timeout: Timeout = UNSET,
    ) -> None:
        """Decide what the job waits for.

        Args:
            decision: One of `state.approval["decisions"]`.
            token: The token its handler gave away; the client that owns the job needs none.
            metadata: Kept with the decision in the job's `state_history`; any JSON value.
            timeout: Total deadline in seconds.

        Raises:
            ValidationFailedError: The job knows no such decision.
            ConflictError: The job does not wait for one.
            NotFoundError: The server does not know the job.
        """
        flow = decisions.approve(self._session, self._ref, decision, token=token, metadata=metadata, timeout=timeout)
        await self._caller.run(flow)

    async def retry(self, *, timeout: Timeout = UNSET) -> None:
        """Have the job, which is quarantined, try its task again: as a new task, with all its tries.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            ConflictError: The job is not quarantined.
            NotSupportedByServerError: The server cannot do that.
        """
        self._whole = False
        await self._caller.run(decisions.retry(self._session, self._ref, timeout))

    async def release(self, state: str | None = None, *, timeout: Timeout = UNSET) -> None:
        """Let the job out of quarantine, or start if it is held.

        Args:
            state: Where a quarantined job goes on; None: it ends as `failed`.
            timeout: Total deadline in seconds.

        Raises:
            ConflictError: The job is neither held nor quarantined.
            ValidationFailedError: Its blueprint has no such state.
            NotSupportedByServerError: The server cannot do that.
        """
        self._whole = False
        await self._caller.run(decisions.release(self._session, self._ref, state, timeout))


def _result(state: Job | None) -> JSON:
    return None if state is None else calls.result_of(state)
