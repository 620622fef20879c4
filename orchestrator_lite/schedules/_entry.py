"""A schedule as the server keeps it: what it says, whose it is, and how far it has come."""

from __future__ import annotations

import asyncio
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from pydantic_core import from_json, to_json

from orchestrator_lite.engine.calendar import Rule, following, latest, next_after
from orchestrator_lite.engine.state import Client
from orchestrator_lite.schedules._definition import Definition

KEPT: Final = 20
"""Runs that are told of."""

BOUND: Final = 100
"""Runs that `catch_up = "all"` makes up for at most."""

PUNCTUAL: Final = 60.0
"""Seconds by which a run may be late and still counts as one that was not missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One time a schedule was due.

    Attributes:
        due: When, UTC seconds; None: it was asked for.
        at: When it was seen to.
        job_id: The job that began; None: none did.
        skipped: Why none did.
    """

    due: float | None
    at: float
    job_id: str | None = None
    skipped: str | None = None


@dataclass(slots=True, kw_only=True)
class Entry:
    """A schedule.

    Attributes:
        id: Its id.
        client: Who it and its jobs belong to.
        source: Where it comes from.
        definition: What it says.
        created_at: When it came, UTC seconds.
        updated_at: When it was last changed by somebody.
        anchor: The first moment of its interval.
        paused: Whether it rests.
        next_at: When it is due next; None: it is not.
        last_due: The last time that has been seen to.
        runs: The last of them, the newest first.
        turn: Held by whoever changes it.
    """

    id: str
    client: Client
    source: Literal["file", "api"]
    definition: Definition
    created_at: float
    updated_at: float
    anchor: float
    paused: bool = False
    next_at: float | None = None
    last_due: float | None = None
    runs: list[Run] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock, compare=False, repr=False)

    @property
    def rule(self) -> Rule:
        """When it is due."""
        return self.definition.rule(self.anchor)

    @property
    def last_job(self) -> str | None:
        """The job it began last."""
        return next((run.job_id for run in self.runs if run.job_id is not None), None)

    def is_due(self, now: float) -> bool:
        """Whether there is something to see to."""
        return not self.paused and self.next_at is not None and self.next_at <= now

    def upcoming(self, now: float, count: int) -> list[float]:
        """When it will be due, `count` times at most; nothing while it rests."""
        if self.paused or self.next_at is None:
            return []
        return [self.next_at, *following(self.rule, max(self.next_at, now), count - 1)][:count]

    def missed(self, now: float) -> list[float]:
        """The times to see to now, the oldest first, as `catch_up` has it."""
        if self.next_at is None:
            return []
        count = BOUND if self.definition.catch_up == "all" else 1
        found = latest(self.rule, math.nextafter(self.next_at, -math.inf), now, count)
        if self.definition.catch_up == "none":
            return [due for due in found if now - due <= PUNCTUAL]
        return found

    def plan(self, now: float, *, first: bool = False) -> None:
        """Find out when it is due next; `first`: now counts too."""
        self.next_at = next_after(self.rule, math.nextafter(now, -math.inf) if first else now)

    def ran(self, *runs: Run) -> None:
        """Keep what happened; a job that is known already is not told of twice."""
        known = {run.job_id for run in self.runs if run.job_id is not None}
        fresh = [run for run in runs if run.job_id not in known]
        self.runs = [*reversed(fresh), *self.runs][:KEPT]

    def document(self) -> bytes:
        """As the store keeps it."""
        return to_json(
            {
                "id": self.id,
                "client": {"name": self.client.name, "plan": self.client.plan, "params": self.client.params},
                "source": self.source,
                "definition": self.definition.model_dump(mode="json"),
                "created_at": self.created_at,
                "updated_at": self.updated_at,
                "anchor": self.anchor,
                "paused": self.paused,
                "next_at": self.next_at,
                "last_due": self.last_due,
                "runs": [asdict(run) for run in self.runs],
            }
        )

    @classmethod
    def of(cls, document: bytes) -> Entry:
        """What a document holds."""
        plain: dict[str, Any] = from_json(document)
        return cls(
            client=Client(**plain.pop("client")),
            definition=Definition.model_validate(plain.pop("definition")),
            runs=[Run(**run) for run in plain.pop("runs")],
            **plain,
        )
