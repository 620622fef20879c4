"""Everything the worker raises, and what a skill raises to say how its task failed.

    AvtomatikaError
    ├── SkillError                    a task failed: carries the protocol's code
    │   ├── TransientError            trying again may help
    │   ├── PermanentError            trying again will not help
    │   │   ├── NotSupportedError     this orchestrator does not offer what the skill asked for
    │   │   └── CallRefusedError      this orchestrator does not take the call or the checkpoint
    │   ├── InvalidInputError         the parameters are wrong
    │   ├── ResourceExhaustedError    memory, disk, quota: another worker may do better
    │   ├── DependencyError           something the skill stands on is broken
    │   │   └── CallFailedError       a skill it has called did not succeed
    │   ├── IntegrityMismatchError    data is not what its checksum says
    │   ├── SecurityError             the task is not allowed
    │   └── ContractViolationError    the skill returned what it may not return
    ├── TaskCancelled                 the task was cancelled while it ran
    ├── SkillDefinitionError          a function cannot be a skill
    ├── WorkerConfigError             settings that cannot work
    │   └── IdentityTakenError        another process runs under this worker id or journal
    └── SupersededError               a newer start of this worker has taken over

A class's docstring is its default message.
"""

from __future__ import annotations

from typing import ClassVar

from avtomatika_client.protocol._base import JSON
from avtomatika_client.protocol.errors import AvtomatikaError
from avtomatika_client.protocol.worker import ErrorCode

__all__ = [
    "AvtomatikaError",
    "CallFailedError",
    "CallRefusedError",
    "ContractViolationError",
    "DependencyError",
    "IdentityTakenError",
    "IntegrityMismatchError",
    "InvalidInputError",
    "NotSupportedError",
    "PermanentError",
    "ResourceExhaustedError",
    "SecurityError",
    "SkillDefinitionError",
    "SkillError",
    "SupersededError",
    "TaskCancelled",
    "TransientError",
    "WorkerConfigError",
]


class SkillError(AvtomatikaError):
    """The task failed."""

    code: ClassVar[ErrorCode] = ErrorCode.TRANSIENT

    def __init__(self, message: str = "", *, retry_after: float | None = None, details: JSON = None) -> None:
        """Say how the task failed (codes: `spec/avtomatika.md` §6.4).

        Args:
            message: For people; the class's own sentence when empty.
            retry_after: Seconds before trying again makes sense.
            details: Any JSON value the orchestrator should keep with the error.
        """
        super().__init__(*([message] if message else []))
        self.retry_after = retry_after
        self.details = details


class TransientError(SkillError):
    """The task failed; trying again may help."""


class PermanentError(SkillError):
    """The task failed; trying again will not help."""

    code = ErrorCode.PERMANENT


class NotSupportedError(PermanentError):
    """This orchestrator does not offer what the skill asked for."""


class CallRefusedError(PermanentError):
    """The orchestrator does not take this call: no such skill, nested too deep, or the attempt is over."""


class InvalidInputError(SkillError):
    """The task's parameters are wrong."""

    code = ErrorCode.INVALID_INPUT


class ResourceExhaustedError(SkillError):
    """This worker has run out of something the task needs."""

    code = ErrorCode.RESOURCE_EXHAUSTED


class DependencyError(SkillError):
    """Something the skill stands on is broken."""

    code = ErrorCode.DEPENDENCY


class CallFailedError(DependencyError):
    """A skill that this one has called did not succeed.

    Attributes:
        skill: Its name.
        job_id: The job that ran it.
        status: `failed`, `quarantined`, `cancelled`, or `unknown` when its end did not become known in time.
        error: Code, message and details, as the orchestrator has them.
    """

    def __init__(
        self,
        message: str = "",
        *,
        skill: str | None = None,
        job_id: str | None = None,
        status: str = "failed",
        error: JSON = None,
    ) -> None:
        """Made by `ctx.call`."""
        details = {"skill": skill, "job_id": job_id, "status": status, "error": error}
        super().__init__(message, details=details)
        self.skill = skill
        self.job_id = job_id
        self.status = status
        self.error = error


class IntegrityMismatchError(SkillError):
    """Data is not what its checksum says."""

    code = ErrorCode.INTEGRITY_MISMATCH


class SecurityError(SkillError):
    """The task is not allowed."""

    code = ErrorCode.SECURITY


class ContractViolationError(SkillError):
    """The skill returned what it may not return."""

    code = ErrorCode.CONTRACT_VIOLATION


class TaskCancelled(AvtomatikaError):
    """The task was cancelled."""


class SkillDefinitionError(AvtomatikaError):
    """The function cannot be a skill."""


class WorkerConfigError(AvtomatikaError):
    """The worker's settings cannot work."""


class IdentityTakenError(WorkerConfigError):
    """Another process runs under this worker id or journal."""


class SupersededError(AvtomatikaError):
    """A newer start of this worker has taken over; this one stops."""
