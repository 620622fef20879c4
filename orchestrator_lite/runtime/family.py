"""What passes between a job and those it has begun: a child's end goes up, a parent's end or cancel goes down.

Both are derivable from what is written (`engine._children`): a timer of the parent stands for each, and whoever comes
first, the commit's own effect or the timekeeper after a crash, does the same.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.engine._children import CHILD_TIMER, ORPHANS, to_stop
from orchestrator_lite.engine.events import CancelAsked, ChildEnded, TimerFired
from orchestrator_lite.runtime.jobs import Jobs, Live
from orchestrator_lite.store import StoreError, Timer

if TYPE_CHECKING:
    from orchestrator_lite.runtime.runner import Applied, MakeEvent

log = logging.getLogger(__name__)

_GONE = {"code": "CHILD_GONE", "message": "The child job is there no more.", "details": None}


class Family:
    """Tells parents of their children's ends, and children of their parents'.

    Args:
        jobs: All jobs.
        clock: The time.
        apply: Lets something happen to a job.
    """

    def __init__(self, jobs: Jobs, clock: Clock, apply: Callable[[str, MakeEvent], Awaitable[Applied | None]]) -> None:
        self._jobs = jobs
        self._clock = clock
        self._apply = apply

    def answer(self, timer: Timer) -> Awaitable[object] | None:
        """What to do about a timer of a parent; None: it is none of these."""
        if timer.name == ORPHANS:
            return self.stop_children(timer.job_id)
        kind, _, child_id = timer.name.partition(":")
        return self.child_ended(timer.job_id, child_id) if kind == CHILD_TIMER else None

    async def child_ended(self, parent_id: str, child_id: str) -> None:
        """Tell a parent that its child has ended."""
        child = await self._jobs.get(child_id)
        await self._apply(parent_id, lambda _: self._ended(child_id, child))

    async def stop_children(self, parent_id: str) -> None:
        """Cancel the children nobody waits for any more."""
        live = await self._jobs.get(parent_id)
        if live is None:
            return
        for child_id in to_stop(live.job):
            await self.cancel(child_id, orphaned=live.job.is_final)
        await self._apply(parent_id, lambda _: TimerFired(at=self._clock.now(), name=ORPHANS))

    async def cancel(self, job_id: str, *, orphaned: bool = False) -> None:
        """Cancel a job, if it has not ended; `orphaned`: its parent has."""

        def cancelled(live: Live) -> CancelAsked | None:
            now = self._clock.now()
            return None if live.job.is_final else CancelAsked(at=now, queue=live.queue, orphaned=orphaned)

        await self._apply(job_id, cancelled)

    async def insist(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it, again and again while the store cannot write."""
        while True:
            try:
                await work()
                return
            except StoreError as error:
                log.warning("parents and children wait: %s", error)
                await self._clock.sleep(1.0)

    def _ended(self, child_id: str, child: Live | None) -> ChildEnded:
        now = self._clock.now()
        if child is None:
            return ChildEnded(at=now, child_id=child_id, status="failed", error=_GONE)
        job = child.job
        return ChildEnded(
            at=now,
            child_id=child_id,
            status=job.status,
            end_state=job.current_state,
            result=job.result,
            error=job.error,
        )
