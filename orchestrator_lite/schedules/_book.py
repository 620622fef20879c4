"""The schedules of a server: kept, looked up, changed."""

from __future__ import annotations

import asyncio
import copy
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, Literal

from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite.engine.state import Client
from orchestrator_lite.schedules._definition import Definition
from orchestrator_lite.schedules._entry import Entry
from orchestrator_lite.schedules._file import FileSchedule
from orchestrator_lite.store import Store

log = logging.getLogger(__name__)

PREFIX: Final = "schedule:"
"""Of the names of their documents."""

MOST: Final = 1000
"""Schedules a client may have."""


class NameTakenError(AvtomatikaError):
    """The client has another schedule of that name."""


class TooManyError(AvtomatikaError):
    """The client has as many schedules as it may have."""


class FileOwnedError(AvtomatikaError):
    """The schedule stands in schedules.toml, which alone can change it."""


class GoneError(AvtomatikaError):
    """The schedule has been deleted meanwhile."""


class Book:
    """Schedules by id, in memory as they are in the store.

    Attributes:
        changed: Set whenever something has been written.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self.changed = asyncio.Event()

    async def open(self, of_file: Collection[tuple[FileSchedule, Client]]) -> None:
        """Read what is kept, and make those of the file be as it says.

        Raises:
            StoreError: They cannot be read or written.
        """
        self._entries = {}
        for name, document in (await self._store.notes(PREFIX)).items():
            try:
                entry = Entry.of(document)
            except (ValueError, TypeError, KeyError) as error:
                log.error("%s cannot be read and rests: %s", ascii(name), type(error).__name__)
                continue
            self._entries[entry.id] = entry
        await self._reconcile(of_file)

    def all(self) -> list[Entry]:
        """Every schedule."""
        return list(self._entries.values())

    def get(self, entry_id: str) -> Entry | None:
        """A schedule as it is now."""
        return self._entries.get(entry_id)

    def of(self, client: str) -> list[Entry]:
        """A client's schedules, the oldest first."""
        own = (entry for entry in self._entries.values() if entry.client.name == client)
        return sorted(own, key=lambda entry: (entry.created_at, entry.definition.name))

    def find(self, client: str, name: str) -> Entry | None:
        """A client's schedule by its id or its name."""
        entry = self._entries.get(name)
        if entry is not None and entry.client.name == client:
            return entry
        return next((one for one in self.of(client) if one.definition.name == name), None)

    async def create(self, client: Client, definition: Definition) -> tuple[Entry, bool]:
        """Keep a new schedule; the same one again changes nothing.

        Returns:
            The schedule, and whether it is new.

        Raises:
            NameTakenError: There is another one of that name.
            TooManyError: The client has a thousand.
            StoreError: It could not be stored.
        """
        own = self.of(client.name)
        there = next((entry for entry in own if entry.definition.name == definition.name), None)
        if there is not None:
            if there.definition == definition and there.source == "api":
                return there, False
            raise NameTakenError(f"there is a schedule named {definition.name!r} already")
        if len(own) >= MOST:
            raise TooManyError(f"there are {MOST} schedules already: delete some first")
        entry = _new(str(uuid.uuid4()), client, "api", definition, self._clock.now())
        async with entry.turn:
            self._entries[entry.id] = entry  # at once: nobody else takes the name meanwhile
            try:
                await self.write(entry)
            except BaseException:
                del self._entries[entry.id]
                raise
        return entry, True

    async def update(
        self, entry: Entry, change: Callable[[Definition], Definition], *, enabled: bool | None = None
    ) -> Entry:
        """Let a schedule say something else; what was due before is not made up for.

        Args:
            entry: Which one.
            change: Gives what it says now, of what it said.
            enabled: Whether it is to rest (False) or go on (True); None: as before.

        Raises:
            FileOwnedError: It stands in the file.
            NameTakenError: There is another one of that name.
            GoneError: It has been deleted.
            StoreError: It could not be stored.
        """
        _changeable(entry)
        async with self.turn(entry) as current:
            definition = change(current.definition)
            there = self.find(entry.client.name, definition.name)
            if there is not None and there.id != entry.id:
                raise NameTakenError(f"there is a schedule named {definition.name!r} already")
            changed = _changed(current, definition, self._clock.now())
            if enabled is not None:
                changed.paused = not enabled
            await self.write(changed)
            return changed

    async def delete(self, entry: Entry) -> None:
        """Forget a schedule; its jobs stay.

        Raises:
            FileOwnedError: It stands in the file.
            GoneError: It has been deleted.
            StoreError: It could not be stored.
        """
        _changeable(entry)
        async with self.turn(entry):
            await self._store.put_notes({PREFIX + entry.id: None})
            del self._entries[entry.id]
            self.changed.set()

    async def pause(self, entry: Entry, *, paused: bool) -> Entry:
        """Let it rest, or go on: what was due while it rested is not made up for.

        Raises:
            GoneError: It has been deleted.
            StoreError: It could not be stored.
        """
        async with self.turn(entry) as current:
            if current.paused == paused:
                return current
            now = self._clock.now()
            changed = replace(current, paused=paused, updated_at=now)
            if not paused:
                changed.plan(now)
            await self.write(changed)
            return changed

    @asynccontextmanager
    async def turn(self, entry: Entry) -> AsyncIterator[Entry]:
        """Change one schedule at a time, as it is then.

        Raises:
            GoneError: It has been deleted.
        """
        async with entry.turn:
            current = self._entries.get(entry.id)
            if current is None:
                raise GoneError("the schedule has been deleted")
            yield current

    async def write(self, entry: Entry) -> None:
        """Store what has become of a schedule, and only then go by it; for whoever has its turn.

        Raises:
            StoreError: It could not be stored.
        """
        await self._store.put_notes({PREFIX + entry.id: entry.document()})
        self._entries[entry.id] = entry
        self.changed.set()

    async def _reconcile(self, of_file: Collection[tuple[FileSchedule, Client]]) -> None:
        now = self._clock.now()
        wanted = {_file_id(one, client): (one.definition, client) for one, client in of_file}
        gone = [entry.id for entry in self._entries.values() if entry.source == "file" and entry.id not in wanted]
        for entry_id in gone:
            del self._entries[entry_id]
        fresh = {entry_id: self._as_in_file(entry_id, *one, now) for entry_id, one in wanted.items()}
        changed = {entry_id: entry for entry_id, entry in fresh.items() if entry is not self._entries.get(entry_id)}
        self._entries.update(changed)
        if gone or changed:
            written = {PREFIX + entry_id: entry.document() for entry_id, entry in changed.items()}
            await self._store.put_notes({**{PREFIX + entry_id: None for entry_id in gone}, **written})

    def _as_in_file(self, entry_id: str, definition: Definition, client: Client, now: float) -> Entry:
        """One of the file: itself where nothing has changed."""
        entry = self._entries.get(entry_id)
        if entry is None:
            return _new(entry_id, client, "file", definition, now)
        if entry.definition != definition:
            return replace(_changed(entry, definition, now), client=client)
        return entry if entry.client == client else replace(entry, client=client)


def _new(entry_id: str, client: Client, source: Literal["file", "api"], definition: Definition, now: float) -> Entry:
    moment = round(now, 3)
    entry = Entry(
        id=entry_id,
        client=client,
        source=source,
        definition=definition,
        created_at=moment,
        updated_at=moment,
        anchor=moment,
        paused=not definition.enabled,
    )
    entry.plan(moment, first=definition.interval_seconds is not None)
    return entry


def _changed(entry: Entry, definition: Definition, now: float) -> Entry:
    """A schedule that says something else from now on; it is not due by that alone."""
    changed = copy.copy(entry)
    changed.definition, changed.updated_at = definition, round(now, 3)
    if definition.enabled != entry.definition.enabled:
        changed.paused = not definition.enabled
    if definition.when() != entry.definition.when():
        changed.anchor = round(now, 3)
    changed.plan(max(now, changed.anchor))
    return changed


def _changeable(entry: Entry) -> None:
    if entry.source == "file":
        raise FileOwnedError(f"schedule {entry.definition.name!r} stands in schedules.toml: change it there")


def _file_id(schedule: FileSchedule, client: Client) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"schedules.toml:{client.name}:{schedule.definition.name}"))
