"""Flags out of the settings: whatever is a setting is a flag, with the setting's own description."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from orchestrator_lite._cli._options import flag_of, variable_of
from orchestrator_lite.settings import Settings

Given = Mapping[str, object]
"""Settings by name as they stood on the command line, texts mostly; the settings' own types are made of them later."""

_SCALARS: dict[Any, str] = {int: "NUMBER", float: "NUMBER", str: "TEXT"}


def with_settings(**instead: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command every setting as a flag; those that were given reach it in its last argument.

    Args:
        instead: Help for settings that mean something else to this command.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [one for one in inspect.signature(command, eval_str=True).parameters.values() if one.name != "given"]
        names = {one.name for one in own}

        def run(**arguments: Any) -> None:
            given = {name: value for name, value in arguments.items() if name not in names and value not in (None, [])}
            command(**{name: arguments[name] for name in names}, given=given)

        flags = [_parameter(name, field, instead.get(name) or described()[name]) for name, field in flag_fields()]
        run.__doc__ = f"{inspect.cleandoc(command.__doc__ or '')}\n\n{_note()}"
        run.__signature__ = inspect.Signature([*own, *flags])  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in [*own, *flags]}
        run.__name__ = command.__name__
        return run

    return decorate


def flag_fields() -> list[tuple[str, FieldInfo]]:
    """The settings that are flags: neither secrets nor tables."""
    return [
        (name, field)
        for name, field in Settings.model_fields.items()
        if not is_secret(field) and _value(field) is not dict
    ]


def is_secret(field: FieldInfo) -> bool:
    """Whether nobody may see the setting."""
    return "SecretStr" in str(field.annotation) or field.annotation is SecretStr


@cache
def described() -> dict[str, str]:
    """What the settings' docstring says of each; nothing where Python was told to drop docstrings."""
    section = (inspect.getdoc(Settings) or "").partition("\nAttributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n {8,}.*)*)", section, re.MULTILINE)
    texts = {name: " ".join(text.replace("`", "").split()) for name, text in found}
    return {name: texts.get(name, "") for name in Settings.model_fields}


def _parameter(name: str, field: FieldInfo, text: str) -> inspect.Parameter:
    kind = _value(field)
    switch = f"/--no-{name.replace('_', '-')}" if kind is bool else ""
    metavar = None if kind is bool else _metavar(kind)
    option = typer.Option(flag_of(name) + switch, help=text, metavar=metavar, show_default=False)
    taken: Any = bool if kind is bool else list[str] if kind is list else str
    annotation = Annotated[taken | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _value(field: FieldInfo) -> Any:
    """What the setting takes, whether or not it may be left out."""
    (first, *_) = [kind for kind in get_args(field.annotation) if kind is not NoneType] or [field.annotation]
    whole = field.annotation
    if get_origin(whole) in (list, tuple, set, frozenset, dict) or get_origin(whole) is Literal:
        first = whole
    origin = get_origin(first)
    return list if origin in (list, tuple, set, frozenset) else dict if origin is dict else first


def _metavar(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "{" + ",".join(str(word) for word in get_args(kind)) + "}"
    return _SCALARS.get(kind, "TEXT" if kind is list else "PATH")


def _note() -> str:
    secrets = [name for name, field in Settings.model_fields.items() if is_secret(field)]
    return (
        f"Each flag may also be set in the environment ({variable_of('port')} for --port) or in the config file (port)."
        f" Secrets are set there alone: {', '.join(secrets)}."
    )
