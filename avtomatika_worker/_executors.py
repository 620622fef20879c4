"""Where a skill's code runs, and when it is really out.

Nothing a skill raises passes this module: its end, whatever it was, is an `Outcome`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from avtomatika_client.protocol.clock import Clock
from avtomatika_worker._cancel import Cancellation
from avtomatika_worker._skill import Skill


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a skill's code ended: with a value or with an error."""

    value: object = None
    error: BaseException | None = None


class Executors:
    """Starts skills' code; its futures are never cancelled from outside and end when the code is out."""

    def __init__(self, limit: int, clock: Clock) -> None:
        self._threads = ThreadPool(limit)
        self._clock = clock
        self._running: set[asyncio.Future[Outcome]] = set()
        self._holds: dict[Cancellation, AbstractContextManager[None]] = {}

    def start(self, skill: Skill[..., Any], arguments: dict[str, Any], cancel: Cancellation) -> asyncio.Future[Outcome]:
        """Start one run of a skill."""
        if skill.executor == "thread":
            code = self._in_thread(skill, arguments, cancel)
        else:
            code = self._on_loop(skill, arguments, cancel)
        self._running.add(code)
        code.add_done_callback(self._running.discard)
        return code

    def _on_loop(
        self, skill: Skill[..., Any], arguments: dict[str, Any], cancel: Cancellation
    ) -> asyncio.Future[Outcome]:
        code = asyncio.get_running_loop().create_task(_guarded(skill.function(**arguments)), name=f"skill {skill.name}")
        cancel.bind(code.cancel)
        return code

    def _in_thread(
        self, skill: Skill[..., Any], arguments: dict[str, Any], cancel: Cancellation
    ) -> asyncio.Future[Outcome]:
        context = contextvars.copy_context()
        self._hold(cancel)
        code = self._threads.submit(lambda: context.run(_guarded_call, skill.function, arguments))
        code.add_done_callback(lambda _: self._let_go(cancel))
        return code

    @contextlib.contextmanager
    def aside(self, cancel: Cancellation) -> Iterator[None]:
        """While a function in a thread only waits for the loop: another may have a thread in its place.

        Args:
            cancel: The function's; one that runs on the loop needs nothing.
        """
        if not self._let_go(cancel):
            yield
            return
        self._threads.limit += 1
        try:
            yield
        finally:
            self._threads.limit -= 1
            self._hold(cancel)

    def _hold(self, cancel: Cancellation) -> None:
        """Time waits for a function in a thread."""
        self._holds[cancel] = hold = self._clock.hold()
        hold.__enter__()

    def _let_go(self, cancel: Cancellation) -> bool:
        hold = self._holds.pop(cancel, None)
        if hold is not None:
            hold.__exit__(None, None, None)
        return hold is not None

    async def close(self) -> None:
        """Cancel async code that still runs and leave threads to themselves (they end with the process)."""
        for code in list(self._running):
            if isinstance(code, asyncio.Task):
                code.cancel()
        stubborn = [code for code in self._running if isinstance(code, asyncio.Task)]
        if stubborn:
            with contextlib.suppress(TimeoutError):
                async with self._clock.timeout(1.0):
                    await asyncio.wait(stubborn)
        self._threads.close()


def outcome_of(code: asyncio.Future[Outcome]) -> Outcome:
    """How finished code ended; cancelled before its first line counts as cancelled."""
    return Outcome(error=asyncio.CancelledError()) if code.cancelled() else code.result()


async def _guarded(running: Coroutine[Any, Any, object]) -> Outcome:
    try:
        return Outcome(await running)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Outcome(error=error)


def _guarded_call(function: Callable[..., object], arguments: dict[str, Any]) -> Outcome:
    try:
        return Outcome(function(**arguments))
    except BaseException as error:
        return Outcome(error=error)


_Job = tuple[Callable[[], Outcome], asyncio.Future[Outcome], asyncio.AbstractEventLoop]


class ThreadPool:
    """Daemon threads, as many as are needed at once up to `limit`; idle ones are used again.

    Not `concurrent.futures`: its threads keep the interpreter from ending while a stuck function runs.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = 0
        self._busy = 0

    def submit(self, call: Callable[[], Outcome]) -> asyncio.Future[Outcome]:
        """Run `call` in a thread; call this on the loop that awaits the future."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        self._busy += 1
        future.add_done_callback(self._freed)
        if self._busy > self._threads < self.limit:
            self._threads += 1
            threading.Thread(target=self._work, name=f"skill-thread-{self._threads}", daemon=True).start()
        self._jobs.put((call, future, loop))
        return future

    def close(self) -> None:
        """Let idle threads end; busy ones end after their function."""
        for _ in range(self._threads):
            self._jobs.put(None)
        self._threads = 0

    def _freed(self, _: asyncio.Future[Outcome]) -> None:
        self._busy -= 1

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            call, future, loop = job
            outcome = call()
            # The loop may be gone when a stuck function comes back after its worker has closed.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_deliver, future, outcome)
            del job, call, future, outcome


def _deliver(future: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not future.done():
        future.set_result(outcome)
