"""`orchestrator-lite config`: what is set, and what sets it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from orchestrator_lite._cli._flags import is_secret
from orchestrator_lite._cli._options import origin, settings_of
from orchestrator_lite._settings_file import ITSELF
from orchestrator_lite.settings import Settings

MASKED = "***"


def config_lines(given: Mapping[str, object]) -> Iterator[str]:
    """One line a setting, as a config file holds it, and where its value comes from; secrets are masked.

    What is not set stands in a comment, so that the lines are a config file, but for the secrets.

    Raises:
        AvtomatikaError: A setting makes no sense.
    """
    settings = settings_of(given)
    values = settings.model_dump(mode="json")
    for name, field in Settings.model_fields.items():
        value = values[name]
        hidden = is_secret(field) and value not in (None, {})
        text = name if value is None else f"{name} = {_toml(MASKED if hidden else value)}"
        off = "# " if hidden or name == ITSELF or value is None else ""
        yield f"{off}{text}  # {_source(name, settings, given)}"


def _source(name: str, settings: Settings, given: Mapping[str, object]) -> str:
    if name not in settings.model_fields_set:
        return "default"
    found = origin(name, given)
    return str(settings.config) if found == name else found


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(one) for one in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
