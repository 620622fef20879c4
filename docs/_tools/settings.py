"""The server's settings as a table, from the class that reads them."""

from __future__ import annotations

from types import NoneType
from typing import get_args

import griffe
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from docs._tools.tables import described, table
from orchestrator_lite.settings import Settings as ServerSettings

BOUNDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


def settings_table() -> str:
    """One row a setting: its name, the environment variable, type, default and what its docstring says."""
    texts = described(ServerSettings, griffe.DocstringSectionKind.attributes)
    rows = [
        (f"`{name}`", f"`{variable(name)}`", _type(field), default(field), texts[name])
        for name, field in ServerSettings.model_fields.items()
    ]
    return table(("setting", "environment", "type", "default", ""), rows)


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"{ServerSettings.model_config.get('env_prefix')}{name.upper()}"


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
