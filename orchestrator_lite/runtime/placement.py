"""Gives the tasks of one change to polls that wait, so that their leases are committed together with them."""

from __future__ import annotations

from dataclasses import replace

from orchestrator_lite.runtime.dispatcher import Dispatcher, Poll
from orchestrator_lite.store import TaskRow


class Placement:
    """The polls reserved for one change, each with its tasks.

    Attributes:
        polls: What each poll gets.
        unplaced: Skills of tasks no poll waited for.
    """

    def __init__(self, dispatcher: Dispatcher, now: float) -> None:
        self.polls: dict[Poll, list[TaskRow]] = {}
        self.unplaced: list[str] = []
        self._dispatcher = dispatcher
        self._now = now

    def place(self, row: TaskRow) -> TaskRow:
        """The row as it is to be stored: leased to a poll if one has room for it.

        A poll that waits still comes before one that has a task of this change already: work is spread first.
        """
        poll = self._dispatcher.reserve(row.skill) or self._with_room(row.skill)
        if poll is None:
            self.unplaced.append(row.skill)
            return row
        worker = poll.worker
        until = worker.lease_until(self._now)
        leased = replace(row, worker_id=worker.worker_id, incarnation=worker.incarnation, until=until)
        self.polls.setdefault(poll, []).append(leased)
        return leased

    def restore(self) -> None:
        """The change was not written: its polls wait again."""
        for poll in self.polls:
            self._dispatcher.restore(poll)

    def _with_room(self, skill: str) -> Poll | None:
        fitting = [poll for poll, rows in self.polls.items() if skill in poll.skills and len(rows) < poll.limit]
        return min(fitting, key=lambda poll: len(self.polls[poll]), default=None)
