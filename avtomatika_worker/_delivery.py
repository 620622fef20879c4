"""Bringing results to their orchestrator: for ever, with jitter, until it has given its verdict.

A verdict is any 2xx (`ignored` too) and any 4xx that repeating cannot change; only then the journal forgets.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from avtomatika_client._calls._flow import Reply
from avtomatika_client.errors import APIConnectionError
from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.worker import ErrorCode
from avtomatika_worker._backoff import Backoff
from avtomatika_worker._journal import Finished, Journal
from avtomatika_worker._replies import error_text, retry_after
from avtomatika_worker._task.encode import failure

logger = logging.getLogger(__name__)

IN_FLIGHT: Final = 8
TIMEOUT: Final = 30.0
_TRY_AGAIN: Final = frozenset({401, 403, 408, 409, 425, 429})
_TOO_LARGE: Final = 413

Key = tuple[str, str, int]
Exchange = Callable[[Finished], Awaitable[Reply]]


class Delivery:
    """The sink of one orchestrator; never waits for another's."""

    def __init__(
        self,
        exchange: Exchange,
        journal: Journal,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        settled: Callable[[], None],
    ) -> None:
        """Make the sink.

        Args:
            exchange: Sends a result once.
            journal: Forgets what has its verdict.
            clock: The time.
            spawn: Runs a delivery in the background.
            settled: Told after each verdict.
        """
        self._exchange = exchange
        self._journal = journal
        self._clock = clock
        self._spawn = spawn
        self._settled = settled
        self._woken = asyncio.Event()
        self._places = asyncio.Semaphore(IN_FLIGHT)
        self._owed: dict[Key, Finished] = {}
        self._untried: set[Key] = set()
        self.empty = asyncio.Event()
        self.empty.set()
        self.tried = asyncio.Event()
        """Set while every result has been sent at least once."""
        self.tried.set()

    def put(self, result: Finished) -> None:
        """Deliver a result that lies in the journal; a newer one of the same attempt takes the older one's place."""
        known = result.key in self._owed
        self._owed[result.key] = result
        if known:
            return
        self._untried.add(result.key)
        self.empty.clear()
        self.tried.clear()
        self._spawn(self._deliver(result.key))

    @property
    def owed(self) -> list[str]:
        """Ids of the tasks whose results have no verdict yet."""
        return [result.task_id for result in self._owed.values()]

    async def _deliver(self, key: Key) -> None:
        backoff = Backoff()
        while (result := self._owed.get(key)) is not None:
            floor = await self._try(result)
            self._untried.discard(key)
            if not self._untried:
                self.tried.set()
            if floor is None:
                self._done(result)
            else:
                await self._rest(backoff.next(floor), wakeable=not floor)

    async def _rest(self, seconds: float, *, wakeable: bool) -> None:
        if not wakeable:
            await self._clock.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(seconds):
                await self._woken.wait()

    def wake(self) -> None:
        """The server is there again: what waits because it was not, is sent now."""
        self._woken.set()
        self._woken = asyncio.Event()

    async def _try(self, result: Finished) -> float | None:
        """Send once; None when that was the verdict, else the least seconds to wait."""
        try:
            async with self._places:
                reply = await self._exchange(result)
            return self._read(result, reply)
        except APIConnectionError:
            return 0.0
        except Exception:
            logger.exception("Delivering the result of task %r failed; it will be sent again", result.task_id)
            return 1.0

    def _read(self, result: Finished, reply: Reply) -> float | None:
        if reply.is_success:
            return None
        if reply.status == _TOO_LARGE and result.status != "failure":
            self._replace(result, reply)
            return None
        if not 400 <= reply.status < 500 or reply.status in _TRY_AGAIN:
            return retry_after(reply, self._clock)
        logger.warning(
            "The orchestrator refused the result of task %r (%d): %r", result.task_id, reply.status, error_text(reply)
        )
        return None

    def _replace(self, result: Finished, reply: Reply) -> None:
        """The server will never take this one: its job should learn that, not wait."""
        message = f"The result is too large for the orchestrator ({len(result.data)} bytes): {error_text(reply)}"
        smaller = failure(
            server=result.server,
            job_id=result.job_id,
            task_id=result.task_id,
            attempt=result.attempt,
            code=ErrorCode.PERMANENT,
            message=message,
        )
        self._journal.add(smaller)
        self.put(smaller)

    def _done(self, result: Finished) -> None:
        if self._owed.get(result.key) is not result:
            return  # replaced while it was on its way
        del self._owed[result.key]
        self._journal.remove(result)
        if not self._owed:
            self.empty.set()
        self._settled()
