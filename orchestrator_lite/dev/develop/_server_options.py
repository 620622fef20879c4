"""What the command tells its server process."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What the parent knows.

    Attributes:
        files: The files.
        given: Settings that were given as flags, by name.
        scratch: A folder that ends with the command.
    """

    files: list[str]
    given: dict[str, Any]
    scratch: str

    def encode(self) -> str:
        """As an argument."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, argument: str) -> ServerOptions:
        """From an argument."""
        return cls(**json.loads(argument))
