"""Write skills, run them for an orchestrator.

Names are handed on lazily (PEP 562): importing the package loads neither models nor network.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Importing the client first makes it check that this package is ours (another distribution has the same import name).
import avtomatika_client  # noqa: F401

if TYPE_CHECKING:
    from avtomatika_client.protocol.errors import AvtomatikaError
    from avtomatika_worker._context import Context
    from avtomatika_worker._result import Result
    from avtomatika_worker._skill import Skill, skill
    from avtomatika_worker._worker import Worker
    from avtomatika_worker.errors import (
        CallFailedError,
        CallRefusedError,
        ContractViolationError,
        DependencyError,
        IdentityTakenError,
        IntegrityMismatchError,
        InvalidInputError,
        NotSupportedError,
        PermanentError,
        ResourceExhaustedError,
        SecurityError,
        SkillDefinitionError,
        SkillError,
        SupersededError,
        TaskCancelled,
        TransientError,
        WorkerConfigError,
    )

__all__ = [
    "AvtomatikaError",
    "CallFailedError",
    "CallRefusedError",
    "Context",
    "ContractViolationError",
    "DependencyError",
    "IdentityTakenError",
    "IntegrityMismatchError",
    "InvalidInputError",
    "NotSupportedError",
    "PermanentError",
    "ResourceExhaustedError",
    "Result",
    "SecurityError",
    "Skill",
    "SkillDefinitionError",
    "SkillError",
    "SupersededError",
    "TaskCancelled",
    "TransientError",
    "Worker",
    "WorkerConfigError",
    "skill",
]

_HOMES = {"Context": "_context", "Result": "_result", "Skill": "_skill", "Worker": "_worker", "skill": "_skill"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
