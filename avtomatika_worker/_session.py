"""Being known to one orchestrator: register, and again whenever it may have forgotten us."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from pydantic import ValidationError

from avtomatika_client._calls._flow import Reply
from avtomatika_client._seam import AsyncTransport
from avtomatika_client.errors import APIConnectionError
from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.worker import Registered
from avtomatika_worker._backoff import Backoff
from avtomatika_worker._dialect import read_dialect
from avtomatika_worker._replies import error_text, is_superseded, retry_after
from avtomatika_worker._wire import Ack, Offer, Peer

logger = logging.getLogger(__name__)

HOLD: Final = 30.0
"""Seconds a server holds a poll when it does not say (seeds 000-002 §3)."""
BEAT: Final = 5.0
FOREIGN_BEAT: Final = 15.0
_TIMEOUT: Final = 10.0
_LONGEST_HOLD: Final = 300.0


class Session:
    """What we know of one orchestrator and it of us.

    Attributes:
        peer: Where and as whom; holds the server's dialect.
        hold: Seconds it holds a poll.
        interval: Seconds between heartbeats.
        ready: Set while it knows us.
        known: Whether it has known us at any time.
    """

    def __init__(self, peer: Peer, transport: AsyncTransport, clock: Clock) -> None:
        self.peer = peer
        self.hold = HOLD
        self.interval = FOREIGN_BEAT
        self.ready = asyncio.Event()
        self.known = False
        self._transport = transport
        self._clock = clock
        self._stale = asyncio.Event()
        self._stale.set()
        self._backoff = Backoff()
        self._told: set[str] = set()

    def renew(self) -> None:
        """Register again, while everything else goes on."""
        self._stale.set()

    def lost(self) -> None:
        """The server may have been restarted, or replaced by another release: begin from its status."""
        self.ready.clear()
        self._stale.set()

    def holds_longer(self) -> None:
        """A poll was not answered in time: some servers hold longer than they say, and a poll we leave loses a task."""
        self.hold = min(self.hold * 2, _LONGEST_HOLD)

    def say_once(self, kind: str, problem: str) -> None:
        """Tell of a problem, once of each kind until the next registration."""
        if kind not in self._told:
            self._told.add(kind)
            logger.warning("Orchestrator %s %s; still trying", self.peer.target.url, problem)

    async def register(self, offer: Offer, holding: Callable[[], list[Ack]], superseded: Callable[[], None]) -> None:
        """Wait until there is reason to register, then try once; a failure is followed by a pause.

        Args:
            offer: What the worker offers.
            holding: The (task, attempt) pairs of results not acknowledged yet.
            superseded: Told when a newer start of this worker has taken over.
        """
        await self._stale.wait()
        self._stale.clear()
        problem, floor = await self._try(offer, holding, superseded)
        if problem is None:
            self._backoff.reset()
            self._told.clear()
            self.known = True
            self.ready.set()
            return
        self.say_once("registration", problem)
        self._stale.set()
        await self._clock.sleep(self._backoff.next(floor), upkeep=True)

    async def _try(
        self, offer: Offer, holding: Callable[[], list[Ack]], superseded: Callable[[], None]
    ) -> tuple[str | None, float]:
        """What went wrong, and the least seconds to wait."""
        try:
            status = await self._transport.send(self.peer.status(), timeout=_TIMEOUT)
            dialect = read_dialect(status.headers, status.content if status.is_success else b"")
            self.peer = Peer(self.peer.target, self.peer.worker_id, self.peer.incarnation, dialect)
            reply = await self._transport.send(self.peer.register(offer, holding()), timeout=_TIMEOUT)
        except APIConnectionError as error:
            return f"cannot be reached ({error})", 0.0
        if is_superseded(reply):
            superseded()
        if not reply.is_success:
            return refusal_text("registration", reply), retry_after(reply, self._clock)
        self._learn(reply)
        return None, 0.0

    def _learn(self, reply: Reply) -> None:
        try:
            answer = Registered.model_validate_json(reply.content)
        except ValidationError:
            answer = Registered()
        self.interval = answer.heartbeat_interval or (BEAT if self.peer.dialect.leases else FOREIGN_BEAT)
        self.hold = answer.poll_timeout or max(self.hold, HOLD)
        logger.info("Registered as %s with %s", self.peer.worker_id, self.peer.target.url)
        if answer.warning:
            logger.warning("Orchestrator %s warns: %r", self.peer.target.url, answer.warning)


def refusal_text(what: str, reply: Reply) -> str:
    """What a server would not do, for a log line."""
    hint = ": check the worker token" if reply.status in (401, 403) else ""
    return f"refuses the {what} with {reply.status}{hint} ({error_text(reply)})"
