"""Takes messages out of the store and to their receivers, until each has arrived or is given up.

A message is written with what it tells of. It leaves the store's pending ones only after an attempt whose outcome has
been written, so it arrives at least once whatever dies in between; receivers know a repetition by its `webhook-id`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Final
from weakref import WeakValueDictionary

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.egress.errors import EgressError, EgressRefused, NotConnectedError
from orchestrator_lite.egress.guard import Call, Egress
from orchestrator_lite.store import Outgoing, Store, StoreError
from orchestrator_lite.webhooks import attempts
from orchestrator_lite.webhooks._hosts import Host, Hosts
from orchestrator_lite.webhooks.signing import headers_of

log = logging.getLogger(__name__)

SECONDS: Final = 10.0
"""All the time an attempt may take."""

WINDOW: Final = 100
"""Messages that one look at the store brings at most, beyond those in memory."""

MOST: Final = 512
"""Messages in memory."""

HEAVIEST: Final = 16 * 1024 * 1024
"""Bytes of messages beyond which no more are taken into memory, and that one look should not bring much more of."""

AT_ONCE: Final = 64
"""Attempts at the same time."""

SHARE: Final = 48
"""Of these, a client's: whose many hosts are all silent leaves room for the others."""

GRACE: Final = 2.0
"""Seconds that attempts may still take when the server stops; what breaks off is tried again at the next start."""

SecretOf = Callable[[str], str | None]
"""What a client's messages are signed with."""


@dataclass(slots=True)
class Counted:
    """What has become of messages since the start."""

    attempts: int = 0
    delivered: int = 0
    failed: int = 0


