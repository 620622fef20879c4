"""Fifth stage: how the code ended becomes what the orchestrator is told."""

from __future__ import annotations

import asyncio

from pydantic_core import PydanticSerializationError, to_json

from avtomatika_client.errors import NotFoundError, ValidationFailedError
from avtomatika_client.protocol._base import JSON
from avtomatika_client.protocol.worker import ErrorCode, Task
from avtomatika_worker._cancel import Reason
from avtomatika_worker._executors import Outcome
from avtomatika_worker._journal import Finished
from avtomatika_worker._result import Result
from avtomatika_worker.errors import SkillError, TaskCancelled

RetryOn = tuple[type[BaseException], ...]

_LASTING = (NotFoundError, ValidationFailedError)
"""A server's answers that asking again will not change, such as a file that is not there."""


def encode(task: Task, server: str, outcome: Outcome | None, reason: Reason | None, retry_on: RetryOn) -> Finished:
    """What one run of a skill has come to.

    Args:
        task: The task that ran.
        server: Where it came from.
        outcome: How the code ended; None when it is still running though nobody waits for it any more.
        reason: Why it was asked to end early, if it was.
        retry_on: The skill's own list of transient exceptions.
    """
    if reason is Reason.TIMEOUT:
        return _late(task, server, outcome)
    if outcome is None:
        return _interrupted(task, server)
    error = _unwrapped(outcome.error)
    if error is None:
        return _success(task, server, outcome.value)
    if isinstance(error, (asyncio.CancelledError, TaskCancelled)):
        return _stopped(task, server, error, reason)
    return _failed(task, server, error, retry_on)


def failure(
    *, server: str, job_id: str, task_id: str, attempt: int, code: ErrorCode, message: str, details: JSON = None
) -> Finished:
    """A failure with a code of the protocol."""
    error = _json({"code": code.value, "message": message, "details": details})
    if error is None:
        error = to_json({"code": code.value, "message": message, "details": None}, serialize_unknown=True)
    return Finished(server=server, job_id=job_id, task_id=task_id, attempt=attempt, status="failure", error=error)


def refusal(task: Task, server: str, code: ErrorCode, message: str, details: JSON = None) -> Finished:
    """The failure of a task we could read."""
    return failure(
        server=server,
        job_id=task.job_id,
        task_id=task.task_id,
        attempt=task.attempt,
        code=code,
        message=message,
        details=details,
    )


def cancelled(task: Task, server: str) -> Finished:
    """The task ended because it was cancelled."""
    return _finished(task, server, "cancelled", b"null")


def failed_by(task: Task, server: str, error: SkillError) -> Finished:
    """The failure a skill, or our own reading of its params, has declared."""
    details = error.details
    if error.retry_after is not None:
        extra = details if isinstance(details, dict) else {} if details is None else {"details": details}
        details = {**extra, "retry_after": error.retry_after}
    return refusal(task, server, error.code, error.message, details)


def _success(task: Task, server: str, value: object) -> Finished:
    status = "success"
    if isinstance(value, Result):
        status, value = value.status, value.data
    try:
        data = to_json(value, by_alias=True, inf_nan_mode="null")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        message = f"Skill {task.type!r} returned what is no JSON ({type(value).__name__}): {error}"
        return refusal(task, server, ErrorCode.CONTRACT_VIOLATION, message)
    return _finished(task, server, status, data)


def _stopped(task: Task, server: str, error: BaseException, reason: Reason | None) -> Finished:
    if reason is Reason.INTERRUPTED:
        return _interrupted(task, server)
    if reason is None and isinstance(error, asyncio.CancelledError):
        # Nobody asked for it: something inside the skill cancelled itself.
        return refusal(task, server, ErrorCode.TRANSIENT, "CancelledError: the skill's own code was cancelled.")
    return cancelled(task, server)


def _failed(task: Task, server: str, error: BaseException, retry_on: RetryOn) -> Finished:
    if isinstance(error, SkillError):
        return failed_by(task, server, error)
    transient = isinstance(error, retry_on) if retry_on else not isinstance(error, _LASTING)
    code = ErrorCode.TRANSIENT if transient else ErrorCode.PERMANENT
    text = _text(error)
    return refusal(task, server, code, f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _late(task: Task, server: str, outcome: Outcome | None) -> Finished:
    message = f"Skill {task.type!r} did not end before its deadline."
    if outcome is None:
        return refusal(task, server, ErrorCode.TIMEOUT, message, {"still_running": True})
    if outcome.error is None:
        value = outcome.value.data if isinstance(outcome.value, Result) else outcome.value
        return refusal(task, server, ErrorCode.TIMEOUT, message, {"late_result": value})
    return refusal(task, server, ErrorCode.TIMEOUT, message)


def _interrupted(task: Task, server: str) -> Finished:
    return refusal(task, server, ErrorCode.INTERRUPTED, "The worker went down before the task was done.")


def _finished(task: Task, server: str, status: str, data: bytes) -> Finished:
    return Finished(
        server=server, job_id=task.job_id, task_id=task.task_id, attempt=task.attempt, status=status, data=data
    )


def _unwrapped(error: BaseException | None) -> BaseException | None:
    """An exception group of one says nothing its member does not."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _json(value: object) -> bytes | None:
    try:
        return to_json(value, by_alias=True, inf_nan_mode="null")
    except (PydanticSerializationError, ValueError, RecursionError):
        return None
