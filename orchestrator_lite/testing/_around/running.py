"""Runs the coroutines of one test, fixtures' and the test's own, one after the other in one task of one loop.

One task, because what an async fixture opens (a timeout, a task group) may be closed only by the task that opened it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.testing._around.alarm import alarms_strike

T = TypeVar("T")

LAST: Final = 1.0
"""Real seconds that what a test has left running may take to end."""

_Job = tuple[Coroutine[Any, Any, Any], Context, asyncio.Future[Any]]


class TestLoop:
    """The loop of one test; it and its task are made by the first `run`."""

    __test__ = False

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.SelectorEventLoop, debug=False)
        self._jobs: asyncio.Queue[_Job] | None = None
        self._task: asyncio.Task[None] | None = None
        self._last: asyncio.Future[Any] | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, with the context variables the caller sees.

        Raises:
            KeyboardInterrupt: Ctrl-C; the coroutine has been cancelled and has ended.
        """
        return self._runner.run(self._have_done(coroutine, copy_context()))

    def abandon(self, error: BaseException) -> None:
        """Let what runs be: it does not end, whatever it is told. Its `run` raises `error`."""
        if self._last is not None and not self._last.done() and self._task is not None:
            _leave_alone(self._task)
            self._task = None
            self._last.set_exception(error)

    @property
    def used(self) -> bool:
        """Whether anything has run here."""
        return self._jobs is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what still runs, wait for it a moment and close the loop."""
        if self.used:
            self._runner.run(_all_ended())
            _end_threads(self._runner.get_loop())
            self._runner.close()

    async def _have_done(self, coroutine: Coroutine[Any, Any, T], seen: Context) -> T:
        if self._jobs is None or self._task is None or self._task.done():
            self._jobs = asyncio.Queue()
            self._task = asyncio.create_task(_in_turn(self._jobs), name="test")
        if self._last is not None and not self._last.done():  # the loop was broken off under it, by a signal's handler
            await self._cancelled(self._last, self._task)
        self._last = outcome = asyncio.get_running_loop().create_future()
        self._jobs.put_nowait((coroutine, seen, outcome))
        with alarms_strike(self._task) as raised:
            try:
                await asyncio.wait((outcome, self._task), return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                await self._cancelled(outcome, self._task)
                raise
        if raised:
            ended = outcome.exception()
            raise raised[0].with_traceback(None if ended is None else ended.__traceback__)
        result: T = outcome.result()
        return result

    @staticmethod
    async def _cancelled(outcome: asyncio.Future[Any], task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.wait((outcome, task), return_when=asyncio.FIRST_COMPLETED)
        if outcome.done() and not outcome.cancelled():
            outcome.exception()  # it is known: the loop need not say that nobody has asked for it


async def _in_turn(jobs: asyncio.Queue[_Job]) -> None:
    task = asyncio.current_task()
    known: dict[ContextVar[Any], Any] = {}
    while True:
        coroutine, seen, outcome = await jobs.get()
        known = _adopt(seen, known)
        _tell(task)
        try:
            result = await coroutine
            if not outcome.done():
                outcome.set_result(result)
        except BaseException as error:
            if not outcome.done():
                outcome.set_exception(error)
        while task is not None and task.cancelling():  # that was meant for the coroutine, not for the next one
            task.uncancel()
        del coroutine, seen, outcome


_ABANDONED: Final[list[asyncio.Task[Any]]] = []
"""Tasks that did not end. They are kept: thrown away, they would complain in the middle of another test."""


def _leave_alone(task: asyncio.Task[Any]) -> None:
    asyncio.tasks._unregister_task(task)  # noqa: SLF001 - asyncio waits for all it knows
    _ABANDONED.append(task)


async def _all_ended() -> None:
    """Cancel all tasks; those that do not end are left alone."""
    own = asyncio.current_task()
    tasks = {task for task in asyncio.all_tasks() if task is not own}
    for task in tasks:
        task.cancel()
    if tasks:
        with suppress(TimeoutError):
            async with SYSTEM_CLOCK.timeout(LAST):
                await asyncio.wait(tasks)
    for task in tasks:
        if not task.done():
            _leave_alone(task)


def _end_threads(loop: Any) -> None:
    """End the loop's own threads, which asyncio would wait for without end."""
    executor = loop._default_executor  # noqa: SLF001 - asyncio has no bound for it
    if not isinstance(executor, ThreadPoolExecutor):
        return
    executor.shutdown(wait=False, cancel_futures=True)
    until = SYSTEM_CLOCK.monotonic() + LAST
    for thread in list(executor._threads):  # noqa: SLF001
        thread.join(max(until - SYSTEM_CLOCK.monotonic(), 0.0))
    loop._default_executor = None  # noqa: SLF001


def _tell(task: asyncio.Task[Any] | None) -> None:
    from orchestrator_lite.testing._orchestrator import TEST_TASK  # here: the extra may be missing

    TEST_TASK.set(task)


def _adopt(seen: Context, known: dict[ContextVar[Any], Any]) -> dict[ContextVar[Any], Any]:
    """Set what sync fixtures have set since the last time, and leave alone what async ones have."""
    now = dict(seen.items())
    for variable, value in now.items():
        if variable not in known or known[variable] is not value:
            variable.set(value)
    return now