class Deliverer:
    """One loop over the pending messages of a store.

    Args:
        store: Where they lie.
        clock: The time.
        egress: The door they leave through.
        secret_of: What a client's messages are signed with.
        latest: Seconds after which it looks again in any case; without end where nobody else can write.
        chance: 0 to 1, for the pauses.

    Attributes:
        counted: What has become of messages since the start.
        moves: How often something has happened to one.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        egress: Egress,
        *,
        secret_of: SecretOf,
        latest: float,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._clock = clock
        self._egress = egress
        self._secret_of = secret_of
        self._latest = latest
        self._chance = chance
        self._hosts = Hosts()
        self._held: dict[int, asyncio.Task[None]] = {}
        self._weight = 0
        self._window = 4
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._poke = asyncio.Event()
        self._wake_at = 0.0
        self._looking: asyncio.Task[None] | None = None
        self.counted = Counted()
        self.moves = 0

    def start(self) -> None:
        """Deliver what is pending, and what comes, until `close`."""
        self._looking = asyncio.create_task(self._run(), name="webhooks")

    async def close(self) -> None:
        """End: what is under way gets a moment, what does not arrive in it is delivered after the next start."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        if held := set(self._held.values()):
            await self._clock.wait_any((asyncio.gather(*held, return_exceptions=True),), GRACE)
        for task in (left := set(self._held.values())):
            task.cancel()
        if left:
            await asyncio.wait(left)

    def expect(self, at: float) -> None:
        """A message will be due at `at` (UTC seconds)."""
        if at < self._wake_at:
            self._wake_at = at
            self._poke.set()

    async def again(self, row: Outgoing) -> Outgoing:
        """Send a message once more; one that is under way stays as it is.

        Raises:
            StoreUnavailable: That could not be written.
        """
        if row.id in self._held:
            return row
        row = attempts.anew(row, self._clock.now())
        await self._store.put_outgoing([row])
        self.moves += 1
        self.expect(self._clock.now())
        return row

    async def _run(self) -> None:
        """Look until cancelled; whatever fails is tried again."""
        while True:
            try:
                await self._look()
            except StoreError as error:
                log.warning("webhooks wait: %s", error)
                self._wake_at = self._clock.now() + 1.0
            except Exception:
                log.exception("webhooks wait")
                self._wake_at = self._clock.now() + 1.0
            await self._rest()

    async def _look(self) -> None:
        self._wake_at = inf
        before = set(self._held)  # one of these may be done, and written, while the store answers
        rows, next_at = await self._store.outgoing_due(self._clock.now(), len(before) + self._window)
        self._window = _window_after(rows, self._window)
        self._hosts.has_room()
        put_off = [later for row in rows if row.id not in before and (later := self._taken(row)) is not None]
        if put_off:
            await self._store.put_outgoing(put_off)
        self._hosts.tidy(self._clock.monotonic())
        dues = [row.due_at for row in put_off if row.due_at is not None]
        self._wake_at = min(self._wake_at, inf if next_at is None else next_at, *dues, inf)

    def _taken(self, row: Outgoing) -> Outgoing | None:
        """Begin with a message; where its host has no room or is gone, what becomes of it instead."""
        host = self._hosts.of(row.url)
        if (why := host.gone(self._clock.monotonic())) is not None:
            return self._told(row, self._unanswered(row, why))
        full = len(self._held) >= MOST or self._weight > HEAVIEST
        if host.is_full or (full and host.held):  # one for a host that has none is always taken
            return replace(row, due_at=self._clock.now() + host.wait())
        host.held += 1
        self._weight += len(row.body)
        self._held[row.id] = asyncio.create_task(self._deliver(row, host), name="webhook")
        return None

    async def _deliver(self, row: Outgoing, host: Host) -> None:
        share = self._shares.setdefault(row.client, asyncio.Semaphore(SHARE))
        try:
            async with host.gate, share, self._gate:
                after = await self._attempted(row, host)
            await self._written(self._told(row, after))
        finally:
            host.held -= 1
            self._weight -= len(row.body)
            del self._held[row.id]
        if after.due_at is not None:
            self.expect(after.due_at)

    async def _attempted(self, row: Outgoing, host: Host) -> Outgoing:
        """The message after one attempt."""
        began = self._clock.monotonic()
        if (why := host.gone(began)) is not None:
            return self._unanswered(row, why)
        try:
            headers = headers_of(row, self._secret_of(row.client), self._clock.now())
            call = Call(url=row.url, method="POST", headers=headers, content=row.body, seconds=SECONDS)
            answer = await self._egress.send(call)
        except EgressRefused as error:
            return attempts.refused(row, str(error))
        except NotConnectedError as error:
            host.lost(str(error), self._clock.monotonic())
            return self._unanswered(row, str(error))
        except EgressError as error:
            return self._unanswered(row, str(error))
        except Exception as error:
            log.exception("a webhook of job %s failed", row.job_id)
            return self._unanswered(row, type(error).__name__)
        finally:
            host.took(self._clock.monotonic() - began)
        return attempts.answered(row, answer.status, answer.headers, now=self._clock.now(), chance=self._chance())

    def _unanswered(self, row: Outgoing, why: str) -> Outgoing:
        return attempts.unanswered(row, why, now=self._clock.now(), chance=self._chance())

    def _told(self, row: Outgoing, after: Outgoing) -> Outgoing:
        """Count what has become of a message, and log what the operator would look for."""
        self.moves += 1
        self.counted.attempts += 1
        self.counted.delivered += after.status == "delivered"
        self.counted.failed += after.status == "failed"
        if after.status == "failed":
            log.warning("webhook of job %s given up after %d attempts: %s", row.job_id, after.attempts, after.error)
        elif after.status == "pending":
            log.info("webhook of job %s failed, attempt %d: %s", row.job_id, after.attempts, after.error)
        return after

    async def _written(self, row: Outgoing) -> None:
        """Write what has become of a message; until that has succeeded nobody takes it up again."""
        while True:
            try:
                await self._store.put_outgoing([row])
            except StoreError as error:
                log.warning("job %s: the outcome of a webhook could not be stored: %s", row.job_id, error)
                await self._clock.sleep(1.0)
            else:
                return

    async def _rest(self) -> None:
        """Until the next message is due. Waiting for one is work; looking again just in case is upkeep."""
        while (pause := self._wake_at - self._clock.now()) > 0:
            self._poke.clear()
            idle = pause > self._latest
            pause = min(pause, self._latest)
            with suppress(TimeoutError):
                async with self._clock.timeout(pause if isfinite(pause) else None, upkeep=idle):
                    await self._poke.wait()
            if idle and not self._poke.is_set():
                return


def _window_after(rows: list[Outgoing], window: int) -> int:
    """How many messages the next look may bring: more and more, while they are not heavy."""
    mean = sum(len(row.body) for row in rows) // max(len(rows), 1) + 1
    return max(1, min(2 * window, WINDOW, HEAVIEST // mean))
