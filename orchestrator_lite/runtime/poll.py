"""One request of a worker for tasks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from orchestrator_lite.engine.lanes import wants_of
from orchestrator_lite.engine.matching import mismatch
from orchestrator_lite.runtime.workers import Worker
from orchestrator_lite.store import TaskRow


@dataclass(eq=False, slots=True)
class Poll:
    """One request for tasks.

    Attributes:
        worker: Who asks.
        skills: What it takes; nothing while its worker has all it can hold.
        lanes: Where tasks for it stand.
        limit: How many tasks it takes at once.
        answer: The tasks; none when it is to be answered empty.
        again: Whether it is to ask the store once more.
        woken: The lane of a task for which it was woken, until it has looked there: else another poll must.
        reserved: Whether a change that is being committed holds a task for it.
    """

    worker: Worker
    skills: frozenset[str]
    lanes: frozenset[str]
    limit: int = 1
    answer: asyncio.Future[list[TaskRow]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    again: bool = False
    woken: str | None = None
    reserved: bool = False

    def looked(self, rows: list[TaskRow]) -> bool:
        """Whether what the store gave it settles what it was woken for: the task is its, or nobody's any more."""
        if self.woken is None:
            return True
        return self.woken in self.lanes and (len(rows) < self.limit or any(row.skill == self.woken for row in rows))

    def takes(self, lane: str, skill: str) -> bool:
        """Whether it may be given a task that stands in `lane`, of which it may not have heard yet."""
        if skill not in self.skills:
            return False
        return lane == skill or lane in self.lanes or mismatch(self.worker.offer, wants_of(lane)) is None
