"""The ends of many jobs, in the order in which they come."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from avtomatika_client._calls._flow import Sleep
from avtomatika_client._calls._retry import pauses
from avtomatika_client._calls._waiting import FIRST_PAUSE, HOLD, ONCE, Outage, inner, timed_out, wait_for_end
from avtomatika_client._calls.jobs import can_wait_for_many, get, wait_for_many
from avtomatika_client.errors import APIConnectionError, APIStatusError
from avtomatika_client.protocol.watching import MOST_WAITED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avtomatika_client._calls._flow import Flow
    from avtomatika_client._calls._session import Budget, Session
    from avtomatika_client._calls.jobs import JobRef
    from avtomatika_client.protocol.jobs import Job

TURN: Final = 1.0
"""Seconds each of several requests is held, where there are more jobs than one request names."""

_SWEEP_PAUSE: Final = 0.05
_LONGEST_SWEEP_PAUSE: Final = 1.0


class Ends:
    """The jobs that are waited for, and those whose end is known and has not been told.

    By one request for all of them where the server offers it, else by looking at one after another, so that none waits
    behind another.

    Args:
        session: Whose waits these are.
        refs: The jobs, each once.
        budget: The time for all of them.
    """

    def __init__(self, session: Session, refs: Iterable[JobRef], budget: Budget) -> None:
        self._session = replace(session, retry=ONCE)
        self._waiting = {ref.id: ref for ref in refs}
        self._ready: deque[tuple[JobRef, Job]] = deque()
        self._budget = budget

    def __bool__(self) -> bool:
        return bool(self._waiting or self._ready)

    def next(self) -> Flow[tuple[JobRef, Job]]:
        """Wait for the next end.

        Raises:
            WaitTimeout: The time was up first.
            APIStatusError: The server refused to tell, or does not know one of the jobs.
        """
        if self._ready:
            return self._ready.popleft()
        if len(self._waiting) == 1:
            (ref,) = self._waiting.values()
            job = yield from wait_for_end(self._session, ref, self._budget)
            del self._waiting[ref.id]
            return ref, job
        with self._session.clock.ends_within(self._budget.left):
            return (yield from self._next())

    def _next(self) -> Flow[tuple[JobRef, Job]]:
        budget, outage, rests = self._budget, Outage(), pauses(_SWEEP_PAUSE, _LONGEST_SWEEP_PAUSE)
        while not budget.is_over:
            try:
                many = yield from can_wait_for_many(self._session, inner(self._session, budget))
                rest = yield from (self._ask() if many else self._sweep())
                if self._ready:
                    return self._ready.popleft()
                outage.over()
                pause = next(rests) if rest else 0.0
            except (APIConnectionError, APIStatusError) as error:
                pause = outage.bear(error)
            yield Sleep(budget.at_most(pause), upkeep=True)
        raise timed_out(budget, None, None, outage) from outage.last

    def _ask(self) -> Flow[bool]:
        """One request for as many as it may name; whether to rest after it."""
        named = list(islice(self._waiting, MOST_WAITED))
        hold = self._budget.at_most(HOLD if len(named) == len(self._waiting) else TURN)
        asked = self._session.clock.monotonic()
        found = yield from wait_for_many(self._session, named, hold, inner(self._session, self._budget, hold))
        for job in found.jobs:
            self._ended(job.id, job)
        for job_id in found.unknown:
            yield from self._look(job_id)
        self._behind(named)
        return self._session.clock.monotonic() - asked <= min(FIRST_PAUSE, hold)

    def _sweep(self) -> Flow[bool]:
        for job_id in list(self._waiting):
            yield from self._look(job_id)
            if self._ready:
                break
            self._behind((job_id,))
        return True

    def _look(self, job_id: str) -> Flow[None]:
        job = yield from get(self._session, self._waiting[job_id], inner(self._session, self._budget))
        if job.is_final:
            self._ended(job_id, job)

    def _ended(self, job_id: str, job: Job) -> None:
        ref = self._waiting.pop(job_id, None)
        if ref is not None:
            self._ready.append((ref, job))

    def _behind(self, job_ids: Iterable[str]) -> None:
        """The others come first next time."""
        for job_id in job_ids:
            ref = self._waiting.pop(job_id, None)
            if ref is not None:
                self._waiting[job_id] = ref
