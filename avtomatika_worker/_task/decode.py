"""First stage: from JSON to a task, or to the answer that it is none."""

from __future__ import annotations

from pydantic import ValidationError

from avtomatika_client.protocol._base import JSON
from avtomatika_client.protocol.worker import ErrorCode, Task
from avtomatika_worker._journal import Finished
from avtomatika_worker._task.encode import failure


class UndecodableReply(Exception):
    """The server's reply names no task that could be answered."""


def decode(raw: JSON, server: str) -> Task | Finished:
    """Read one task.

    Args:
        raw: What came, parsed.
        server: Where it came from.

    Returns:
        The task; or, where it is malformed but says which job and task it is, the failure to answer it with.

    Raises:
        UndecodableReply: It does not say whose task it is.
    """
    try:
        return Task.model_validate(raw)
    except ValidationError as error:
        job_id, task_id = _name(raw, "job_id"), _name(raw, "task_id")
        if job_id is None or task_id is None:
            raise UndecodableReply("it names no job and task") from None
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
    return failure(
        server=server,
        job_id=job_id,
        task_id=task_id,
        attempt=_attempt(raw),
        code=ErrorCode.INVALID_INPUT,
        message=f"The worker cannot read this task: {problems}",
    )


def _name(raw: object, key: str) -> str | None:
    value = raw.get(key) if isinstance(raw, dict) else None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value) or None


def _attempt(raw: dict[str, object]) -> int:
    value = raw.get("attempt")
    return value if isinstance(value, int) and not isinstance(value, bool) else 1
