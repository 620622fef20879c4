"""The lanes that ask for more than a skill's name, and which of them a worker may take tasks from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from orchestrator_lite.engine.lanes import SEPARATOR, skill_of, wants_of
from orchestrator_lite.engine.matching import mismatch
from orchestrator_lite.runtime.workers import Worker

MANY: Final = 512
"""Lanes that are remembered before those are forgotten that no task stands in any more."""


class Lanes:
    """Lanes by skill. A worker's own are found once and kept until its offer or the lanes change."""

    def __init__(self) -> None:
        self._special: dict[str, set[str]] = {}
        self._count = 0
        self._turn = 0
        self._many = MANY
        self._noted: set[str] | None = None

    def note(self, lane: str) -> None:
        """A task stands in this lane."""
        if SEPARATOR not in lane:
            return
        if self._noted is not None:
            self._noted.add(lane)
        lanes = self._special.setdefault(skill_of(lane), set())
        if lane not in lanes:
            lanes.add(lane)
            self._count += 1
            self._turn += 1

    @property
    def are_many(self) -> bool:
        """Whether it is time to forget those without tasks."""
        return self._count > self._many

    async def forget_empty(self, read: Callable[[], Awaitable[Iterable[str]]]) -> None:
        """Forget the lanes that no task stands in; those that tasks come to while the store is asked are kept.

        Args:
            read: Gives the lanes that tasks stand in.
        """
        noted = self._noted = set()
        try:
            found = await read()
        finally:
            self._noted = None
        self.replace({*found, *noted})

    def replace(self, lanes: Iterable[str]) -> None:
        """These are all the lanes that tasks stand in."""
        self._special.clear()
        self._count = 0
        self._turn += 1
        for lane in lanes:
            self.note(lane)
        # where all of them are in use, asking again soon would find no fewer
        self._many = max(MANY, 2 * self._count)

    def of(self, worker: Worker) -> frozenset[str]:
        """The lanes a worker may take tasks from."""
        if not self._count:
            return worker.skills
        if worker.lanes is None or worker.lanes[0] != self._turn:
            worker.lanes = (self._turn, self._found(worker))
        return worker.lanes[1]

    def _found(self, worker: Worker) -> frozenset[str]:
        special = (lane for skill in worker.skills for lane in self._special.get(skill, ()))
        return worker.skills.union(lane for lane in special if mismatch(worker.offer, wants_of(lane)) is None)
