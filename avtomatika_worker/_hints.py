"""A function's parameters with their hints resolved, once, at decoration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, get_type_hints

from avtomatika_worker.errors import SkillDefinitionError


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name, its hint (`inspect.Parameter.empty` without one) and whether it may be left out."""

    name: str
    hint: Any
    optional: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """What a skill's function takes and returns; `open` when it takes any further keyword."""

    parameters: tuple[Parameter, ...]
    returns: Any
    open: bool


EMPTY = inspect.Parameter.empty


def where(function: Callable[..., Any]) -> str:
    """The function's name, file and line, for messages."""
    inner = inspect.unwrap(function)
    code = getattr(inner, "__code__", None)
    place = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
    return f"{getattr(inner, '__qualname__', repr(inner))}{place}"


def read_signature(function: Callable[..., Any], local_names: Mapping[str, Any]) -> Signature:
    """Resolve every hint of `function`, also those that are text (`from __future__ import annotations`).

    Args:
        function: The user's function.
        local_names: Names of the scope it is defined in.

    Raises:
        SkillDefinitionError: A hint cannot be resolved, or a parameter cannot be given by name.
    """
    hints = _hints(function, local_names)
    parameters = []
    is_open = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise SkillDefinitionError(
                f"Skill {where(function)}: parameter {parameter} cannot be given by name; make it an ordinary one."
            )
        if parameter.kind is parameter.VAR_KEYWORD:
            is_open = True
            continue
        optional = parameter.default is not EMPTY
        parameters.append(Parameter(parameter.name, hints.get(parameter.name, EMPTY), optional))
    return Signature(tuple(parameters), hints.get("return", EMPTY), is_open)


def _hints(function: Callable[..., Any], local_names: Mapping[str, Any]) -> dict[str, Any]:
    inner = inspect.unwrap(function)
    globals_ = getattr(inner, "__globals__", {})
    # One at a time, so that the message can name the parameter; a local name may hide a global one.
    return {
        name: _resolve(function, name, hint, {**globals_, **local_names})
        for name, hint in getattr(inner, "__annotations__", {}).items()
    }


def _resolve(function: Callable[..., Any], name: str, hint: Any, names: dict[str, Any]) -> Any:
    try:
        return get_type_hints(SimpleNamespace(__annotations__={name: hint}), names, None, include_extras=True)[name]
    except Exception as error:
        shown = hint if isinstance(hint, str) else repr(hint)
        raise SkillDefinitionError(
            f"Skill {where(function)}: the hint {shown!r} of {name!r} cannot be resolved ({error}). "
            "Define or import it above the skill, at run time (not only under TYPE_CHECKING)."
        ) from error
