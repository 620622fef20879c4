"""The half of the dict store that lies beside jobs, tasks and timers."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator_lite.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from orchestrator_lite.store import Change, Checkpoint, EventRow, JobRow, Keyed, Outgoing, TaskRow, Timer


class Beside:
    """Keys, messages, checkpoints, notes; what is told over all jobs; and forgetting."""

    _jobs: dict[str, JobRow]
    _tasks: dict[str, TaskRow]
    _events: list[EventRow]
    _timers: dict[str, Timer]
    _keys: dict[str, Keyed]
    _outgoing: dict[int, Outgoing]
    _checkpoints: dict[str, Checkpoint]
    _notes: dict[str, bytes]
    _last_event: int
    _last_outgoing: int

    def _put_beside(self, change: Change) -> None:
        for row in change.outgoing:
            self._last_outgoing += 1
            self._outgoing[self._last_outgoing] = replace(row, id=self._last_outgoing)
        for task_id in change.drop_checkpoints:
            self._checkpoints.pop(task_id, None)
        self._checkpoints |= {one.task_id: one for one in change.checkpoints}

    async def checkpoint(self, task_id: str) -> bytes | None:
        found = self._checkpoints.get(task_id)
        return found and found.doc

    async def key(self, key: str) -> Keyed | None:
        return self._keys.get(key)

    async def client_events_after(self, client: str, seq: int = 0, limit: int = 1000) -> list[EventRow]:
        mine = {job.id for job in self._jobs.values() if job.client == client}
        return [event for event in self._events if event.job_id in mine and event.seq > seq][: max(limit, 0)]

    async def last_event(self) -> int:
        return self._last_event

    async def lanes(self) -> list[str]:
        return sorted({task.skill for task in self._tasks.values()})

    async def outgoing_due(self, now: float, limit: int = 100) -> tuple[list[Outgoing], float | None]:
        pending = [(row.due_at, row.id) for row in self._outgoing.values() if row.status == "pending" and row.due_at]
        pending.sort()
        due = [number for at, number in pending if at <= now][: max(limit, 0)]
        later = [at for at, number in pending if number not in due]
        return [self._outgoing[number] for number in due], min(later, default=None)

    async def put_outgoing(self, rows: Sequence[Outgoing]) -> None:
        for row in rows:
            stored = self._outgoing.get(row.id)
            if stored is not None and stored.event_id == row.event_id:
                fixed = {name: getattr(stored, name) for name in ("job_id", "client", "kind", "created_at")}
                self._outgoing[row.id] = replace(row, **fixed)

    async def outgoing(self, message_id: int) -> Outgoing | None:
        return self._outgoing.get(message_id)

    async def outgoing_of(
        self,
        client: str,
        *,
        job_id: str | None = None,
        status: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Outgoing]:
        found = [
            row
            for row in sorted(self._outgoing.values(), key=lambda row: -row.id)
            if row.client == client
            and job_id in (None, row.job_id)
            and status in (None, row.status)
            and (before is None or row.id < before)
        ]
        return found[: max(limit, 0)]

    async def notes(self, prefix: str = "") -> dict[str, bytes]:
        return {name: doc for name, doc in sorted(self._notes.items()) if name.startswith(prefix)}

    async def put_notes(self, notes: Mapping[str, bytes | None]) -> None:
        for name, doc in notes.items():
            self._notes.pop(name, None)
            if doc is not None:
                self._notes[name] = doc

    def _has_pending(self, job_id: str) -> bool:
        return any(row.job_id == job_id and row.status == "pending" for row in self._outgoing.values())

    async def ended_before(self, at: float, limit: int = 500) -> list[str]:
        ended = sorted((job.ended_at, job.id) for job in self._jobs.values() if job.ended_at is not None)
        return [job_id for end, job_id in ended if end < at and not self._has_pending(job_id)][: max(limit, 0)]

    async def forget(self, job_ids: Collection[str]) -> list[str]:
        ended = [job_id for job_id in job_ids if job_id in self._jobs and self._jobs[job_id].ended_at is not None]
        gone = [job_id for job_id in dict.fromkeys(ended) if not self._has_pending(job_id)]
        no_more = {job_id for job_id in job_ids if job_id not in self._jobs or job_id in gone}
        self._timers = {key: timer for key, timer in self._timers.items() if timer.job_id not in no_more}
        self._jobs = {name: job for name, job in self._jobs.items() if name not in gone}
        self._events = [event for event in self._events if event.job_id not in gone]
        self._tasks = {name: task for name, task in self._tasks.items() if task.job_id not in gone}
        self._checkpoints = {name: one for name, one in self._checkpoints.items() if one.job_id not in gone}
        self._outgoing = {name: row for name, row in self._outgoing.items() if row.job_id not in gone}
        return gone

    async def purge(self, now: float, limit: int = 1000) -> int:
        expired = sorted(key for key, keyed in self._keys.items() if keyed.until <= now)
        expired = sorted(expired, key=lambda key: self._keys[key].until)[: max(limit, 0)]
        for key in expired:
            del self._keys[key]
        return len(expired)

    async def backup(self, path: str) -> None:
        _write_new(Path(path), pickle.dumps(vars(self)))


def _write_new(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise StoreError(f"The backup {path} exists already.") from None
