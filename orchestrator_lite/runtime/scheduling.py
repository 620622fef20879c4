"""Schedules in a running server: their book, and the task that keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection
from datetime import UTC, datetime
from typing import Any, Protocol

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.blueprint import Blueprint
from orchestrator_lite.engine.state import Client, Job
from orchestrator_lite.runtime.blueprints import Blueprints
from orchestrator_lite.runtime.jobs import Jobs
from orchestrator_lite.schedules import Book, Entry, FileSchedule, Keeper, NoBlueprintError
from orchestrator_lite.store import KeyTaken, Store


class Create(Protocol):
    """Accepts a job."""

    def __call__(
        self, blueprint: Blueprint, client: Client, body: dict[str, Any], *, run: str | None = None
    ) -> Awaitable[Job]:
        """Of a blueprint, for a client; `run` is the key of which there is one job alone."""


class Scheduling:
    """What `Core` has of schedules.

    Attributes:
        book: The schedules.
        keeper: What begins their jobs.
    """

    def __init__(
        self, store: Store, clock: Clock, blueprints: Blueprints, jobs: Jobs, create: Create, latest: float
    ) -> None:
        self._blueprints = blueprints
        self._jobs = jobs
        self._create = create
        self._task: asyncio.Task[None] | None = None
        self._of_file: Collection[tuple[FileSchedule, Client]] = ()
        self.book = Book(store, clock)
        self.keeper = Keeper(self.book, store, clock, begin=self._begin, is_running=self._is_running, latest=latest)

    async def start(self, of_file: Collection[tuple[FileSchedule, Client]]) -> None:
        """Take up what is kept, and begin what is due from now on.

        Raises:
            StoreError: The store does not answer.
        """
        self._of_file = of_file
        await self.book.open(of_file)
        await self.keeper.recover()
        self._task = asyncio.create_task(self.keeper.run(), name="schedules")

    async def reopen(self) -> None:
        """The store has been wiped: those of the file begin anew, the others are gone.

        Raises:
            StoreError: The store does not answer.
        """
        await self.book.open(self._of_file)
        self.book.changed.set()

    async def stop(self) -> None:
        """Begin nothing more; what was begun is found at the next start."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _begin(self, entry: Entry, due: float | None, key: str | None) -> str:
        said = entry.definition
        blueprint = self._blueprints.named(said.blueprint)
        if blueprint is None:
            raise NoBlueprintError(f"blueprint {said.blueprint!r} is not loaded")
        body = {
            "initial_data": said.input_data,
            "dispatch_timeout": said.dispatch_timeout,
            "result_timeout": said.result_timeout,
            "webhook_url": said.webhook_url,
            "priority": said.priority or 0.0,
            "metadata": {**said.metadata, **_origin(entry, due)},
        }
        try:
            return (await self._create(blueprint, entry.client, body, run=key)).id
        except KeyTaken as known:
            return known.taken.job_id

    async def _is_running(self, job_id: str) -> bool:
        live = await self._jobs.get(job_id)
        return live is not None and not live.job.is_final


def _origin(entry: Entry, due: float | None) -> dict[str, Any]:
    """Where the job comes from; the first two keys are those of the official scheduler."""
    return {
        "source": f"scheduler:{entry.definition.name}",
        "scheduled": True,
        "schedule_id": entry.id,
        "due": None if due is None else datetime.fromtimestamp(due, UTC).isoformat(),
    }
