"""Which of several polls that could take a task gets it (`dispatch_strategy`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from orchestrator_lite.runtime.leases import LeaseBook
from orchestrator_lite.runtime.poll import Poll

Rank: TypeAlias = Callable[[Poll, str], object]

SOFT_LIMIT = 3
"""Tasks at which `overflow` passes on to a dearer worker (release 1.0b30's default)."""

BY_PRICE = frozenset({"cheapest", "best_value", "overflow"})
"""Strategies for which a dear worker without work is no better than a cheap one with some."""


class Choice:
    """Chooses among polls; of equals the one that has waited longest.

    Args:
        leases: Who has how many tasks.
    """

    def __init__(self, leases: LeaseBook) -> None:
        self._leases = leases
        self._turns: dict[str, dict[str, int]] = {}
        self._turn = 0
        self._placed: dict[str, int] = {}

    def best(self, polls: Sequence[Poll], skill: str, strategy: str, placed: dict[str, int]) -> Poll:
        """The poll that is to get a task.

        Args:
            polls: Those that could take it, the one that has waited longest first.
            skill: The task's skill.
            strategy: One of `engine.matching.STRATEGIES`.
            placed: Tasks by worker that the same change gives away.
        """
        if len(polls) == 1 and strategy != "round_robin":
            return polls[0]
        self._placed = placed
        chosen = min(polls, key=lambda poll: self._rank(poll, skill, strategy))
        if strategy == "round_robin":
            self._turn += 1
            self._turns.setdefault(skill, {})[chosen.worker.worker_id] = self._turn
        return chosen

    def _rank(self, poll: Poll, skill: str, strategy: str) -> tuple[float, ...]:
        worker = poll.worker
        cost = worker.offer.cost(skill)
        match strategy:
            case "round_robin":
                return (self._turns.get(skill, {}).get(worker.worker_id, 0),)
            case "least_connections":
                return (self._load(worker.worker_id),)
            case "cheapest":
                return (cost, self._load(worker.worker_id))
            case "best_value":
                return (cost / worker.reputation, self._load(worker.worker_id))
            case "overflow":
                load = self._load(worker.worker_id)
                return (0, cost) if load < SOFT_LIMIT else (1, load)
            case _:
                return (skill not in worker.offer.hot, cost, -worker.reputation)

    def _load(self, worker_id: str) -> int:
        return self._leases.count(worker_id) + self._placed.get(worker_id, 0)
