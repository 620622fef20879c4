"""Runs the coroutines of one test, fixtures' and the test's own, one after the other in one task of one loop.

One task, because what an async fixture opens (a timeout, a task group) may be closed only by the task that opened it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context, ContextVar, copy_context
from types import TracebackType
from typing import Any, Self, TypeVar

from orchestrator_lite.testing._alarm import alarms_strike

T = TypeVar("T")
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

    @property
    def used(self) -> bool:
        """Whether anything has run here."""
        return self._task is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what still runs, wait for it and close the loop."""
        if self.used:
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
            outcome.set_result(await coroutine)
        except BaseException as error:
            outcome.set_exception(error)
        while task is not None and task.cancelling():  # that was meant for the coroutine, not for the next one
            task.uncancel()
        del coroutine, seen, outcome


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
