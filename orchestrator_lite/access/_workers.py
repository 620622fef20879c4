"""Which workers are let in: by the token of all, and by their own of `workers.toml` (`spec` §3 and §6.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

from avtomatika_client.protocol.worker import WORKER_ID_PATTERN
from orchestrator_lite.access._digest import digest
from orchestrator_lite.access._errors import Refused
from orchestrator_lite.access._toml import read_tables

_WORKER_ID = re.compile(WORKER_ID_PATTERN)
_INDIVIDUAL = "Unauthorized: Invalid individual worker token"
_NOBODYS = "Unauthorized: No valid token found"

Badge: TypeAlias = frozenset[str] | None
"""The workers whose own token was sent; None: it was the token of all."""


UNKNOWN: Final[frozenset[str]] = frozenset()
"""The badge of nobody."""


class WorkerTokens:
    """What workers may send; replaced whole when the file is read again.

    Args:
        common: Token of all workers that have none of their own; None: there is none.
        individual: Tokens by worker.

    Attributes:
        individual: Their digests by worker.
    """

    def __init__(self, common: str | None, individual: Mapping[str, str]) -> None:
        self.individual = {worker_id: digest(token.encode()) for worker_id, token in individual.items()}
        self._common = None if common is None else digest(common.encode())
        owners: dict[bytes, set[str]] = {}
        for worker_id, own in self.individual.items():
            owners.setdefault(own, set()).add(worker_id)
        self._owners = {own: frozenset(ids) for own, ids in owners.items()}

    def __len__(self) -> int:
        return len(self.individual) + (self._common is not None)

    def badge(self, token: bytes) -> Badge:
        """Whose token it is; `UNKNOWN`, the badge of no worker: nobody's."""
        sent = digest(token)
        return None if sent == self._common else self._owners.get(sent, UNKNOWN)

    def refusal(self, worker_id: str | None) -> str:
        """What a worker that sent a wrong token is told."""
        return _INDIVIDUAL if worker_id in self.individual else _NOBODYS

    def check(self, badge: Badge, worker_id: str) -> None:
        """That whoever wears a badge may speak for a worker.

        Args:
            badge: Of the token that was sent.
            worker_id: The worker it speaks for.

        Raises:
            Refused: 401: the worker has a token of its own, or the token is another's.
        """
        if (worker_id in self.individual) if badge is None else worker_id not in badge:
            raise Refused(401, self.refusal(worker_id))

    def mark(self, worker_id: str) -> str:
        """What tells the credential a worker is let in with from any other, and nothing else."""
        return digest(b"mark" + self.individual.get(worker_id, self._common or b"")).hex()[:16]

    def changed(self, newer: WorkerTokens) -> set[str]:
        """The workers whose connections another set of tokens would not have let in."""
        ids = self.individual.keys() | newer.individual.keys()
        return {worker_id for worker_id in ids if self.individual.get(worker_id) != newer.individual.get(worker_id)}


def read_workers(path: Path | None, common: str | None) -> WorkerTokens:
    """The tokens of `workers.toml`, and the one of the settings.

    Args:
        path: The file; None: there is none.
        common: The token of all workers without their own.

    Raises:
        AccessError: The file cannot be read or means nothing; file, line, table and field come first.
    """
    individual: dict[str, str] = {}
    for table in [] if path is None else read_tables(path):
        if not _WORKER_ID.fullmatch(table.name):
            table.wrong(None, f"is no worker id: it must match {WORKER_ID_PATTERN}")
        individual[table.name] = table.token()
        if individual[table.name] == common:
            table.wrong("token", "is that of all workers too: it would protect nothing")
    return WorkerTokens(common, individual)
