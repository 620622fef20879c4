"""From a skill's thread to the worker's loop: a call that waits where it stands, until the task should end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError as AbandonedError
from typing import Any, TypeVar

from avtomatika_worker._cancel import Cancellation
from avtomatika_worker.errors import TaskCancelled

T = TypeVar("T")


class Bridge:
    """What the plain functions of one task pass over; made on the worker's loop."""

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Task[Any]] = set()
        self._watching = False
        self.closed = False

    def call(self, work: Callable[[], Coroutine[Any, Any, T]], instead: str) -> T:
        """What `work` returns, run on the worker's loop while this thread waits.

        Args:
            work: Begins it.
            instead: What code on the loop itself should do.

        Raises:
            TaskCancelled: The task should end.
            RuntimeError: Called on the loop itself.
        """
        if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the one that does not raise
            raise RuntimeError(f"this would block the loop: {instead}")
        if self.closed:
            raise TaskCancelled
        waiting = self._guarded(work)
        try:
            return asyncio.run_coroutine_threadsafe(waiting, self._loop).result()
        except AbandonedError:
            raise TaskCancelled from None
        except RuntimeError:
            waiting.close()  # the loop is gone: nobody runs it
            raise

    async def close(self) -> None:
        """The task has its result: end what still runs."""
        self.closed = True
        self._stop()
        if self._running:
            await asyncio.wait(self._running)

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        if not self._watching:
            self._watching = True
            self._cancellation.watch(self._stop)
        if self.closed or self._cancellation.requested:
            raise TaskCancelled
        return await work()

    def _stop(self) -> None:
        for task in self._running:
            task.cancel()


def check_loop(instead: str) -> None:
    """Refuse a call that only code on the loop can await.

    Raises:
        RuntimeError: It comes from a plain function.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(f"a plain function calls `{instead}(...)`") from None
