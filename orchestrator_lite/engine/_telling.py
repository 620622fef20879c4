"""What a skill tells while it runs becomes history; it changes nothing else."""

from __future__ import annotations

from orchestrator_lite.engine._limits import MOST_EVENTS
from orchestrator_lite.engine.events import SkillTold
from orchestrator_lite.engine.step import Step, Verdict


def told(step: Step, event: SkillTold) -> None:
    """Keep it, as long as the job runs and its history is not full of such."""
    if step.job.is_final:
        step.verdict = Verdict(reason="job_already_terminated", message="The job has ended.")
        return
    if step.job.events >= MOST_EVENTS:
        message = f"A job's history takes no more events of skills after {MOST_EVENTS} entries."
        step.verdict = Verdict(reason="too_many_events", message=message)
        return
    step.note(
        f"worker_event:{event.kind}",
        event.at,
        worker_id=event.worker_id,
        attempt_number=event.attempt,
        task_id=event.task_id,
        payload=event.payload,
    )
    step.verdict = Verdict(transition="event_accepted")
