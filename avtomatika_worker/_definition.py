"""What a worker is, and how one run of it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from avtomatika_client._seam import AsyncTransport
from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock
from avtomatika_worker._settings import Target
from avtomatika_worker._skill import Skill

GRACE: Final = 30.0
"""Seconds running tasks may take to finish once the worker is going down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a Worker says about itself.

    Attributes:
        worker_type: Free text.
        worker_id: Its id; None: one is taken from the state folder.
        skills: By name.
        limit: Tasks at once.
        orchestrators: URLs; None: from the environment.
        token: None: from the environment.
        journal: The journal's file; None: beside the identity.
        durable: Whether results are written to a file at all.
    """

    worker_type: str
    worker_id: str | None
    skills: dict[str, Skill[..., Any]]
    limit: int
    orchestrators: Sequence[str] | None
    token: str | None
    journal: Path | None
    durable: bool

    def changed(self, **changes: Any) -> Definition:
        """The same worker with other fields."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run a definition.

    Attributes:
        clock: The time.
        transport: Makes a transport, for each orchestrator and for the heartbeats.
        threads: Whether heartbeats have a thread; else they are a task of the same loop.
        fleeting: Neither state folder nor journal is touched.
        targets: The orchestrators, whatever the definition says.
        grace: Seconds running tasks may take to finish when the worker is stopped.
    """

    clock: Clock = SYSTEM_CLOCK
    transport: Callable[[], AsyncTransport] | None = None
    threads: bool = True
    fleeting: bool = False
    targets: tuple[Target, ...] = ()
    grace: float = GRACE
