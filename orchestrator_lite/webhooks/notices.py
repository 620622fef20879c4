"""What a job's end reports to its webhook; written with the end itself."""

from __future__ import annotations

from typing import Final

from pydantic_core import to_json

from orchestrator_lite.engine.state import Job
from orchestrator_lite.store import Outgoing

EVENTS: Final = {
    "finished": "job_finished",
    "failed": "job_failed",
    "error": "job_failed",
    "quarantined": "job_quarantined",
}
"""Event by final status. A cancelled job reports nothing, as on official servers: somebody knows already."""


def notice(job: Job, version: int, at: float) -> Outgoing | None:
    """The message that a job has just ended.

    Args:
        job: The job in its final state.
        version: Its version with that; an end that is undone (a quarantined job tried again) and comes once more is
            another event.
        at: When, UTC seconds.
    """
    kind = EVENTS.get(job.status)
    if job.webhook_url is None or kind is None:
        return None
    return Outgoing(
        event_id=f"msg_{job.id}_{version}",
        job_id=job.id,
        client=job.client.name,
        kind=kind,
        url=job.webhook_url,
        body=_body(job, kind, at),
        created_at=at,
        due_at=at,
    )


def _body(job: Job, kind: str, at: float) -> bytes:
    """The body of `spec/avtomatika.md` §8, with the keys of all releases and `state_history`."""
    return to_json(
        {
            "event": kind,
            "job_id": job.id,
            "status": job.status,
            "result": job.result,
            "error": None if job.error is None else job.error["message"],
            "state_history": job.state_history,
            "security": None,
            "metadata": None,
            "timestamp": int(at),
        }
    )
