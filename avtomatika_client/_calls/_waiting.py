"""Waiting for jobs: by the server's own long-poll where it offers one, else by polling ever less often.

A wait outlives lost connections and restarts of the server, hands what is left of its time to every request, and
never lasts longer than that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from avtomatika_client._calls._flow import Sleep
from avtomatika_client._calls._retry import UNAVAILABLE, Retry, asked_pause, pauses
from avtomatika_client._calls.jobs import JobRef, can_wait, get
from avtomatika_client.errors import APIConnectionError, APIStatusError, WaitTimeout

if TYPE_CHECKING:
    from collections import deque

    from avtomatika_client._calls._flow import Flow
    from avtomatika_client._calls._session import Budget, Session
    from avtomatika_client.protocol.jobs import Job

HOLD: Final = 25.0
"""Seconds the server is asked to hold a wait."""

GRACE: Final = 10.0
"""Seconds beyond the hold after which a reply counts as lost."""

FREE_HOLDS: Final = 32
"""Waits of one client up to which each is held in full: half of the places that long exchanges have."""

ROTATION: Final = 5.0
"""Seconds within which every wait beyond those has its turn, so that none starves behind slower jobs."""

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
LONGEST_OUTAGE_PAUSE: Final = 2.0
_SWEEP_PAUSE: Final = 0.05
_LONGEST_SWEEP_PAUSE: Final = 1.0
_ONCE: Final = Retry(retries=0)


class Outage:
    """Failures in a row during a wait: which of them are borne, and for how long to leave the server alone."""

    def __init__(self) -> None:
        self.last: APIConnectionError | APIStatusError | None = None
        self.over()

    def over(self) -> None:
        """The server answered."""
        self.last = None
        self._pauses = pauses(FIRST_PAUSE, LONGEST_OUTAGE_PAUSE)
        self._server_errors = 0

    def bear(self, error: APIConnectionError | APIStatusError) -> float:
        """The pause after a failure; raises the failure when waiting cannot mend it.

        A 500 may be a server that is just starting, or one that can never answer: it is borne three times.
        """
        if isinstance(error, APIStatusError) and error.status not in UNAVAILABLE:
            self._server_errors += 1
            if error.status != 500 or self._server_errors > 3:
                raise error
        self.last = error
        return max(next(self._pauses), asked_pause(error))


def wait_for_end(session: Session, ref: JobRef, budget: Budget) -> Flow[Job]:
    """Wait until a job has ended, however.

    Raises:
        WaitTimeout: The time was up first.
        APIStatusError: The server refused to tell.
    """
    mark = object()
    session.facts.waits.add(mark)
    try:
        with session.clock.ends_within(budget.left):
            return (yield from _until_ended(replace(session, retry=_ONCE), ref, budget))
    finally:
        session.facts.waits.discard(mark)


def _until_ended(session: Session, ref: JobRef, budget: Budget) -> Flow[Job]:
    outage, rests = Outage(), pauses(FIRST_PAUSE, LONGEST_PAUSE)
    job: Job | None = None
    while not budget.is_over:
        asked = session.clock.monotonic()
        try:
            held = yield from can_wait(session, _inner(session, budget))
            job = yield from _look(session, ref, budget, held=held)
            if job.is_final:
                return job
            outage.over()
            # A server that answers early, whatever it promised, is not asked again at once.
            pause = 0.0 if held and session.clock.monotonic() - asked > FIRST_PAUSE else next(rests)
        except (APIConnectionError, APIStatusError) as error:
            pause = outage.bear(error)
        yield Sleep(budget.at_most(pause), upkeep=True)
    raise timed_out(budget, job, ref, outage) from outage.last


def next_ended(session: Session, waiting: deque[JobRef], budget: Budget) -> Flow[tuple[JobRef, Job]]:
    """Wait until one of several jobs has ended; its reference is taken out of `waiting`.

    Jobs are looked at in turn, so that none waits behind another; the last one is waited for by long-poll.

    Raises:
        WaitTimeout: The time was up first.
        APIStatusError: The server refused to tell.
    """
    if len(waiting) == 1:
        job = yield from wait_for_end(session, waiting[0], budget)
        return waiting.popleft(), job
    with session.clock.ends_within(budget.left):
        return (yield from _next_of_many(replace(session, retry=_ONCE), waiting, budget))


def _next_of_many(session: Session, waiting: deque[JobRef], budget: Budget) -> Flow[tuple[JobRef, Job]]:
    outage, rests = Outage(), pauses(_SWEEP_PAUSE, _LONGEST_SWEEP_PAUSE)
    while not budget.is_over:
        try:
            found = yield from _sweep(session, waiting, budget)
            if found is not None:
                return found
            outage.over()
            pause = next(rests)
        except (APIConnectionError, APIStatusError) as error:
            pause = outage.bear(error)
        yield Sleep(budget.at_most(pause), upkeep=True)
    raise timed_out(budget, None, None, outage) from outage.last


def timed_out(budget: Budget, job: Job | None, ref: JobRef | None, outage: Outage) -> WaitTimeout:
    """The error for a wait whose time was up, with what is known."""
    what = "some jobs have" if ref is None else f"job {ref.id} has"
    status = None if job is None else job.status.value
    known = f" (it is {status})" if status else ""
    trouble = f"; the server could not be asked: {outage.last.message}" if outage.last is not None else ""
    return WaitTimeout(
        f"{what} not ended within {budget.total or 0.0:g} s{known}{trouble}",
        job_id=None if ref is None else ref.id,
        status=status,
        timeout=budget.total,
    )


def _look(session: Session, ref: JobRef, budget: Budget, *, held: bool) -> Flow[Job]:
    hold = budget.at_most(_fair_hold(session)) if held else None
    return (yield from get(session, ref, _inner(session, budget, hold or 0.0), hold=hold))


def _fair_hold(session: Session) -> float:
    waits = len(session.facts.waits)
    return HOLD if waits <= FREE_HOLDS else ROTATION * FREE_HOLDS / waits


def _inner(session: Session, budget: Budget, hold: float = 0.0) -> Budget:
    # A reply that is lost without a sign must not use up the whole wait, least of all one without end.
    return session.budget(budget.at_most(hold + GRACE))


def _sweep(session: Session, waiting: deque[JobRef], budget: Budget) -> Flow[tuple[JobRef, Job] | None]:
    for _ in range(len(waiting)):
        job = yield from get(session, waiting[0], _inner(session, budget))
        if job.is_final:
            return waiting.popleft(), job
        waiting.rotate(-1)
    return None
