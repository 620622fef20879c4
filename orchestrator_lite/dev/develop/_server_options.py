"""What the command tells its server process."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What the parent knows.

    Attributes:
        files: The files.
        host: As given; None: the settings'.
        port: Likewise.
        store: Likewise; by default a database beside the first file.
        scratch: A folder that ends with the command.
    """

    files: list[str]
    host: str | None
    port: int | None
    store: str | None
    scratch: str

    def encode(self) -> str:
        """As an argument."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, argument: str) -> ServerOptions:
        """From an argument."""
        return cls(**json.loads(argument))
