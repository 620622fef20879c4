"""Gives the tasks of one change to polls that wait, so that their leases are committed together with them."""

from __future__ import annotations

from dataclasses import replace

from orchestrator_lite.engine.lanes import skill_of
from orchestrator_lite.runtime.choosing import BY_PRICE
from orchestrator_lite.runtime.dispatcher import Dispatcher
from orchestrator_lite.runtime.poll import Poll
from orchestrator_lite.store import TaskRow


class Placement:
    """The polls reserved for one change, each with its tasks.

    Attributes:
        polls: What each poll gets.
        unplaced: Lanes of tasks no poll waited for.
    """

    def __init__(self, dispatcher: Dispatcher, now: float) -> None:
        self.polls: dict[Poll, list[TaskRow]] = {}
        self.unplaced: list[str] = []
        self._dispatcher = dispatcher
        self._now = now
        self._placed: dict[str, int] = {}

    def place(self, row: TaskRow, strategy: str) -> TaskRow:
        """The row as it is to be stored: leased to a poll if one has room for it.

        Args:
            row: The task.
            strategy: How to choose among several polls.
        """
        self._dispatcher.lanes.note(row.skill)
        poll = self._chosen(row.skill, strategy)
        if poll is None:
            self.unplaced.append(row.skill)
            return row
        if poll not in self.polls:
            self._dispatcher.reserve(poll)
        worker = poll.worker
        until = worker.lease_until(self._now)
        leased = replace(row, worker_id=worker.worker_id, incarnation=worker.incarnation, until=until)
        self.polls.setdefault(poll, []).append(leased)
        self._placed[worker.worker_id] = self._placed.get(worker.worker_id, 0) + 1
        return leased

    def restore(self) -> None:
        """The change was not written: its polls wait again."""
        for poll in self.polls:
            self._dispatcher.restore(poll)

    def _chosen(self, lane: str, strategy: str) -> Poll | None:
        """A poll that waits still comes before one that has a task of this change already: work is spread first."""
        waiting = self._dispatcher.candidates(lane)
        if self.polls and (not waiting or strategy in BY_PRICE):
            waiting += self._with_room(lane)
        return self._dispatcher.choice.best(waiting, skill_of(lane), strategy, self._placed) if waiting else None

    def _with_room(self, lane: str) -> list[Poll]:
        skill = skill_of(lane)
        fitting = [poll for poll, rows in self.polls.items() if len(rows) < poll.limit and poll.takes(lane, skill)]
        return sorted(fitting, key=lambda poll: len(self.polls[poll]))
