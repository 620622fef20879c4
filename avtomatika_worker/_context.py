"""What a skill may touch while it runs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, MutableMapping
from math import isnan
from typing import TYPE_CHECKING, Any, TypeVar

from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock
from avtomatika_worker._cancel import Cancellation, Reason
from avtomatika_worker.errors import NotSupportedError, TaskCancelled

if TYPE_CHECKING:
    from pydantic import BaseModel

    from avtomatika_client.protocol._base import JSON
    from avtomatika_worker._calls import TaskCalls
    from avtomatika_worker._files import JobFiles

T = TypeVar("T")

_task_logger = logging.getLogger("avtomatika_worker.task")


class _Done:
    """An awaitable that is already over, so that plain functions need not await it."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


_DONE = _Done()


class _TaskLog(logging.LoggerAdapter[logging.Logger]):
    """Names job and task in each line and in the record's attributes."""

    def process(self, msg: str, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        extra = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return f"[{extra.get('skill')} {extra.get('task_id')}] {msg}", {**kwargs, "extra": extra}


class Context:
    """A running task's view of itself; a skill gets it by naming a parameter of this type.

    Attributes:
        task_id: The task.
        job_id: The job it belongs to.
        attempt: Counts from 1; greater when the task was handed out again.
        skill: The skill's name.
    """

    __slots__ = (
        *("_calls", "_cancellation", "_clock", "_deadline", "_files", "_log", "_report"),
        *("attempt", "job_id", "skill", "task_id"),
    )

    def __init__(
        self,
        *,
        task_id: str,
        job_id: str,
        skill: str,
        attempt: int = 1,
        deadline: float | None = None,
        cancellation: Cancellation | None = None,
        report: Callable[[float, str | None], None] | None = None,
        files: JobFiles | None = None,
        calls: TaskCalls | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Made by the worker for each task.

        Args:
            task_id: The task.
            job_id: Its job.
            skill: The skill's name.
            attempt: Which attempt this is.
            deadline: When the task must have ended, on the clock's monotonic scale.
            cancellation: Through which the task learns that it should end.
            report: Takes progress; may be called from any thread and returns at once.
            files: The job's files.
            calls: The way to other skills.
            clock: The time.
        """
        self.task_id = task_id
        self.job_id = job_id
        self.skill = skill
        self.attempt = attempt
        self._deadline = deadline
        self._cancellation = cancellation or Cancellation()
        self._report = report
        self._files = files
        self._calls = calls
        self._clock = clock
        self._log: _TaskLog | None = None

    def progress(self, fraction: float, message: str | None = None) -> Awaitable[None]:
        """Tell how far the task is; never waits for the network, and only the latest word counts.

        Works in plain functions too, where it need not be awaited.

        Args:
            fraction: 0 to 1; what lies outside is moved to the nearer end.
            message: For people.

        Raises:
            ValueError: `fraction` is no number.
        """
        given: object = fraction
        if not isinstance(given, (int, float)) or isnan(given):
            raise ValueError(f"Progress is a number from 0 to 1, not {given!r}.")
        if self._report is not None:
            self._report(min(1.0, max(0.0, float(fraction))), message)
        return _DONE

    @property
    def files(self) -> JobFiles:
        """The job's files: `await ctx.files.download("input.csv")`; in plain functions `ctx.files.blocking.…`.

        Raises:
            NotSupportedError: There is no orchestrator behind this context.
        """
        if self._files is None:
            raise NotSupportedError("there are no files here: this context belongs to no orchestrator")
        return self._files

    async def call(
        self,
        skill: str,
        params: Mapping[str, JSON] | BaseModel | None = None,
        *,
        timeout: float | None = None,
        dispatch_timeout: float | None = None,
        priority: float | None = None,
    ) -> JSON:
        """Have another skill run, by whichever worker offers it, and give what it returns.

        It is a job of its own with retries and history, a child of this one: it is cancelled when this task ends, is
        cancelled or is tried again. While this task waits, its slot is lent to others. Plain functions use
        `ctx.blocking.call(…)`.

        Args:
            skill: The skill's name.
            params: Its input.
            timeout: Seconds within which it must have ended; default: what is left of this task's own time.
            dispatch_timeout: Seconds it may wait for a worker.
            priority: Higher goes first; default: this task's.

        Raises:
            CallFailedError: It ended, but not well, or not in time.
            CallRefusedError: No worker has ever published such a skill, calls are nested too deep, or this attempt of
                the task is over.
            NotSupportedError: This orchestrator offers no calls.
            ValueError: `params` is no JSON object.
        """
        limit = self.remaining() if timeout is None else timeout
        options = {
            "result_timeout": None if limit is None else max(limit, 0.001),
            "dispatch_timeout": dispatch_timeout,
            "priority": priority,
        }
        return await self._operator("calls").call(skill, params, options)

    async def checkpoint(self, value: object) -> None:
        """Leave a value for this task's next attempt, should there be one; the last one counts.

        It is kept when this returns, whatever then becomes of this worker. Plain functions use
        `ctx.blocking.checkpoint(…)`.

        Args:
            value: What JSON can hold, at most 1 MiB of it.

        Raises:
            ValueError: It is no JSON, or too large.
            CallRefusedError: This attempt of the task is over.
            NotSupportedError: This orchestrator keeps no checkpoints.
        """
        await self._operator("checkpoints").checkpoint(value)

    async def event(self, kind: str, payload: object = None) -> None:
        """Tell whoever watches the job something: it becomes part of the job's history, as `worker_event:<kind>`.

        It is there before this task's result is. One that cannot be told within 10 seconds is left out with a warning,
        and one towards an orchestrator that takes none (the official ones) is left out without. Plain functions use
        `ctx.blocking.event(…)`.

        Args:
            kind: Letters, digits and `_.:/-`, up to 64.
            payload: What JSON can hold, at most 63 KiB of it.

        Raises:
            ValueError: It is no JSON, or too large; or the kind is none.
        """
        if self._calls is not None:
            await self._calls.event(kind, payload)

    @property
    def last_checkpoint(self) -> JSON:
        """What was left last, by this attempt or by the one before it; None when there is nothing."""
        return None if self._calls is None else self._calls.last_checkpoint

    @property
    def blocking(self) -> BlockingContext:
        """`call`, `checkpoint` and `event` for plain functions, which wait where they stand."""
        return BlockingContext(self)

    def _operator(self, what: str) -> TaskCalls:
        if self._calls is None:
            raise NotSupportedError(f"there are no {what} here: this context belongs to no orchestrator")
        return self._calls

    def _from_thread(self, what: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self._operator(what).bridge.call(work, "await the calls of `ctx` instead of `ctx.blocking`")

    def remaining(self) -> float | None:
        """Seconds until the deadline, 0 when it has passed; None when there is none."""
        return None if self._deadline is None else max(0.0, self._deadline - self._clock.monotonic())

    @property
    def cancelled(self) -> bool:
        """Whether the task should end: cancelled, past its deadline, or the worker is going down."""
        return self._cancellation.requested

    def raise_if_cancelled(self) -> None:
        """Raise TaskCancelled when the task should end: how a plain function gives way."""
        reason = self._cancellation.reason
        if reason is not None:
            raise TaskCancelled(_WHY[reason])

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that adds the job's and the task's id (`avtomatika_worker.task`)."""
        if self._log is None:
            extra = {"skill": self.skill, "task_id": self.task_id, "job_id": self.job_id, "attempt": self.attempt}
            self._log = _TaskLog(_task_logger, extra)
        return self._log


class BlockingContext:
    """`ctx.call`, `ctx.checkpoint` and `ctx.event` for plain functions.

    They raise TaskCancelled as soon as the task should end.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def call(
        self,
        skill: str,
        params: Mapping[str, JSON] | BaseModel | None = None,
        *,
        timeout: float | None = None,
        dispatch_timeout: float | None = None,
        priority: float | None = None,
    ) -> JSON:
        """As of `ctx`."""
        return self._ctx._from_thread(  # noqa: SLF001 - the other half of the same thing
            "calls",
            lambda: self._ctx.call(
                skill, params, timeout=timeout, dispatch_timeout=dispatch_timeout, priority=priority
            ),
        )

    def checkpoint(self, value: object) -> None:
        """As of `ctx`."""
        self._ctx._from_thread("checkpoints", lambda: self._ctx.checkpoint(value))  # noqa: SLF001 - as above

    def event(self, kind: str, payload: object = None) -> None:
        """As of `ctx`."""
        if self._ctx._calls is not None:  # noqa: SLF001 - as above
            self._ctx._from_thread("events", lambda: self._ctx.event(kind, payload))  # noqa: SLF001 - as above


_WHY = {
    Reason.CANCELLED: "The task was cancelled.",
    Reason.TIMEOUT: "The task's deadline has passed.",
    Reason.INTERRUPTED: "The worker is going down.",
}
