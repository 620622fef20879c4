"""Who works for us: registrations, incarnations, and when a worker was last heard."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json, to_json

from avtomatika_client.protocol.errors import AvtomatikaError
from avtomatika_client.protocol.worker import Heartbeat, Registration, skill_names
from orchestrator_lite.engine.matching import Offer, offer_of
from orchestrator_lite.store import Store, WorkerRow

OUR_WINDOW = 15.0
"""Seconds after its last sign of life at which a worker of ours loses its leases (it beats every 5)."""

OFFICIAL_WINDOW = 60.0
"""The same for official workers, which beat every 15 and not at all while a handler blocks."""

ACK_WINDOW = 5.0
"""Seconds within which a worker of ours acknowledges a task, or it returns with the same attempt."""

ACTIVE_FOR = 120.0
"""Seconds without a sign of life after which a worker is no longer shown, as officially."""

_SECRET = frozenset({"security", "nonce", "timestamp", "holding", "acks"})

_OFFERED = frozenset(
    {
        "supported_skills",
        "supported_tasks",
        "available_skills",
        "hot_skills",
        "hot_cache",
        "resources",
        "capabilities",
        "installed_artifacts",
        "installed_models",
        "installed_software",
        "cost_per_skill",
    }
)
"""What `Offer` is read from."""

LATEST_COUNTS = 0.05
"""How much the latest task counts in a reputation, against all before it."""

LEAST_REPUTATION = 0.1
"""What a reputation falls to at most (release 1.0b30): nobody is shut out for good."""

_REPUTATIONS = "reputations"
_WRITE_EVERY = 30.0

MOST_KEYS = 256
"""What is known of a worker: heartbeats that make up more of it add nothing but what the protocol names."""

REMEMBERED = 16
"""Earlier starts of a worker that are remembered as over."""


class SupersededError(AvtomatikaError):
    """A newer start of this worker has registered; this one must stop."""


@dataclass(slots=True)
class Worker:
    """A registered worker.

    Attributes:
        worker_id: Its id.
        skills: Names it takes tasks for.
        incarnation: Which start of it speaks; None for official workers.
        doc: Its registration with later heartbeats merged in, without secrets: what `GET /workers` shows.
        seen_at: When it was last heard, UTC seconds.
        status: What its last heartbeat said.
        replaced: Earlier incarnations, the latest last: one of them that comes back is refused.
        reputation: Share of its tasks that went well of late, 0.1 to 1.
        lanes: What `Lanes` found for it, and for which turn.
    """

    worker_id: str
    skills: frozenset[str]
    incarnation: str | None
    seen_at: float
    doc: dict[str, Any] = field(default_factory=dict)
    status: str = "idle"
    replaced: tuple[str, ...] = ()
    reputation: float = 1.0
    lanes: tuple[int, frozenset[str]] | None = None
    _offer: Offer | None = None

    @property
    def offer(self) -> Offer:
        """What it has, as it last said."""
        if self._offer is None:
            self._offer = offer_of(self.doc)
        return self._offer

    @property
    def limit(self) -> int | None:
        """How many tasks it takes at once; None where it does not say, or asks only for what it has room for."""
        if self.is_ours:
            return None
        resources = self.doc.get("resources")
        asked = self.doc.get("max_concurrent_tasks")
        if asked is None and isinstance(resources, dict):
            asked = resources.get("max_concurrent_tasks")
        return asked if isinstance(asked, int) and not isinstance(asked, bool) and asked > 0 else None

    def judged(self, *, well: bool) -> None:
        """A task of it has ended, well or by its fault: its last twenty or so count."""
        self.reputation = max(LEAST_REPUTATION, self.reputation + (float(well) - self.reputation) * LATEST_COUNTS)

    def has_changed(self) -> None:
        """What it said of itself is another thing now."""
        self._offer = self.lanes = None

    @property
    def is_ours(self) -> bool:
        """Whether it acknowledges tasks and beats every five seconds."""
        return self.incarnation is not None

    @property
    def window(self) -> float:
        """Seconds of silence after which its leases are lost."""
        return OUR_WINDOW if self.is_ours else OFFICIAL_WINDOW

    def lease_until(self, now: float) -> float:
        """When a task handed out now goes back without a sign of life."""
        return now + (ACK_WINDOW if self.is_ours else self.window)

    def is_active(self, now: float) -> bool:
        """Whether it counts among the workers that are there (seeds 000-002 §2)."""
        return self.status != "offline" and now - self.seen_at < ACTIVE_FOR

    @property
    def takes_tasks(self) -> bool:
        """Whether it may be given tasks: not while it drains or has said good-bye."""
        return self.status not in {"draining", "offline"}


class Workers:
    """The registered workers, kept in the store so that a restarted server knows them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Worker] = {}
        self._written: dict[str, float] = {}
        self._write_at = 0.0

    async def open(self) -> None:
        """Read them from the store."""
        for row in await self._store.workers():
            self._known[row.worker_id] = _from_row(row)
        notes = await self._store.notes(_REPUTATIONS)
        self._written = from_json(notes[_REPUTATIONS]) if _REPUTATIONS in notes else {}
        for worker_id, reputation in self._written.items():
            if worker_id in self._known:
                self._known[worker_id].reputation = reputation

    async def write_reputations(self, now: float) -> None:
        """Keep what workers are worth; every half a minute at most."""
        if now < self._write_at:
            return
        self._write_at = now + _WRITE_EVERY
        current = {key: round(worker.reputation, 4) for key, worker in self._known.items() if worker.reputation < 1}
        if current != self._written:
            await self._store.put_notes({_REPUTATIONS: to_json(current)})
            self._written = current

    async def drop(self, worker: Worker) -> None:
        """Forget a worker that has stayed away."""
        await self._store.drop_worker(worker.worker_id)
        if self._known.get(worker.worker_id) is worker:
            del self._known[worker.worker_id]

    def clear(self) -> None:
        """Forget everybody: the store has."""
        self._known.clear()
        self._written = {}

    def get(self, worker_id: str) -> Worker | None:
        """A worker, if it has registered."""
        return self._known.get(worker_id)

    def all(self) -> list[Worker]:
        """Every registered worker."""
        return list(self._known.values())

    def check(self, worker_id: str, incarnation: str | None) -> None:
        """Refuse a start of a worker that a newer one has replaced.

        Raises:
            SupersededError: Another incarnation of this id has registered since.
        """
        known = self._known.get(worker_id)
        if known is None or incarnation is None or known.incarnation is None:
            return
        if known.incarnation != incarnation:
            raise _superseded(worker_id)

    async def register(self, registration: Registration, now: float) -> Worker:
        """Keep a registration.

        Raises:
            SupersededError: A newer start of this worker has registered before: the old one does not win it back.
        """
        known = self._known.get(registration.worker_id)
        if known is not None and registration.incarnation in known.replaced:
            raise _superseded(registration.worker_id)
        doc = {key: item for key, item in registration.model_dump(mode="json").items() if key not in _SECRET}
        worker = Worker(
            worker_id=registration.worker_id,
            skills=frozenset(skill_names(registration)),
            incarnation=registration.incarnation,
            seen_at=now,
            doc={key: item for key, item in doc.items() if item is not None},
            replaced=() if known is None else _replaced(known, registration.incarnation),
            reputation=1.0 if known is None else known.reputation,
        )
        await self._store.put_worker(WorkerRow(worker.worker_id, now, _document(worker)))
        self._known[worker.worker_id] = worker
        return worker

    async def heartbeat(self, worker: Worker, beat: Heartbeat, now: float) -> bool:
        """Merge a heartbeat into what is known; written down only when the worker's skills have changed.

        Returns:
            Whether the worker offers something else than before.
        """
        worker.seen_at = now
        worker.status = beat.status or worker.status
        said = beat.model_dump(mode="json", exclude_none=True, exclude=set(_SECRET))
        if len(worker.doc.keys() | said.keys()) > MOST_KEYS:
            said = {key: item for key, item in said.items() if key in Heartbeat.model_fields or key in worker.doc}
        skills = skill_names(beat)
        changed = any(worker.doc.get(key) != said[key] for key in said.keys() & _OFFERED)
        worker.doc.update(said)
        if skills and frozenset(skills) != worker.skills:
            worker.skills = frozenset(skills)
            changed = True
            await self._store.put_worker(WorkerRow(worker.worker_id, now, _document(worker)))
        if changed:
            worker.has_changed()
        return changed


def _superseded(worker_id: str) -> SupersededError:
    return SupersededError(f"superseded: worker {worker_id!r} has been started anew elsewhere; this one must stop")


def _replaced(known: Worker, incarnation: str | None) -> tuple[str, ...]:
    """The incarnations that are over once `incarnation` has registered."""
    if known.incarnation in {None, incarnation}:
        return known.replaced
    return (*known.replaced, str(known.incarnation))[-REMEMBERED:]


def _document(worker: Worker) -> bytes:
    return to_json({**worker.doc, "replaced": worker.replaced})


def _from_row(row: WorkerRow) -> Worker:
    doc = from_json(row.doc)
    replaced = tuple(doc.pop("replaced", ()))
    # as it was taken, unchecked: heartbeats added to it what no registration may hold, and a server must start
    registration = Registration.model_construct(**{**doc, "worker_id": row.worker_id})
    return Worker(
        worker_id=row.worker_id,
        skills=frozenset(skill_names(registration)),
        incarnation=registration.incarnation,
        seen_at=row.seen_at,
        doc=doc,
        replaced=replaced,
    )
