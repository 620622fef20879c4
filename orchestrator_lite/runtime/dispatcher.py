"""Brings tasks and waiting polls together.

A poll first asks the store; with nothing there it waits here. When a change is about to queue a task, the runner
reserves a waiting poll, so that the lease is committed together with the task and nothing is asked twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.engine.lanes import skill_of
from orchestrator_lite.runtime.choosing import Choice
from orchestrator_lite.runtime.lanes import Lanes
from orchestrator_lite.runtime.leases import LeaseBook
from orchestrator_lite.runtime.poll import Poll
from orchestrator_lite.runtime.workers import Worker
from orchestrator_lite.store import TaskRow

DRY_FOR = 2.0
"""Seconds for which a look into the store that found nothing is believed."""


class Dispatcher:
    """Polls that ask and polls that wait, by skill.

    Every task that becomes queued passes `queued` or `take`, so a lane for which the store had nothing stays dry
    until then; a poll for dry lanes waits without asking. The belief ends by itself after a while all the same.

    Attributes:
        lanes: Where tasks stand.
        choice: Who gets a task that several could take.
        closed: Whether everybody is answered empty: the server stops.
    """

    def __init__(self, clock: Clock, leases: LeaseBook) -> None:
        self._clock = clock
        self._leases = leases
        self.lanes = Lanes()
        self.choice = Choice(leases)
        leases.freed = self._freed
        self._dry: dict[str, float] = {}
        self._asking: set[Poll] = set()
        self._polls: set[Poll] = set()
        self._waiting: dict[str, OrderedDict[Poll, None]] = {}
        self._full: set[str] = set()
        self.closed = False

    def poll(self, worker: Worker, limit: int) -> Poll:
        """A request for tasks; a worker that has all it can hold asks for nothing until it has ended one."""
        if worker.limit is not None:
            limit = min(limit, worker.limit - self._leases.count(worker.worker_id))
        if limit < 1:
            self._full.add(worker.worker_id)
            return Poll(worker, frozenset(), frozenset())
        return Poll(worker, worker.skills, self.lanes.of(worker), limit)

    def _freed(self, worker_id: str) -> None:
        if worker_id in self._full:
            self._full.discard(worker_id)
            self.dismiss(worker_id, ask_again=True)

    def asks(self, poll: Poll) -> None:
        """The poll looks into the store now: what is queued meanwhile must not escape it."""
        poll.again = False
        self._asking.add(poll)

    def asked(self, poll: Poll, *, empty: bool) -> None:
        """The poll has its answer from the store."""
        self._asking.discard(poll)
        if empty and not poll.again:
            self._dry.update(dict.fromkeys(poll.lanes, self._clock.monotonic() + DRY_FOR))

    def is_dry(self, poll: Poll) -> bool:
        """Whether the store is known to have nothing for the poll."""
        now = self._clock.monotonic()
        return all(self._dry.get(lane, 0.0) > now for lane in poll.lanes)

    @property
    def waiting(self) -> int:
        """How many polls wait."""
        return len(self._polls)

    def waits(self, poll: Poll) -> None:
        """The poll waits for a task to come."""
        self._polls.add(poll)
        for skill in poll.skills:
            self._waiting.setdefault(skill, OrderedDict())[poll] = None

    def leaves(self, poll: Poll) -> None:
        """The poll waits no more."""
        self._asking.discard(poll)
        self._polls.discard(poll)
        for skill in poll.skills:
            queue = self._waiting.get(skill)
            if queue is not None:
                queue.pop(poll, None)
                if not queue:
                    del self._waiting[skill]

    def candidates(self, lane: str) -> list[Poll]:
        """The waiting polls that may take a task of this lane, the one that has waited longest first."""
        skill = skill_of(lane)
        return [poll for poll in self._waiting.get(skill, ()) if lane == skill or poll.takes(lane, skill)]

    def reserve(self, poll: Poll) -> None:
        """Take a waiting poll out of the queue until `deliver` or `restore`."""
        self.leaves(poll)
        poll.reserved = True

    def restore(self, poll: Poll) -> None:
        """The change was not written: the poll asks once more, for it missed what was queued meanwhile."""
        poll.reserved = False
        self._let_ask(poll)

    def deliver(self, poll: Poll, rows: list[TaskRow]) -> bool:
        """Hand a poll the tasks that were committed for it; False when it has gone meanwhile."""
        poll.reserved = False
        if poll.answer.done():
            return False
        poll.answer.set_result(rows)
        return True

    def queued(self, lanes: Iterable[str]) -> None:
        """Tasks have become queued without a poll: let those ask that could take them."""
        for lane in lanes:
            self._dry.pop(lane, None)
            skill = skill_of(lane)
            for poll in self._asking:
                if poll.takes(lane, skill):
                    poll.again = True
            waiting = self.candidates(lane)
            if waiting:
                self._wake(self.choice.best(waiting, skill, "default", {}), lane)

    def looked(self, poll: Poll, rows: list[TaskRow]) -> None:
        """What the poll found; a task it was woken for and could not take is another's to look for."""
        settled, lane, poll.woken = poll.looked(rows), poll.woken, None
        if not settled and lane is not None:
            self.queued((lane,))

    def gives_up(self, poll: Poll | None) -> None:
        """The request is over: if the poll was woken for a task, another must look for it."""
        if poll is not None and poll.woken is not None:
            lane, poll.woken = poll.woken, None
            self.queued((lane,))

    def _wake(self, poll: Poll, lane: str) -> None:
        self.leaves(poll)
        if not poll.answer.done():
            poll.woken = lane
        self._let_ask(poll)

    def _let_ask(self, poll: Poll) -> None:
        poll.again = True
        if not poll.answer.done():
            poll.answer.set_result([])

    def queued_somewhere(self) -> None:
        """A task of an unknown skill has become queued: everybody asks again."""
        self._dry.clear()
        self.dismiss(ask_again=True)

    def dismiss(self, worker_id: str | None = None, *, ask_again: bool = False) -> None:
        """Let go the waiting polls of a worker (None: of all); one with a task on its way gets it.

        Args:
            worker_id: Whose.
            ask_again: Whether they look into the store once more, rather than answer empty.
        """
        if ask_again:
            for poll in self._asking:
                poll.again = poll.again or worker_id in {None, poll.worker.worker_id}
        for poll in list(self._polls):
            if worker_id is None or poll.worker.worker_id == worker_id:
                self.leaves(poll)
                poll.again = ask_again
                if not poll.answer.done():
                    poll.answer.set_result([])

    def close(self) -> None:
        """Answer every poll empty from now on: the server stops."""
        self.closed = True
        self.dismiss()
