"""What a server understands, read from its answers (`spec/avtomatika.md` §10).

Nothing beyond the seed protocol is used towards a server that does not say it can do it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from avtomatika_client.protocol.headers import (
    BATCH,
    CALLS,
    CHECKPOINTS,
    DRAINING,
    FILES,
    LEASES,
    PROTOCOL_VERSION,
    WORKER_EVENTS,
)
from avtomatika_client.protocol.jobs import ServerStatus

_OBJECTS_SINCE: Final = 5
_FINAL_RELEASE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Dialect:
    """One server's dialect.

    Attributes:
        features: What it says it can do beyond the seeds.
        version: The beta number of its `X-RXON-Version`; None from releases before 1.0b13, which send none.
    """

    features: frozenset[str] = field(default_factory=frozenset)
    version: int | None = None

    @property
    def leases(self) -> bool:
        """Attempts, incarnations, `holding` and acknowledgements are understood."""
        return LEASES in self.features

    @property
    def answers_draining(self) -> bool:
        """Saying `draining` makes it answer the open poll at once."""
        return DRAINING in self.features

    @property
    def batches(self) -> bool:
        """One poll may bring several tasks."""
        return BATCH in self.features

    @property
    def files(self) -> bool:
        """Workers may read and write the files of jobs."""
        return FILES in self.features

    @property
    def calls(self) -> bool:
        """Running tasks may call skills."""
        return CALLS in self.features

    @property
    def checkpoints(self) -> bool:
        """Running tasks may leave something for their next attempt."""
        return CHECKPOINTS in self.features

    @property
    def events(self) -> bool:
        """Running tasks may tell what becomes history."""
        return WORKER_EVENTS in self.features

    @property
    def skill_objects(self) -> bool:
        """Skills are registered as objects; else as names."""
        return self.leases or (self.version or 0) >= _OBJECTS_SINCE

    @property
    def nested_results(self) -> bool:
        """It may be a release that reads a result only under the key `result`."""
        return not self.leases and self.version is None


def read_dialect(headers: Mapping[str, str], content: bytes) -> Dialect:
    """The dialect of a server by its answer to `GET /_public/status`, whatever that is."""
    try:
        features = frozenset(ServerStatus.model_validate_json(content).features)
    except ValidationError:
        features = frozenset()
    return Dialect(features, _version(headers.get(PROTOCOL_VERSION)))


def _version(text: str | None) -> int | None:
    if text is None:
        return None
    beta = re.fullmatch(r"1\.0b(\d+)", text.strip())
    return int(beta[1]) if beta else _FINAL_RELEASE
