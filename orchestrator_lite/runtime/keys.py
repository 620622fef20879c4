"""Idempotency keys: one job for all creations that name the same key."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.errors import AvtomatikaError
from avtomatika_client.protocol.ids import made_at
from orchestrator_lite.runtime.turns import Turns
from orchestrator_lite.store import Keyed, KeyTaken, Store

KEPT = 24 * 3600.0
"""Seconds for which a key means the job that was made under it."""

REMEMBERED = 10_000
"""Keys kept in memory; of any other the store may know."""

SKEW = 1.0
"""Seconds by which a client's clock may be ahead of the server's."""


class KeyReusedError(AvtomatikaError):
    """The idempotency key was used for another request."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as a request names it.

    Attributes:
        scope: Within what it means something: whose it is, and for what.
        name: What the client chose.
        digest: Of the request, to tell a repetition from another one.
    """

    scope: str
    name: str
    digest: str

    @property
    def stored(self) -> str:
        """As the store keeps it."""
        return f"{self.scope}\n{self.name}"


class Keys:
    """What is known of keys without the store.

    The store alone decides which creation was the first, in the commit of its job. But a start handler has run by then,
    for nothing where the job is there already; so the store is asked before, unless the key shows that it is new: it
    tells when it was made, which is since this server began to remember, and the server does not remember it.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._turns = Turns()
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._remembers_since = clock.now()

    async def once(self, key: Key, create: Callable[[], Awaitable[str]]) -> str:
        """The id of the job that a key means; `create` makes it, unless it has been made before.

        Raises:
            KeyReusedError: It was made by another request.
            StoreError: The store does not answer; there is no job, or none more.
        """
        async with self._turns.of(key.stored):
            taken = await self._taken(key)
            if taken is None:
                try:
                    return await create()
                except KeyTaken as error:
                    taken = error.taken
        if taken.digest != key.digest:
            raise KeyReusedError(f"The idempotency key was used for another request, which made job {taken.job_id}")
        return taken.job_id

    def row(self, key: Key, job_id: str, at: float) -> Keyed:
        """What is written with the job that a key is to mean."""
        return Keyed(key.stored, key.digest, job_id, at + KEPT)

    async def _taken(self, key: Key) -> Keyed | None:
        if self._is_new(key):
            return None
        found = await self._store.key(key.stored)
        return None if found is None or found.until <= self._clock.now() else found

    def _is_new(self, key: Key) -> bool:
        seen = key.stored in self._seen
        self._seen[key.stored] = self._clock.now()
        self._seen.move_to_end(key.stored)
        while len(self._seen) > REMEMBERED:
            self._remembers_since = self._seen.popitem(last=False)[1]
        made = made_at(key.name)
        return not seen and made is not None and made > self._remembers_since + SKEW
