"""The config file: one flat TOML table, each key a setting, of the setting's own type."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from avtomatika_client.protocol.errors import AvtomatikaError

ITSELF: Final = "config"
"""The setting that names the file; it cannot stand in it."""


class SettingsFileError(AvtomatikaError):
    """The config file cannot be used: which file, which key and why, in one line."""


def settings_in(path: str | Path, fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """What a config file sets.

    Types are taken strictly: a number in quotes is a text, and no number.

    Args:
        path: The file; a relative path starts at the working folder.
        fields: The settings there are, by name.

    Raises:
        SettingsFileError: It cannot be read, is no TOML, or a key or its value makes no sense.
    """
    values = parsed(path)
    for key, value in values.items():
        if key == ITSELF or key not in fields:
            raise SettingsFileError(f"{path}: {key}: {_unknown(key, fields)}")
        _check(f"{path}: {key}", value, fields[key])
    return values


def parsed(path: str | Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        SettingsFileError: It cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsFileError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # no TOML, or no text
        raise SettingsFileError(f"{path}: this is no TOML: {_line(error)}") from error


def _unknown(key: str, fields: Mapping[str, FieldInfo]) -> str:
    if key == ITSELF:
        return "a config file cannot name another one"
    close = get_close_matches(key.replace("-", "_").lower(), [name for name in fields if name != ITSELF], n=1)
    return f"there is no such setting; did you mean {close[0]}?" if close else "there is no such setting"


def _check(place: str, value: Any, field: FieldInfo) -> None:
    kind: Any = field.annotation
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[kind, *field.metadata] if field.metadata else kind)
    try:
        adapter.validate_json(json.dumps(value), strict=True)
    except TypeError as error:
        raise SettingsFileError(f"{place}: dates and times make no sense here") from error
    except ValidationError as error:
        raise SettingsFileError(f"{place}: {reason(error)}") from error


def reason(error: ValidationError) -> str:
    """What is wrong, without the value: it may be a secret."""
    said = str(error.errors(include_url=False, include_input=False, include_context=False)[0]["msg"])
    return _line(said.removeprefix("Value error, "))


def _line(text: object) -> str:
    return " ".join(str(text).split())
