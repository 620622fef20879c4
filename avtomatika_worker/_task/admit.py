"""Second stage: whether this task runs here and now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from avtomatika_client.protocol.worker import ErrorCode, Task
from avtomatika_worker._journal import Finished
from avtomatika_worker._skill import Skill
from avtomatika_worker._task.encode import refusal

_FINAL_CODES: Final = frozenset(
    {
        ErrorCode.PERMANENT.value,
        ErrorCode.INVALID_INPUT.value,
        ErrorCode.INTEGRITY_MISMATCH.value,
        ErrorCode.SECURITY.value,
        ErrorCode.CONTRACT_VIOLATION.value,
    }
)


def admit(
    task: Task, server: str, skills: Mapping[str, Skill[..., Any]], owed: Finished | None, *, now: float, draining: bool
) -> Skill[..., Any] | Finished:
    """Find the task's skill, or the answer it gets without running.

    Args:
        task: The task.
        server: Where it came from.
        skills: What this worker offers, by name.
        owed: A result of the same task that still lies in the journal.
        now: UTC seconds, for the deadline.
        draining: The worker takes no new work.
    """
    if owed is not None and _answers(owed, task):
        return Finished(
            server=server,
            job_id=task.job_id,
            task_id=task.task_id,
            attempt=task.attempt,
            status=owed.status,
            data=owed.data,
            error=owed.error,
        )
    if draining:
        return refusal(task, server, ErrorCode.INTERRUPTED, "The worker is going down and takes no new task.")
    skill = skills.get(task.type)
    if skill is None:
        known = ", ".join(sorted(skills)) or "none"
        return refusal(task, server, ErrorCode.SKILL_UNKNOWN, f"No skill {task.type!r} here; this worker has: {known}.")
    if task.deadline is not None and task.deadline <= now:
        return refusal(task, server, ErrorCode.TIMEOUT, "The task's deadline had passed before it could start.")
    return skill


def _answers(owed: Finished, task: Task) -> bool:
    """Whether a result we still owe answers this hand-out.

    A failure that may go better answers its own attempt only: the server may have counted it, its reply lost, and
    this hand-out be the retry. A task that was handed back unfinished runs.
    """
    if owed.job_id != task.job_id:
        return False
    if owed.status != "failure":
        return True
    error = json.loads(owed.error)
    code = error.get("code") if isinstance(error, dict) else None
    return code in _FINAL_CODES or (owed.attempt == task.attempt and code != ErrorCode.INTERRUPTED.value)
