"""How many jobs clients may create in a month: counted in memory, written behind to the store's notes."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic_core import from_json, to_json

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.access._errors import Refused
from orchestrator_lite.store import Store, StoreError

log = logging.getLogger(__name__)

PREFIX: Final = "quota/"
EXCEEDED: Final = "Quota exceeded or not configured"
"""The text of the official releases."""


@dataclass(slots=True)
class _Book:
    """What one client has used.

    Attributes:
        used: Jobs created in the month.
        until: When the month ends, UTC seconds.
    """

    used: int
    until: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """How a client stands with its quota.

    Attributes:
        monthly_attempts: Jobs it may create in a month.
        remaining: How many are left.
        resets_at: When the next month begins, UTC seconds.
    """

    monthly_attempts: int
    remaining: int
    resets_at: float

    def headers(self) -> dict[str, str]:
        """What the answer to a creation says of it."""
        return {"X-Quota-Limit": str(self.monthly_attempts), "X-Quota-Remaining": str(self.remaining)}


class Quotas:
    """Counts the jobs of clients that have a quota; months are those of UTC.

    Where the official releases count every request of a client, only created jobs count here. A crash forgets what
    the last write had not reached: a few creations.

    Args:
        clock: Whose months.
        quotas: Jobs a month by client.
    """

    def __init__(self, clock: Clock, quotas: dict[str, int]) -> None:
        self._clock = clock
        self._quotas = quotas
        self._books: dict[str, _Book] = {}
        self._unwritten: set[str] = set()
        self._writing: asyncio.Task[None] | None = None
        self._store: Store | None = None

    async def open(self, store: Store) -> None:
        """Take up what was counted before.

        Raises:
            StoreError: The store cannot be read.
        """
        self._store = store
        for key, doc in (await store.notes(PREFIX)).items():
            self._books[key.removeprefix(PREFIX)] = _Book(**from_json(doc))

    async def close(self) -> None:
        """Write what is left; the store is still open."""
        if self._writing is not None:
            await asyncio.wait({self._writing})
        if self._unwritten:
            await self._write()
        self._store = None

    def set(self, quotas: dict[str, int]) -> None:
        """Other quotas; what was used stays used."""
        self._quotas = quotas

    def take(self, client: str, count: int = 1) -> Allowance | None:
        """Count jobs that are about to be created: all of them or none.

        Args:
            client: Whose jobs.
            count: How many.

        Returns:
            How the client stands then; None: it has no quota.

        Raises:
            Refused: 429: there are not so many left; `Retry-After` is the beginning of the next month.
        """
        quota = self._quotas.get(client)
        if quota is None:
            return None
        book, now = self._book(client), self._clock.now()
        if book.used + count > quota:
            left = self._allowance(quota, book)
            raise Refused(429, EXCEEDED, {**left.headers(), "Retry-After": str(max(1, round(book.until - now)))})
        return self._count(client, quota, book, count)

    def give_back(self, client: str, count: int = 1) -> Allowance | None:
        """Jobs that were counted have not been created after all."""
        quota = self._quotas.get(client)
        return None if quota is None else self._count(client, quota, self._book(client), -count)

    def of(self, client: str) -> Allowance | None:
        """How a client stands; None: it has no quota."""
        quota = self._quotas.get(client)
        return None if quota is None else self._allowance(quota, self._book(client))

    def _count(self, client: str, quota: int, book: _Book, count: int) -> Allowance:
        book.used = max(0, book.used + count)
        self._unwritten.add(client)
        if self._writing is None and self._store is not None:
            self._writing = asyncio.create_task(self._write_behind(), name="quotas")
        return self._allowance(quota, book)

    def _allowance(self, quota: int, book: _Book) -> Allowance:
        return Allowance(quota, max(0, quota - book.used), book.until)

    def _book(self, client: str) -> _Book:
        """The book of the month; a clock that was set back goes on with the later month's."""
        now = self._clock.now()
        book = self._books.get(client)
        if book is None or now >= book.until:
            self._books[client] = book = _Book(0, _month_end(now))
        return book

    async def _write_behind(self) -> None:
        """One write at a time: what is counted meanwhile goes with the next."""
        try:
            while self._unwritten and await self._write():
                pass
        finally:
            self._writing = None

    async def _write(self) -> bool:
        names, self._unwritten = self._unwritten, set()
        store = self._store
        assert store is not None  # noqa: S101 - nothing is written before `open`
        try:
            await store.put_notes({PREFIX + name: to_json(asdict(self._books[name])) for name in names})
        except StoreError as error:
            self._unwritten |= names  # the next creation tries again
            log.warning("what clients have used of their quotas is not written: %s", error)
            return False
        return True


def _month_end(now: float) -> float:
    then = datetime.fromtimestamp(now, UTC)
    year, month = (then.year + 1, 1) if then.month == 12 else (then.year, then.month + 1)
    return datetime(year, month, 1, tzinfo=UTC).timestamp()
