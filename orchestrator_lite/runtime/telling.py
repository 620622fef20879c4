"""What running tasks tell: progress, which is kept in memory, and events of their own, which become history."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.engine.events import SkillTold
from orchestrator_lite.engine.step import Verdict
from orchestrator_lite.runtime.desk import Desk
from orchestrator_lite.runtime.jobs import Live
from orchestrator_lite.runtime.runner import Runner

PROGRESS: Final = frozenset({"progress", "progress_update"})
"""Types that say how far a task is."""

REMEMBERED: Final = 10_000
"""Events whose ids are remembered, so that one that is sent twice is written once."""

LARGEST: Final = 64 * 1024
"""Bytes of an event."""

_STALE: Final = Verdict(reason="stale_task", message="The task is not this worker's in this attempt.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One event of a skill.

    Attributes:
        kind: Its type.
        task_id: The task it is of.
        attempt: The task's attempt; None from official workers.
        payload: What it says; any JSON value.
        event_id: The worker's own id of it.
    """

    kind: str
    task_id: str
    attempt: int | None
    payload: Any
    event_id: str | None = None


class Tellings:
    """Takes what tasks tell."""

    def __init__(self, clock: Clock, runner: Runner, desk: Desk) -> None:
        self._clock = clock
        self._runner = runner
        self._desk = desk
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def take(self, worker_id: str, telling: Telling) -> Verdict | None:
        """Take one; None when it counts, else why not.

        Raises:
            StoreUnavailable: It could not be stored: the worker should send it again.
        """
        if telling.kind in PROGRESS:
            self._progress(worker_id, telling)
            return None
        known = None if telling.event_id is None else (worker_id, telling.event_id)
        if known in self._known:
            return None
        applied = await self._runner.apply(telling.task_id.rpartition("-")[0], self._told(worker_id, telling))
        if applied is None or applied.verdict is None:
            return _STALE
        if applied.verdict.reason is not None:
            return applied.verdict
        if known is not None:
            self._remember(known)
        return None

    def _told(self, worker_id: str, telling: Telling) -> Any:
        def told(live: Live) -> SkillTold | None:
            row = live.rows.get(telling.task_id)
            if row is None or row.until is None or row.worker_id != worker_id:
                return None
            if telling.attempt not in {None, row.attempt}:
                return None
            return SkillTold(
                at=self._clock.now(),
                task_id=telling.task_id,
                worker_id=worker_id,
                attempt=row.attempt,
                kind=telling.kind,
                payload=telling.payload,
            )

        return told

    def _progress(self, worker_id: str, telling: Telling) -> None:
        worker = self._desk.workers.get(worker_id)
        said = telling.payload if isinstance(telling.payload, dict) else {}
        if worker is not None:
            progress, message = said.get("progress"), said.get("message")
            self._desk.progress(worker, telling.task_id, telling.attempt, progress, message)

    def _remember(self, known: tuple[str, str]) -> None:
        self._known[known] = None
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
