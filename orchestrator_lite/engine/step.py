"""What a fold gives back: the new state, what to write with it, and what to do once that is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from orchestrator_lite.engine.state import Job, TaskSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A task for the queue."""

    task_id: str
    spec: TaskSpec
    attempt: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A task that leaves the queue, as the fold saw it: its attempt, and whether a worker had it (None: either)."""

    task_id: str
    attempt: int
    leased: bool | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a result: a transition when it was applied, a reason when it was ignored."""

    transition: str | None = None
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Born:
    """A child job that is written together with the step; a call that has its `key` already begins none."""

    job: Job
    key: str | None = None


@dataclass(slots=True)
class Step:
    """One fold's outcome.

    Attributes:
        job: The new state.
        events: History events, as the API shows them.
        enqueue: Tasks that become queued.
        drop: Tasks that leave the queue.
        requeue: Tasks that go back to it.
        set_timers: Name to UTC seconds.
        clear_timers: Names.
        cancel: Tasks whose workers are to be told to stop.
        born: Child jobs that begin.
        checkpoint: A task and what is kept of it.
        drop_checkpoints: Tasks of which nothing need be kept any more.
        verdict: The answer to a result.
        changed: Whether the state is another than before.
    """

    job: Job
    events: list[dict[str, Any]] = field(default_factory=list)
    enqueue: list[Queued] = field(default_factory=list)
    drop: list[Taken] = field(default_factory=list)
    requeue: list[Taken] = field(default_factory=list)
    set_timers: dict[str, float] = field(default_factory=dict)
    clear_timers: list[str] = field(default_factory=list)
    cancel: list[str] = field(default_factory=list)
    born: list[Born] = field(default_factory=list)
    checkpoint: tuple[str, bytes] | None = None
    drop_checkpoints: list[str] = field(default_factory=list)
    verdict: Verdict | None = None
    changed: bool = False

    def update(self, **values: Any) -> None:
        """Replace fields of the state; the first time it becomes a copy of this step's own."""
        if not self.changed:
            self.job = self.job.copied()
            self.changed = True
        for name, value in values.items():
            setattr(self.job, name, value)

    def note(
        self,
        event_type: str,
        at: float,
        *,
        state: str | None = None,
        duration_ms: int | None = None,
        previous_state: str | None = None,
        next_state: str | None = None,
        worker_id: str | None = None,
        attempt_number: int | None = None,
        **about: Any,
    ) -> None:
        """Add a history event with the keys of `spec/avtomatika.md` §5; `about` goes into its snapshot."""
        job = self.job
        self.events.append(
            {
                "event_id": f"{job.id}:{job.events + len(self.events)}",
                "job_id": job.id,
                "client_token": None,
                "timestamp": _iso(at),
                "state": job.current_state if state is None else state,
                "event_type": event_type,
                "duration_ms": duration_ms,
                "previous_state": previous_state,
                "next_state": next_state,
                "worker_id": worker_id,
                "attempt_number": attempt_number,
                "context_snapshot": {
                    "id": job.id,
                    "blueprint_name": job.blueprint,
                    "current_state": job.current_state,
                    "status": job.status,
                    "step": job.step,
                    **about,
                },
            }
        )


@lru_cache(maxsize=16)
def _iso(at: float) -> str:
    """One step notes several events at the same moment."""
    return datetime.fromtimestamp(at, UTC).isoformat()
