"""From options to settings."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite._settings_file import reason
from orchestrator_lite.settings import Settings


class UsageError(AvtomatikaError):
    """An option that makes no sense."""


def settings_of(given: Mapping[str, object]) -> Settings:
    """The settings: what was given, else the environment's, else the config file's, else the defaults.

    Args:
        given: Fields by name; None: not given.

    Raises:
        UsageError: One makes no sense, given or of the environment; its flag or variable comes first.
        SettingsFileError: There is something wrong with the config file.
    """
    fields = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**fields)  # type: ignore[arg-type]
    except ValidationError as error:
        name = str(error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"][0])
        raise UsageError(f"{origin(name, fields)}: {reason(error)}") from error


def origin(name: str, given: Mapping[str, object]) -> str:
    """What sets a setting: its flag, its environment variable, or its name, for the file's."""
    if name in given:
        return flag_of(name)
    return variable_of(name) if name in EnvSettingsSource(Settings)() else name


def flag_of(name: str) -> str:
    """The flag of a setting."""
    return f"--{name.replace('_', '-')}"


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return f"{Settings.model_config.get('env_prefix')}{name.upper()}"
