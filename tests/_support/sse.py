"""Server-sent events as a reader sees them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    import httpx


@dataclass
class Sent:
    """One event: its name, its own id (None: it has none), its data, and the last id told before or with it."""

    name: str
    id: str | None
    data: dict[str, Any]
    last_id: str | None

    @property
    def type(self) -> str:
        return self.data.get("event_type", self.name) if self.name == "history" else self.name


class Reading:
    """Takes lines, gives events; by the letter of the specification."""

    def __init__(self) -> None:
        self.last_id: str | None = None
        self.comments = 0
        self._name, self._data, self._id = "message", [], None

    def line(self, line: str) -> Sent | None:
        if not line:
            return self._dispatched()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "":
                self.comments += 1
            case "id":
                self._id = self.last_id = value
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
        return None

    def _dispatched(self) -> Sent | None:
        name, data, own = self._name, self._data, self._id
        self._name, self._data, self._id = "message", [], None
        return Sent(name, own, json.loads("\n".join(data)), self.last_id) if data else None


def read(text: str) -> list[Sent]:
    """The events of a whole answer."""
    return list(_events(text.split("\n")))


def _events(lines: Iterable[str]) -> Iterator[Sent]:
    reading = Reading()
    for line in lines:
        if (event := reading.line(line)) is not None:
            yield event


async def events_of(response: httpx.Response, reading: Reading | None = None) -> AsyncIterator[Sent]:
    """The events of a stream as they come."""
    reading = reading or Reading()
    async for line in response.aiter_lines():
        if (event := reading.line(line)) is not None:
            yield event
