"""Brings tasks and waiting polls together.

A poll first asks the store; with nothing there it waits here. When a change is about to queue a task, the runner
reserves a waiting poll, so that the lease is committed together with the task and nothing is asked twice.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.runtime.workers import Worker
from orchestrator_lite.store import TaskRow


@dataclass(eq=False, slots=True)
class Poll:
    """One request for a task.

    Attributes:
        worker: Who asks.
        skills: What it takes.
        limit: How many tasks it takes at once.
        answer: The tasks; none when it is to be answered empty.
        again: Whether a task for it was queued while it was asking the store.
        reserved: Whether a change that is being committed holds a task for it.
    """

    worker: Worker
    skills: frozenset[str]
    limit: int = 1
    answer: asyncio.Future[list[TaskRow]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    again: bool = False
    reserved: bool = False


DRY_FOR = 2.0
"""Seconds for which a look into the store that found nothing is believed."""


class Dispatcher:
    """Polls that ask and polls that wait, by skill.

    Every task that becomes queued passes `queued` or `reserve`, so a skill for which the store had nothing stays dry
    until then; a poll for dry skills waits without asking. The belief ends by itself after a while all the same.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._dry: dict[str, float] = {}
        self._asking: set[Poll] = set()
        self._polls: set[Poll] = set()
        self._waiting: dict[str, OrderedDict[Poll, None]] = {}
        self.closed = False

    def asks(self, poll: Poll) -> None:
        """The poll looks into the store now: what is queued meanwhile must not escape it."""
        poll.again = False
        self._asking.add(poll)

    def asked(self, poll: Poll, *, empty: bool) -> None:
        """The poll has its answer from the store."""
        self._asking.discard(poll)
        if empty and not poll.again:
            self._dry.update(dict.fromkeys(poll.skills, self._clock.monotonic() + DRY_FOR))

    def is_dry(self, poll: Poll) -> bool:
        """Whether the store is known to have nothing for the poll."""
        now = self._clock.monotonic()
        return all(self._dry.get(skill, 0.0) > now for skill in poll.skills)

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

    def reserve(self, skill: str) -> Poll | None:
        """The poll that has waited longest for this skill; it is out of the queue until `deliver` or `restore`."""
        queue = self._waiting.get(skill)
        if not queue:
            return None
        poll = next(iter(queue))
        self.leaves(poll)
        poll.reserved = True
        return poll

    def restore(self, poll: Poll) -> None:
        """The change was not written: the poll waits again, or asks once more."""
        poll.reserved = False
        if not poll.answer.done():
            self.waits(poll)

    def deliver(self, poll: Poll, rows: list[TaskRow]) -> bool:
        """Hand a poll the tasks that were committed for it; False when it has gone meanwhile."""
        poll.reserved = False
        if poll.answer.done():
            return False
        poll.answer.set_result(rows)
        return True

    def queued(self, skills: Iterable[str]) -> None:
        """Tasks have become queued without a poll: let those ask that could take them."""
        for skill in skills:
            self._dry.pop(skill, None)
            for poll in self._asking:
                if skill in poll.skills:
                    poll.again = True
            woken = self.reserve(skill)
            if woken is not None:
                woken.reserved, woken.again = False, True
                if not woken.answer.done():
                    woken.answer.set_result([])

    def queued_somewhere(self) -> None:
        """A task of an unknown skill has become queued: everybody asks again."""
        self._dry.clear()
        for poll in self._asking:
            poll.again = True
        self.dismiss(ask_again=True)

    def dismiss(self, worker_id: str | None = None, *, ask_again: bool = False) -> None:
        """Let go the waiting polls of a worker (None: of all); one with a task on its way gets it.

        Args:
            worker_id: Whose.
            ask_again: Whether they look into the store once more, rather than answer empty.
        """
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
