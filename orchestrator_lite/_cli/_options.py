"""From options to settings."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite.settings import Settings


class UsageError(AvtomatikaError):
    """An option that makes no sense."""


def settings_of(given: Mapping[str, object]) -> Settings:
    """The settings: what was given, else the environment's, else the defaults.

    Args:
        given: Fields by name; None: not given.

    Raises:
        UsageError: One makes no sense, given or of the environment.
    """
    fields = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings.model_validate(fields) if not fields else Settings(**fields)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UsageError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error
