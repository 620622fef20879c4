"""Skills as workers have published them: those that were there at any time, not only now."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic_core import from_json, to_json

from avtomatika_client.protocol.worker import Registration, skill_names
from orchestrator_lite.runtime.workers import Worker
from orchestrator_lite.store import Store

_NOTE = "skill:"
_KEPT = ("type", "version", "description", "input_schema", "output_schema")


class Catalogue:
    """Every skill a worker has ever published, kept as the store's notes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._skills: dict[str, dict[str, Any]] = {}

    async def open(self, workers: Collection[Worker]) -> None:
        """Read what is kept; workers from before there was a catalogue count too."""
        self._skills = {}
        for key, doc in (await self._store.notes(_NOTE)).items():
            self._skills[key.removeprefix(_NOTE)] = from_json(doc)
        for worker in workers:
            for name in worker.skills:
                self._skills.setdefault(name, _entry({}, None, worker.seen_at))

    def clear(self) -> None:
        """Forget every skill: the store has."""
        self._skills.clear()

    def knows(self, name: str) -> bool:
        """Whether a worker has ever published this skill."""
        return name in self._skills

    async def published(self, registration: Registration, now: float) -> None:
        """Keep what a registration publishes; written down only where it says something new."""
        said = {item["name"]: item for item in registration.supported_skills or [] if _is_named(item)}
        changed: dict[str, bytes | None] = {}
        for name in skill_names(registration):
            before = self._skills.get(name)
            entry = _entry(said.get(name, {}), before, now)
            if entry != before:
                self._skills[name] = entry
                changed[_NOTE + name] = to_json(entry)
        if changed:
            await self._store.put_notes(changed)

    def listed(self, workers: Collection[Worker], now: float) -> list[dict[str, Any]]:
        """The catalogue by name, with the workers that offer each skill now.

        Args:
            workers: Every registered worker.
            now: UTC seconds.
        """
        there: dict[str, list[str]] = {}
        for worker in workers:
            if worker.is_active(now):
                for name in worker.skills:
                    there.setdefault(name, []).append(worker.worker_id)
        return [
            {"name": name, **entry, "workers": sorted(there.get(name, ())), "available": name in there}
            for name, entry in sorted(self._skills.items())
        ]


def _entry(said: dict[str, Any], before: dict[str, Any] | None, now: float) -> dict[str, Any]:
    """A skill as it is kept: as it was published last, and every version there was."""
    kept = before or {"versions": [], "first_published_at": now}
    told = {key: said[key] for key in _KEPT if said.get(key) is not None}
    version = told.get("version")
    versions = kept["versions"]
    if isinstance(version, str) and version not in versions:
        versions = [*versions, version][-_VERSIONS:]
    return {**kept, **told, "versions": versions}


_VERSIONS = 100
"""Versions of a skill that are remembered."""


def _is_named(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("name"), str)
