"""`schedules.toml` of the official configuration: a table for each schedule, named by it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite._settings_file import SettingsFileError, parsed
from orchestrator_lite.engine.json_values import NotJSONError
from orchestrator_lite.schedules._definition import Definition

log = logging.getLogger(__name__)

OWNER: Final = "client"
"""The key that says whose jobs they are; the rest is the definition."""

PASSED_OVER: Final = frozenset({"security"})
"""Keys of the official releases that mean nothing here."""


class SchedulesFileError(AvtomatikaError):
    """The file cannot be used: which table, which key and why, in one line."""


@dataclass(frozen=True, slots=True)
class FileSchedule:
    """A schedule of the file, and whose it is (None: it does not say)."""

    definition: Definition
    client: str | None


def read_schedules(path: Path, timezone: str) -> list[FileSchedule]:
    """The schedules of a file.

    Keys that nobody knows are passed over with a warning, as the official server does without one.

    Args:
        path: The file.
        timezone: The zone of those that name none.

    Raises:
        SchedulesFileError: It cannot be read, or a schedule makes no sense.
    """
    try:
        tables = parsed(path)
    except SettingsFileError as error:
        raise SchedulesFileError(str(error)) from error
    return [_one(path, name, table, timezone) for name, table in tables.items() if isinstance(table, dict)]


def _one(path: Path, name: str, table: dict[str, Any], timezone: str) -> FileSchedule:
    plain: dict[str, Any] = from_json(to_json(table))  # times and dates of TOML become texts
    client = plain.pop(OWNER, None)
    if client is not None and not isinstance(client, str):
        raise SchedulesFileError(f"{path}: {name}.{OWNER}: Input should be a valid string")
    known = Definition.model_fields.keys() - {"name"}
    for key in plain.keys() - known - PASSED_OVER:
        log.warning("%s: %s.%s: there is no such key; it is passed over", path, ascii(name), ascii(key))
    fields = {key: value for key, value in plain.items() if key in known}
    try:
        definition = Definition.model_validate({"timezone": timezone, **fields, "name": name})
    except NotJSONError as error:
        raise SchedulesFileError(f"{path}: {name}: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join([name, *(str(part) for part in first["loc"])])
        raise SchedulesFileError(f"{path}: {place}: {first['msg']}") from error
    return FileSchedule(definition, client)
