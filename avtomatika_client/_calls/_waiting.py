"""Waiting for jobs: by the server's own long-poll where it offers one, else by polling ever less often.

A wait outlives lost connections and restarts of the server, hands what is left of its time to every request, and
never lasts longer than that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from avtomatika_client._calls._flow import Park, Sleep
from avtomatika_client._calls._retry import UNAVAILABLE, Retry, asked_pause, pauses
from avtomatika_client._calls.jobs import can_wait, can_wait_for_many, get, wait_for_many
from avtomatika_client.errors import APIConnectionError, APIStatusError, WaitTimeout
from avtomatika_client.protocol.headers import WAIT_MANY
from avtomatika_client.protocol.watching import MOST_WAITED

if TYPE_CHECKING:
    from avtomatika_client._calls._board import Wait
    from avtomatika_client._calls._flow import Flow
    from avtomatika_client._calls._session import Budget, Session
    from avtomatika_client._calls.jobs import JobRef
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
ONCE: Final = Retry(retries=0)


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

    Where the server offers it, one request waits for all the jobs this client waits for; the state that ends a wait
    has always been read anew.

    Raises:
        WaitTimeout: The time was up first.
        APIStatusError: The server refused to tell.
    """
    with session.facts.board.waiting(ref) as wait, session.clock.ends_within(budget.left):
        return (yield from _until_ended(replace(session, retry=ONCE), wait, budget))


def _until_ended(session: Session, wait: Wait, budget: Budget) -> Flow[Job]:
    outage, rests = Outage(), pauses(FIRST_PAUSE, LONGEST_PAUSE)
    job: Job | None = None
    while not budget.is_over:
        try:
            job, rest = yield from _round(session, wait, budget)
            if job is not None and job.is_final:
                return job
            outage.over()
            pause = next(rests) if rest else 0.0
        except (APIConnectionError, APIStatusError) as error:
            pause = outage.bear(error)
        finally:
            session.facts.board.let_go(wait)
        yield Park(wait.wake, budget.at_most(pause)) if pause else Sleep(0.0, upkeep=True)
        if wait.job is not None:
            return wait.job
    raise timed_out(budget, job, wait.ref, outage) from outage.last


def _round(session: Session, wait: Wait, budget: Budget) -> Flow[tuple[Job | None, bool]]:
    """Look once, or have another wait do it; also whether to rest before the next time."""
    known, board = session.facts.features, session.facts.board
    if known is None or (WAIT_MANY in known and not wait.alone):
        # What the server can do is asked once too, however many begin to wait.
        if not board.leads(wait, session.clock.monotonic()):
            return (yield from _follow(session, wait, budget))
        if (yield from can_wait_for_many(session, inner(session, budget))):
            return (yield from _lead(session, wait, budget))
        board.disband(wait)
    held = yield from can_wait(session, inner(session, budget))
    return (yield from _look_alone(session, wait, budget, budget.at_most(_fair_hold(session)) if held else None))


def _follow(session: Session, wait: Wait, budget: Budget) -> Flow[tuple[Job | None, bool]]:
    """Sleep while another wait looks for this one."""
    asleep = session.clock.monotonic()
    yield Park(wait.wake, budget.at_most(HOLD + GRACE))
    silent = session.clock.monotonic() - max(asleep, wait.answered)
    if wait.job is None and silent >= HOLD + GRACE and not budget.is_over:
        # Nobody has said anything for longer than any answer takes: it is looked at without them.
        return (yield from _look_alone(session, wait, budget, None))
    return wait.job, False


def _look_alone(session: Session, wait: Wait, budget: Budget, hold: float | None) -> Flow[tuple[Job | None, bool]]:
    asked = session.clock.monotonic()
    job = yield from get(session, wait.ref, inner(session, budget, hold or 0.0), hold=hold)
    # A server that answers early, whatever it promised, is not asked again at once.
    return job, hold is None or session.clock.monotonic() - asked <= min(FIRST_PAUSE, hold)


def _lead(session: Session, wait: Wait, budget: Budget) -> Flow[tuple[Job | None, bool]]:
    """Ask for this job, and for those of all waits that nobody asks for."""
    board = session.facts.board
    yield Sleep(session.facts.gather if len(board) > 1 else 0.0, upkeep=True)
    asked = session.clock.monotonic()
    until = board.until(asked, budget.at_most(HOLD), HOLD)
    taken, hold = board.take(wait, MOST_WAITED, until), max(0.0, until - asked)
    if len(taken) == 1:
        return (yield from _look_alone(session, wait, budget, hold))
    ids = list(dict.fromkeys(other.ref.id for other in taken))
    found = yield from wait_for_many(session, ids, hold, inner(session, budget, hold))
    board.answered(taken, {job.id: job for job in found.jobs}, session.clock.monotonic())
    board.unknown(taken, set(found.unknown))
    early = session.clock.monotonic() - asked <= min(FIRST_PAUSE, hold)
    return wait.job, early and not found.jobs and not found.unknown


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


def _fair_hold(session: Session) -> float:
    waits = len(session.facts.board)
    return HOLD if waits <= FREE_HOLDS else ROTATION * FREE_HOLDS / waits


def inner(session: Session, budget: Budget, hold: float = 0.0) -> Budget:
    """The time of one look: a lost reply must not use up the whole wait, least of all one without end."""
    return session.budget(budget.at_most(hold + GRACE))
