"""How a task's parameters become the arguments of a skill's function; compiled once, at decoration."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typing_extensions
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError

from avtomatika_worker._context import Context
from avtomatika_worker._hints import EMPTY, Parameter, Signature, where
from avtomatika_worker._result import Result
from avtomatika_worker.errors import InvalidInputError, SkillDefinitionError

Schema = dict[str, Any]
_PYDANTIC_ERRORS = (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError, TypeError)


@dataclass(frozen=True)
class Plan:
    """A skill's compiled signature.

    Attributes:
        whole: The parameter that takes all of the task's params; None: each parameter takes its own key.
        context: The parameter that takes the Context.
        reader: Validates the params; None when the function takes none.
        returns: Describes what the function returns; None when it does not say.
    """

    whole: str | None
    context: str | None
    reader: TypeAdapter[Any] | None
    returns: TypeAdapter[Any] | None

    def bind(self, params: Any, ctx: Context) -> dict[str, Any]:
        """The keyword arguments for one task.

        Raises:
            InvalidInputError: The params do not fit; the message names each field.
        """
        arguments: dict[str, Any] = {}
        if self.reader is not None:
            try:
                value = self.reader.validate_python({} if params is None else params)
            except ValidationError as error:
                raise _invalid(error) from None
            arguments = value if self.whole is None else {self.whole: value}
        if self.context is not None:
            arguments[self.context] = ctx
        return arguments

    @cached_property
    def input_schema(self) -> Schema | None:
        """JSON schema of the params."""
        return _schema(self.reader, "validation")

    @cached_property
    def output_schema(self) -> Schema | None:
        """JSON schema of the data."""
        return _schema(self.returns, "serialization")


def compile_plan(function: Callable[..., Any], signature: Signature) -> Plan:
    """Decide how each parameter is filled.

    Raises:
        SkillDefinitionError: A hint that pydantic cannot read, or two parameters that take all of the params.
    """
    contexts = [parameter.name for parameter in signature.parameters if _is_context(parameter)]
    if len(contexts) > 1:
        raise SkillDefinitionError(f"Skill {where(function)}: more than one Context ({', '.join(contexts)}).")
    rest = [parameter for parameter in signature.parameters if parameter.name not in contexts]
    whole = rest[0] if len(rest) == 1 and not signature.open and _takes_all(rest[0]) else None
    reader = _reader(function, whole, rest, is_open=signature.open)
    return Plan(
        whole=whole.name if whole else None,
        context=contexts[0] if contexts else None,
        reader=reader,
        returns=_returns(function, signature.returns),
    )


def _reader(
    function: Callable[..., Any], whole: Parameter | None, rest: list[Parameter], *, is_open: bool
) -> TypeAdapter[Any] | None:
    if whole is not None:
        return _adapter(function, whole.name, dict[str, Any] if whole.hint is EMPTY else whole.hint)
    if not rest and not is_open:
        return None
    for parameter in rest:
        if parameter.hint is not EMPTY:
            _adapter(function, parameter.name, parameter.hint)  # an error should name the one it is about
    fields = {parameter.name: _field(parameter) for parameter in rest}
    shape = _typed_dict("Params", fields)
    config = ConfigDict(extra="allow" if is_open else "ignore")
    return _adapter(function, "parameters", with_config(config)(shape))


def _field(parameter: Parameter) -> Any:
    hint = Any if parameter.hint is EMPTY else _modern(parameter.hint)
    return typing_extensions.NotRequired[hint] if parameter.optional else hint


def _returns(function: Callable[..., Any], hint: Any) -> TypeAdapter[Any] | None:
    if get_origin(hint) in (Union, UnionType):
        members = tuple(member for member in get_args(hint) if member is not Result)
        hint = Union[members] if members else EMPTY  # noqa: UP007
    if hint in (EMPTY, Result, None, NoneType):
        return None
    return _adapter(function, "return", hint)


def _adapter(function: Callable[..., Any], name: str, hint: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(_modern(hint))
    except _PYDANTIC_ERRORS as error:
        reason = str(error).split("\n", 1)[0]
        raise SkillDefinitionError(f"Skill {where(function)}: the hint of {name!r} cannot be used: {reason}") from error


def _modern(hint: Any) -> Any:
    """`typing.TypedDict` before Python 3.12 lacks what pydantic needs; its twin in typing_extensions has it."""
    if get_origin(hint) in (Union, UnionType):
        return Union[tuple(_modern(member) for member in get_args(hint))]  # noqa: UP007
    if sys.version_info >= (3, 12) or not isinstance(hint, typing._TypedDictMeta):  # type: ignore[attr-defined]  # noqa: SLF001
        return hint
    members = typing.get_type_hints(hint, include_extras=True)
    optional: frozenset[str] = hint.__optional_keys__
    fields = {
        name: typing_extensions.NotRequired[member] if name in optional else member for name, member in members.items()
    }
    return _typed_dict(hint.__name__, fields)


def _typed_dict(name: str, fields: dict[str, Any]) -> Any:
    make: Any = typing_extensions.TypedDict
    return make(name, fields)


def _is_context(parameter: Parameter) -> bool:
    if parameter.hint is EMPTY:
        return parameter.name == "ctx"
    members = _members(parameter.hint)
    return bool(members) and all(isinstance(member, type) and issubclass(member, Context) for member in members)


def _takes_all(parameter: Parameter) -> bool:
    if parameter.name == "params":
        return True
    members = [get_origin(member) or member for member in _members(parameter.hint)]
    return bool(members) and all(isinstance(member, type) and _is_object(member) for member in members)


def _members(hint: Any) -> list[Any]:
    """The types a hint stands for: without Annotated and None, a union taken apart."""
    if get_origin(hint) is Annotated:
        return _members(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [part for member in get_args(hint) for part in _members(member)]
    return [] if hint in (None, NoneType, EMPTY) else [hint]


def _is_object(kind: type) -> bool:
    return issubclass(kind, (BaseModel, Mapping)) or is_dataclass(kind) or typing_extensions.is_typeddict(kind)


def _schema(adapter: TypeAdapter[Any] | None, mode: typing.Literal["validation", "serialization"]) -> Schema | None:
    if adapter is None:
        return None
    try:
        return adapter.json_schema(mode=mode)
    except PydanticUserError:
        return None


def _invalid(error: ValidationError) -> InvalidInputError:
    problems = [
        {"field": ".".join(str(part) for part in item["loc"]) or "params", "message": item["msg"], "type": item["type"]}
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return InvalidInputError("; ".join(f"{item['field']}: {item['message']}" for item in problems), details=problems)
