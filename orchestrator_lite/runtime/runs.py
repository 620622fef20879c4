"""Handlers begun for one event, kept while its change is tried: a lost race does not run them again."""

from __future__ import annotations

import asyncio
from typing import Self

from orchestrator_lite.engine.state import Job
from orchestrator_lite.runtime.handling import Handling, Outcome


class Runs:
    """What ran, and for which view of the job; what nobody will wait for is abandoned at the end of the block."""

    def __init__(self, handling: Handling) -> None:
        self._handling = handling
        self._kept: list[tuple[Job, asyncio.Task[Outcome]]] = []

    def of(self, job: Job) -> asyncio.Task[Outcome] | None:
        """The run of a handler that saw the job exactly as it is now."""
        return next((task for seen, task in self._kept if _same_view(seen, job)), None)

    def keep(self, job: Job, task: asyncio.Task[Outcome] | None) -> asyncio.Task[Outcome] | None:
        """Remember a run, if there is one."""
        if task is not None:
            self._kept.append((job, task))
        return task

    def written(self, awaited: asyncio.Task[Outcome] | None) -> None:
        """The change has been written; the run it leaves open, if any, is awaited elsewhere."""
        self._kept = [(seen, task) for seen, task in self._kept if task is not awaited]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for _seen, task in self._kept:
            if not task.done():
                self._handling.abandon(task)


def _same_view(seen: Job, job: Job) -> bool:
    """Whether a handler would be given the same: everything a `JobContext` holds."""
    return (
        seen.id == job.id
        and seen.step == job.step
        and seen.current_state == job.current_state
        and seen.initial_data == job.initial_data
        and seen.state_history == job.state_history
        and seen.aggregation_results == job.aggregation_results
    )
