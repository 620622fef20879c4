"""A skill's answer when plain data will not do."""

from __future__ import annotations

from dataclasses import dataclass

from avtomatika_client.protocol._base import JSON


@dataclass(frozen=True, slots=True)
class Result:
    """Data with a status of the skill's own choosing, for a blueprint that has a transition of that name.

    Attributes:
        status: Any word; `success`, `failure` and `cancelled` keep their meaning.
        data: What the skill returns: a model, a dataclass, or any JSON value.
    """

    status: str
    data: JSON = None

    def __post_init__(self) -> None:
        given: object = self.status
        if not isinstance(given, str) or not given:
            raise ValueError(f"A result's status is a word, not {given!r}.")
