"""Jobs, events and workers in the words of tables."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

    from avtomatika_client.protocol._base import JSON
    from avtomatika_client.protocol.jobs import HistoryEvent, Job
    from avtomatika_client.protocol.schedules import Schedule
    from avtomatika_client.protocol.skills import SkillRecord
    from avtomatika_client.protocol.watching import JobEvent
    from avtomatika_client.protocol.webhooks import WebhookDelivery
    from avtomatika_client.protocol.worker import WorkerRecord

_LONGEST = 2000
"""Characters of a value that a view shows; `--json` shows all."""


def dumped(model: BaseModel) -> JSON:
    """What the server said, as JSON."""
    return model.model_dump(mode="json", exclude_unset=True)


def of_job(job: Job) -> list[tuple[str, str]]:
    """A job's fields for a view."""
    return [
        ("id", job.id),
        ("blueprint", job.blueprint_name or ""),
        ("status", job.end_status),
        ("state", job.current_state or ""),
        ("progress", _progress(job)),
        ("worker", _text(_more(job, "task_worker_id"))),
        ("created", moment(_more(job, "created_at"))),
        ("updated", moment(_more(job, "updated_at"))),
        ("input", _text(job.initial_data)),
        ("result", _text(job.result)),
        ("error", error_of(job)),
    ]


def of_listed(job: Job) -> list[str]:
    """A job's cells in a list."""
    times = [moment(_more(job, name)) for name in ("created_at", "ended_at")]
    return [job.id, job.blueprint_name or "", job.end_status, *times]


def of_event(event: HistoryEvent) -> list[str]:
    """A history event's cells."""
    attempt = "" if event.attempt_number is None else str(event.attempt_number)
    return [moment(event.timestamp, exact=True), event.event_type, event.state or "", event.worker_id or "", attempt]


def of_told(event: JobEvent) -> str:
    """An event as one line: when, what, and what there is to say of it."""
    if event.type == "progress":
        done = "" if event.progress is None else f"{event.progress:.0%}"
        return _joined("", "progress", done, event.message)
    if event.data.get("event_type") is None:
        error = event.data.get("error")
        why = error.get("message") if isinstance(error, dict) else error
        return _joined("", event.type, event.data.get("status"), event.data.get("current_state"), why)
    when = moment(event.data.get("timestamp"), exact=True)
    payload = None if event.payload is None else json.dumps(event.payload, ensure_ascii=False)
    return _joined(when, event.type, event.data.get("state"), event.data.get("worker_id"), payload)


def _joined(when: str, *words: JSON) -> str:
    return "  ".join([f"{when:23}", *(str(word) for word in words if word not in {None, ""})])


def of_worker(worker: WorkerRecord) -> list[str]:
    """A worker's cells."""
    tasks = worker.current_tasks
    return [
        worker.worker_id,
        worker.worker_type or "",
        worker.status or "",
        ", ".join(_skills(worker)),
        "" if tasks is None else str(len(tasks)),
        moment(_more(worker, "last_seen")),
    ]


def of_skill(skill: SkillRecord) -> list[str]:
    """A skill's cells: what it takes, by name, and who offers it."""
    schema = skill.input_schema if isinstance(skill.input_schema, dict) else {}
    fields = schema.get("properties")
    takes = ", ".join(fields) if isinstance(fields, dict) else ""
    return [skill.name, skill.version or "", takes, ", ".join(skill.workers) or "(none now)"]


def of_delivery(delivery: WebhookDelivery) -> list[str]:
    """A delivery's cells; why it has not arrived, where it has not."""
    told = [str(delivery.id), delivery.event, delivery.job_id, delivery.status.value, str(delivery.attempts)]
    return [*told, moment(delivery.next_attempt_at), delivery.error or ""]


def of_schedule(schedule: Schedule) -> list[str]:
    """A schedule's cells."""
    last = schedule.last_runs[0] if schedule.last_runs else None
    happened = "" if last is None else last.job_id or last.skipped or ""
    upcoming = moment(schedule.next_run_at) if schedule.enabled else "paused"
    return [schedule.name, schedule.blueprint, _when(schedule), upcoming, happened]


def error_of(job: Job) -> str:
    """Why a job did not end well, where the server tells: the code, if there is one, and the message."""
    error = job.error if job.error is not None else job.error_message
    if not isinstance(error, dict):
        return _text(error)
    message = error.get("message")
    said = message if isinstance(message, str) else _text(error)
    return f"{error['code']}: {said}" if isinstance(error.get("code"), str) else said


def moment(value: JSON, *, exact: bool = False) -> str:
    """A time, from seconds since 1970 or ISO 8601, as a clock on this machine's wall shows it."""
    try:
        found = datetime.fromtimestamp(value) if isinstance(value, int | float) else datetime.fromisoformat(value)
        return found.astimezone().strftime("%Y-%m-%d %H:%M:%S") + (f".{found.microsecond // 1000:03}" if exact else "")
    except (TypeError, ValueError, OverflowError, OSError):
        return "" if value is None else str(value)


def _when(schedule: Schedule) -> str:
    if schedule.interval_seconds is not None:
        return f"every {schedule.interval_seconds:g} s"
    dates = [str(date) for date in schedule.monthly_dates or []]
    days = ", ".join([*(schedule.weekly_days or []), *dates])
    told = schedule.cron or f"{days} {schedule.daily_at or schedule.time or ''}".strip()
    return f"{told} {schedule.timezone}"


def _progress(job: Job) -> str:
    if job.progress is None or job.is_final:
        return ""
    return f"{job.progress:.0%} {job.progress_message or ''}".rstrip()


def _skills(worker: WorkerRecord) -> list[str]:
    skills = worker.supported_skills or worker.supported_tasks or worker.available_skills or []
    return [str(skill.get("name", "?")) if isinstance(skill, dict) else str(skill) for skill in skills]


def _text(value: JSON) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… (--json shows all)"


def _more(model: BaseModel, name: str) -> JSON:
    """A field that only some servers give."""
    return (model.model_extra or {}).get(name)
