"""One orchestrator: register, wait for tasks, acknowledge them; its own loops, its own transport, its own results."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from pydantic import ValidationError

from avtomatika_client._calls._flow import Reply
from avtomatika_client._seam import AsyncTransport
from avtomatika_client.errors import APIConnectionError, APITimeoutError
from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.worker import Command, HeartbeatReply, Registered
from avtomatika_worker._acks import Acks
from avtomatika_worker._backoff import Backoff
from avtomatika_worker._channel import Channel
from avtomatika_worker._delivery import TIMEOUT as DELIVERY_TIMEOUT, Delivery
from avtomatika_worker._dialect import read_dialect
from avtomatika_worker._heartbeat import Pulse
from avtomatika_worker._journal import Finished, Journal
from avtomatika_worker._progress import Progress
from avtomatika_worker._replies import error_text, is_superseded, retry_after
from avtomatika_worker._slots import Slots
from avtomatika_worker._source import Refused
from avtomatika_worker._supervise import supervise
from avtomatika_worker._wire import Offer, Peer

logger = logging.getLogger(__name__)

HOLD: Final = 30.0
"""Seconds a server holds a poll when it does not say (seeds 000-002 §3)."""
MARGIN: Final = 10.0
BEAT: Final = 5.0
FOREIGN_BEAT: Final = 15.0
ACK_WITHIN: Final = 0.5
UNDECODABLE_PAUSE: Final = 1.0
_SHORT: Final = 10.0
_LONGEST_HOLD: Final = 300.0
_QUICK: Final = 0.5
_MANY: Final = 10


class Host(Protocol):
    """What a link needs of the worker it belongs to."""

    clock: Clock
    offer: Offer
    journal: Journal
    slots: Slots

    def receive(self, link: Link, content: bytes) -> bool:
        """Take a task as it came; False when nobody could read it."""

    def cancel(self, server: str, task_or_job: str, attempt: int | None = None) -> bool:
        """Cancel a task, or the tasks of a job."""

    def superseded(self, server: str) -> None:
        """A newer start of this worker has taken over there."""

    def publish(self, server: str) -> None:
        """What heartbeats say has changed."""

    def beat(self, server: str) -> None:
        """Send a heartbeat now."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        """Run something in the background of the worker."""


class Link:
    """The connection to one orchestrator."""

    def __init__(self, peer: Peer, transport: AsyncTransport, host: Host) -> None:
        self.peer = peer
        self.server = peer.target.url
        self.hold = HOLD
        self.interval = FOREIGN_BEAT
        self.alive_at: float | None = None
        """When the poll loop was last seen at work; None while it waits for a slot or a registration."""
        self.polling = False
        self.acks = Acks()
        self.progress = Progress()
        self._host = host
        self._transport = transport
        self.delivery = Delivery(self._send_result, host.journal, host.clock, host.spawn, self._settled)
        self._channel = Channel(lambda: self.peer, transport, self.progress, self._obey, host.clock)
        self._stale = asyncio.Event()
        self._stale.set()
        self._ready = asyncio.Event()
        self.known = False
        """Whether the server has known us at any time."""
        self._draining = False
        self._told: set[str] = set()
        self._backoff = Backoff()
        self._registering = Backoff()
        self._empty_handed = 0
        self._garbled = 0
        self._poller: asyncio.Task[None] | None = None
        self._loops: list[asyncio.Task[None]] = []

    def start(self, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        """Start the loops; `spawn` runs them in a task group."""
        sleep = self._host.clock.sleep
        loops = {"registration": self._register_step, "receipt": self._ack_step, "WebSocket": self._channel_step}
        self._poller = spawn(supervise(f"poll of {self.server}", self._poll_step, sleep))
        self._loops = [spawn(supervise(f"{name} of {self.server}", step, sleep)) for name, step in loops.items()]

    async def drain(self) -> None:
        """Take no more tasks: a poll that is open is answered, not abandoned, since it may bring one."""
        self._draining = True
        if self._poller is not None:
            if not self.polling:
                self._poller.cancel()
            await asyncio.wait((self._poller,))

    def abandon_poll(self) -> None:
        """Wait for the open poll no longer."""
        if self._poller is not None:
            self._poller.cancel()

    async def close(self) -> None:
        """End what still runs."""
        ending = [task for task in (self._poller, *self._loops) if task is not None]
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)
        await self._transport.aclose()

    def heard(self, pulse: Pulse, reply: Reply) -> None:
        """Read the answer to a heartbeat."""
        if is_superseded(reply):
            self._host.superseded(self.server)
        if not reply.is_success:
            if reply.status == 404:
                self._stale.set()
            return
        self.acks.confirm(pulse.acks)
        try:
            answer = HeartbeatReply.model_validate_json(reply.content)
        except ValidationError:
            # `null`: the server has forgotten us (`spec/avtomatika.md` §6.2).
            if reply.content.strip() == b"null":
                self._stale.set()
            return
        if answer.require_full_sync:
            self._stale.set()
        for task_or_job in answer.cancel_task_ids:
            self._host.cancel(self.server, task_or_job)

    # Registration

    async def _register_step(self) -> bool:
        await self._stale.wait()
        self._stale.clear()
        problem, floor = await self._register()
        if problem is None:
            self._registering.reset()
            self._told.clear()
            self.known = True
            self._ready.set()
            self._host.publish(self.server)
        else:
            self._say_once(problem)
            self._stale.set()
            await self._host.clock.sleep(self._registering.next(floor))
        return True

    async def _register(self) -> tuple[str | None, float]:
        """Register; what went wrong, and the least seconds to wait."""
        try:
            status = await self._transport.send(self.peer.status(), timeout=_SHORT)
            dialect = read_dialect(status.headers, status.content if status.is_success else b"")
            self.peer = Peer(self.peer.target, self.peer.worker_id, self.peer.incarnation, dialect)
            owed = [(result.task_id, result.attempt) for result in self._host.journal.owed_to(self.server)]
            reply = await self._transport.send(self.peer.register(self._host.offer, owed), timeout=_SHORT)
        except APIConnectionError as error:
            return f"cannot be reached ({error})", 0.0
        if is_superseded(reply):
            self._host.superseded(self.server)
        if not reply.is_success:
            return _refusal("registration", reply), retry_after(reply, self._host.clock)
        self._learn(reply)
        return None, 0.0

    def _learn(self, reply: Reply) -> None:
        try:
            answer = Registered.model_validate_json(reply.content)
        except ValidationError:
            answer = Registered()
        leases = self.peer.dialect.leases
        self.interval = answer.heartbeat_interval or (BEAT if leases else FOREIGN_BEAT)
        self.hold = answer.poll_timeout or max(self.hold, HOLD)
        logger.info("Registered as %s with %s", self.peer.worker_id, self.server)
        if answer.warning:
            self._say_once(answer.warning)

    # Polling

    async def _poll_step(self) -> bool:
        self.alive_at = None
        await self._ready.wait()
        await self._hand_over_journal()
        await self._host.slots.until_free()
        self.alive_at = started = self._host.clock.monotonic()
        self._host.publish(self.server)
        self.polling = True
        try:
            contents = await self.next()
        except Refused as refused:
            pause = self._refused(refused.reply)
        except APIConnectionError as error:
            pause = self._cut(error)
        else:
            pause = self._took(contents, self._host.clock.monotonic() - started)
        finally:
            self.polling = False
        return await self._rest(pause)

    async def _hand_over_journal(self) -> None:
        for result in self._host.journal.owed_to(self.server):
            self.delivery.put(result)
        # What a killed worker had finished is with the server before it can hand the same tasks out again.
        await self.delivery.tried.wait()

    async def next(self) -> list[bytes]:
        """Wait for tasks (`Source`)."""
        with self.acks.carried() as acks:
            reply = await self._transport.send(self.peer.poll(acks), timeout=self.hold + MARGIN)
            if not reply.is_success:
                raise Refused(reply)
        return [] if reply.status == 204 or not reply.content else [reply.content]

    def _took(self, contents: list[bytes], waited: float) -> float:
        self._backoff.reset()
        # A server that holds no polls is asked again gently.
        self._empty_handed = self._empty_handed + 1 if not contents and waited < _QUICK else 0
        if all(self._host.receive(self, content) for content in contents):
            self._garbled = 0
            return UNDECODABLE_PAUSE if self._empty_handed > 2 else 0.0
        self._garbled += 1
        return UNDECODABLE_PAUSE if self._garbled < _MANY else self._backoff.next(UNDECODABLE_PAUSE)

    def _cut(self, error: APIConnectionError) -> float:
        if isinstance(error, APITimeoutError):
            # Some servers hold longer than they say; a poll we leave may swallow a task.
            self.hold = min(self.hold * 2, _LONGEST_HOLD)
        self._forgotten()
        return self._backoff.next()

    def _refused(self, reply: Reply) -> float:
        if is_superseded(reply):
            self._host.superseded(self.server)
        elif reply.status == 404:
            self._forgotten()
        self._say_once(_refusal("poll", reply))
        floor = retry_after(reply, self._host.clock)
        return self._backoff.next(max(floor, 1.0 if reply.status == 429 else 0.0))

    def _forgotten(self) -> None:
        """The server may have been restarted, or replaced by another release: begin from its status."""
        self._ready.clear()
        self._stale.set()

    async def _rest(self, seconds: float) -> bool:
        if self._draining:
            return False
        if seconds:
            await self._host.clock.sleep(seconds)
        return True

    # Receipts, results, commands

    async def _ack_step(self) -> bool:
        await self.acks.arrived.wait()
        seen = self.acks.waiting
        await self._host.clock.sleep(ACK_WITHIN)
        late = tuple(ack for ack in seen if ack in self.acks.waiting)
        if late and await self._channel.send_acks(late):
            self.acks.confirm(late)
        elif late:
            self._host.publish(self.server)
            self._host.beat(self.server)
        return True

    async def _send_result(self, result: Finished) -> Reply:
        with self.acks.carried() as acks:
            reply = await self._transport.send(self.peer.result(result, acks), timeout=DELIVERY_TIMEOUT)
        if not reply.is_success:
            for ack in acks:
                self.acks.add(*ack)
        if is_superseded(reply):
            self._host.superseded(self.server)
        elif reply.status in (401, 403):
            self._say_once(_refusal("result", reply))
        return reply

    def _settled(self) -> None:
        self._host.publish(self.server)

    async def _channel_step(self) -> bool:
        await self._ready.wait()
        return await self._channel.step()

    def _obey(self, command: Command) -> None:
        target = command.task_id or command.job_id
        if command.name == "cancel_task" and target:
            self._host.cancel(self.server, target, command.attempt)

    def _say_once(self, problem: str) -> None:
        if problem not in self._told:
            self._told.add(problem)
            logger.warning("Orchestrator %s %s; still trying", self.server, problem)


def _refusal(what: str, reply: Reply) -> str:
    hint = ": check the worker token" if reply.status in (401, 403) else ""
    return f"refuses the {what} with {reply.status}{hint} ({error_text(reply)})"
