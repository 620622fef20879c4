"""Waiting for jobs, watching them, and why one does not go on: how these travel."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from avtomatika_client.protocol._base import JSON, Received, Sent
from avtomatika_client.protocol.jobs import Job

MOST_WAITED: Final = 1000
"""Jobs one request waits for at most."""


class WaitFor(Sent):
    """Body of `POST /jobs:wait`.

    Attributes:
        ids: The jobs.
        wait: Seconds until it is answered at the latest.
        mode: `any`: answered when one of them has ended; `all`: when all have.
    """

    ids: list[str]
    wait: float = 0.0
    mode: Literal["any", "all"] = "any"


class JobsWaited(Received):
    """Answer to `POST /jobs:wait`.

    Attributes:
        jobs: Those that have ended, whole, as many as one answer holds.
        unknown: Ids of those that are not there for this client.
        more: Whether others have ended too: asked for without these, they come.
    """

    jobs: list[Job] = Field(default_factory=list)
    unknown: list[str] = Field(default_factory=list)
    more: bool = False


class JobExplanation(Received):
    """Why a job does not go on, or that it does (`GET /jobs/{id}/explain`).

    Attributes:
        reason: One word, such as `no_worker`, `workers_busy`, `retry`, `leased`, `held`, `approval`, `ended`.
        sentence: The same for people.
        details: What the sentence speaks of, by name.
        job_id: The job.
        status: Its status.
    """

    reason: str
    sentence: str
    details: dict[str, JSON] = Field(default_factory=dict)
    job_id: str | None = None
    status: str | None = None


class JobEvent(Received):
    """Something that happened to a job, as it is told while it happens.

    Attributes:
        type: What happened: `progress`; `end`, the last one of a job; any other is a row of its history, such as
            `state_started`, `task_dispatched`, `task_finished`, `job_completed`, or `worker_event:<type>`, which a
            skill sent.
        job_id: The job.
        id: Where to go on from; None for what is not durable: progress.
        data: What it was told with: of `progress` `progress` (0 to 1), `message`, `task_id`; of `end` `status`,
            `current_state`, `error`; of the others the row of the history.
    """

    type: str
    job_id: str
    id: str | None = None
    data: dict[str, JSON] = Field(default_factory=dict)

    @property
    def progress(self) -> float | None:
        """How far the task is, 0 to 1; None where the event is not about that."""
        value = self.data.get("progress") if self.type == "progress" else None
        return None if value is None else float(value)

    @property
    def message(self) -> str | None:
        """What the task said with its progress."""
        value = self.data.get("message") if self.type == "progress" else None
        return None if value is None else str(value)

    @property
    def payload(self) -> JSON:
        """What a skill sent with an event of its own; None for the others."""
        snapshot = self.data.get("context_snapshot")
        return snapshot.get("payload") if isinstance(snapshot, dict) else None

    @property
    def is_end(self) -> bool:
        """Whether it is the last one of its job."""
        return self.type == "end"
