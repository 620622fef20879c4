"""The server's settings as a table, from the class that reads them."""

from __future__ import annotations

from types import NoneType
from typing import get_args

import griffe
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from docs._tools.tables import described, table
from orchestrator_lite._cli._flags import flag_fields
from orchestrator_lite._cli._options import flag_of, variable_of
from orchestrator_lite.settings import Settings as ServerSettings

BOUNDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


def settings_table() -> str:
    """One row a setting: its name and key in the config file, its flag, variable, type, default, and what it is."""
    texts = described(ServerSettings, griffe.DocstringSectionKind.attributes)
    rows = [
        (f"`{name}`", _flag(name), f"`{variable_of(name)}`", _type(field), default(field), texts[name])
        for name, field in ServerSettings.model_fields.items()
    ]
    return table(("setting", "flag", "environment", "type", "default", ""), rows)


def _flag(name: str) -> str:
    return f"`{flag_of(name)}`" if name in dict(flag_fields()) else "none"


def default(field: FieldInfo) -> str:
    """A setting's default as a cell; none is an empty one."""
    if field.is_required():
        return "required"
    return "" if field.default is None else f"`{field.default}`"


def _type(field: FieldInfo) -> str:
    values = [value for value in get_args(field.annotation) or [field.annotation] if value is not NoneType]
    return ", ".join([" or ".join(_name(value) for value in values), *_bounds(field)])


def _name(value: object) -> str:
    if value is SecretStr:
        return "secret text"
    return f"`{value.__name__ if isinstance(value, type) else value}`"


def _bounds(field: FieldInfo) -> list[str]:
    found = [(word, getattr(limit, key, None)) for limit in field.metadata for key, word in BOUNDS.items()]
    return [f"{word} {value:g}" for word, value in found if value is not None]
