"""One page of a list, whatever the server's way to the next one is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from avtomatika_client._calls._flow import Flow

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list.

    Attributes:
        items: What it holds.
        cursor: With what the next page begins, for the same list method; None: this is the last one.
        total: How many items the whole list has, where the server counts them.
    """

    items: list[Item]
    cursor: str | None = None
    total: int | None = None


Fetch: TypeAlias = Callable[[str | None], Flow[Page[Item]]]
"""The call that fetches the page of a cursor; None: the first one."""


def each(fetch: Fetch[Item], make: Callable[[Item], Made]) -> Fetch[Made]:
    """Pages with each item made into something else."""

    def made(cursor: str | None) -> Flow[Page[Made]]:
        page = yield from fetch(cursor)
        return Page([make(item) for item in page.items], page.cursor, page.total)

    return made
