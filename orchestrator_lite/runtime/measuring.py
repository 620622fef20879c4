"""What a server counts of its work: plain numbers, added up where things happen and read when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Final

from orchestrator_lite.engine.state import Job
from orchestrator_lite.engine.step import Queued

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
"""Upper bounds of a duration's buckets, seconds."""

MOST_NAMES: Final = 500
"""Names that are counted each for itself; what comes after them counts as `other`."""

OTHER: Final = "other"


class Durations:
    """How long things took: how many fell into each bucket, and their sum."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """One took so long."""
        seconds = max(seconds, 0.0)
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


class Measures:
    """Counts since the server's start.

    Attributes:
        created: Jobs by blueprint.
        ended: Jobs by blueprint and final status.
        queued: Tasks by skill, each attempt.
        results: Applied results by skill and status.
        lost: Leases by skill whose worker went away.
        ignored: Results by reason that changed nothing.
        job_seconds: From a job's creation to its end.
        queue_seconds: From a task's dispatch to its worker.
        task_seconds: From there to its result.
    """

    def __init__(self) -> None:
        self.created: Counter[str] = Counter()
        self.ended: Counter[tuple[str, str]] = Counter()
        self.queued: Counter[str] = Counter()
        self.results: Counter[tuple[str, str]] = Counter()
        self.lost: Counter[str] = Counter()
        self.ignored: Counter[str] = Counter()
        self.job_seconds = Durations()
        self.queue_seconds = Durations()
        self.task_seconds = Durations()
        self._names: dict[str, str] = {}

    def committed(self, before: Job | None, job: Job, enqueued: list[Queued]) -> None:
        """A step of a job has been written; `before` is the job as it was, None for a new one."""
        if before is None:
            self.created[self._name(job.blueprint)] += 1
        if job.is_final and not (before is not None and before.is_final):
            self.ended[self._name(job.blueprint), job.status] += 1
            self.job_seconds.add(job.updated_at - job.created_at)
        for queued in enqueued:
            self.queued[self._name(queued.spec.type)] += 1

    def handed_out(self, seconds: float) -> None:
        """A worker has been given a task that had waited so long."""
        self.queue_seconds.add(seconds)

    def answered(self, skill: str, status: str, seconds: float | None) -> None:
        """A result has been applied; `seconds`: how long its worker had the task, where that is known."""
        self.results[self._name(skill), self._name(status)] += 1
        if seconds is not None:
            self.task_seconds.add(seconds)

    def went_away(self, skill: str) -> None:
        """A worker has gone with a task of this skill."""
        self.lost[self._name(skill)] += 1

    def _name(self, name: str) -> str:
        """The name to count under: whoever makes up names does not make up memory."""
        known = self._names.get(name)
        if known is not None:
            return known
        if len(self._names) >= MOST_NAMES:
            return OTHER
        self._names[name] = name
        return name
