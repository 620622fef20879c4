"""One orchestrator: register, wait for tasks, acknowledge them; its own loops, its own transport, its own results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, Protocol

from avtomatika_client._calls._flow import Reply
from avtomatika_client._seam import AsyncTransport
from avtomatika_client.errors import APIConnectionError, APITimeoutError
from avtomatika_client.protocol._base import JSON
from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.worker import Command
from avtomatika_worker._acks import Acks
from avtomatika_worker._backoff import Backoff
from avtomatika_worker._calls import Operator
from avtomatika_worker._channel import Channel
from avtomatika_worker._delivery import TIMEOUT as DELIVERY_TIMEOUT, Delivery
from avtomatika_worker._files import Depot
from avtomatika_worker._heartbeat import Pulse
from avtomatika_worker._journal import Finished, Journal
from avtomatika_worker._lending import restraint
from avtomatika_worker._progress import Progress
from avtomatika_worker._replies import is_superseded, retry_after
from avtomatika_worker._session import Session, refusal_text
from avtomatika_worker._slots import Slots
from avtomatika_worker._source import LongPoll, Refused, Source
from avtomatika_worker._supervise import supervise
from avtomatika_worker._wire import Ack, Offer, Peer

ACK_WITHIN: Final = 0.5
"""Seconds a receipt waits for a request that carries it."""
UNDECODABLE_PAUSE: Final = 1.0
_QUICK: Final = 0.5
_MANY: Final = 10
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429


class Host(Protocol):
    """What a link needs of the worker it belongs to."""

    clock: Clock
    offer: Offer
    journal: Journal
    slots: Slots

    def receive(self, link: Link, raw: JSON) -> bool:
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
        self.server = peer.target.url
        self.session = Session(peer, transport, host.clock)
        self.acks = Acks()
        self.progress = Progress()
        self.operator = Operator(Depot(lambda: self.session.peer, transport, host.clock))
        self.delivery = Delivery(self._send_result, host.journal, host.clock, host.spawn, self._settled)
        self.alive_at: float | None = None
        """When the poll loop was last seen at work; None while it waits for a slot or a registration."""
        self._host = host
        self._transport = transport
        self._source: Source = LongPoll(self.session, transport, self.acks)
        self._channel = Channel(lambda: self.session.peer, transport, self.progress, self._obey, host.clock)
        self._handed_over = False
        self._polling = False
        self._draining = False
        self._backoff = Backoff()
        self._empty_handed = 0
        self._garbled = 0
        self._poller: asyncio.Task[None] | None = None
        self._loops: list[asyncio.Task[None]] = []

    def start(self, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        """Start the loops; `spawn` runs them in a task group."""
        sleep = partial(self._host.clock.sleep, upkeep=True)
        loops = {"registration": self._register, "receipt": self._acknowledge, "WebSocket": self._listen}
        self._poller = spawn(supervise(f"poll of {self.server}", self._poll, sleep))
        self._loops = [spawn(supervise(f"{name} of {self.server}", step, sleep)) for name, step in loops.items()]

    async def drain(self) -> None:
        """Take no more tasks: a poll that is open is answered, not abandoned, since it may bring one."""
        self._draining = True
        if self._poller is not None:
            if not self._polling:
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
        if not reply.is_success:
            self._refused("heartbeat", reply)
            return
        self.acks.confirm(pulse.acks)
        try:
            answer = json.loads(reply.content or b"{}")
        except ValueError:
            return
        # `null`: the server has forgotten us (`spec/avtomatika.md` §6.2).
        if answer is None or (isinstance(answer, dict) and answer.get("require_full_sync")):
            self.session.renew()
        for task_or_job in _texts(answer.get("cancel_task_ids") if isinstance(answer, dict) else None):
            self._host.cancel(self.server, task_or_job)

    async def _register(self) -> bool:
        await self.session.register(self._host.offer, self._holding, self._superseded)
        if self.session.ready.is_set():
            self.delivery.wake()
            self._host.publish(self.server)
        return True

    def _holding(self) -> list[Ack]:
        return [(result.task_id, result.attempt) for result in self._host.journal.owed_to(self.server)]

    async def _poll(self) -> bool:
        self.alive_at = None
        await self.session.ready.wait()
        if not self._handed_over:
            await self._hand_over_journal()
        await self._host.slots.until_free()
        slots = self._host.slots
        restrained = restraint(slots.lent, slots.limit)
        if restrained:
            await self._host.clock.sleep(restrained, upkeep=True)
        self.alive_at = started = self._host.clock.monotonic()
        self._host.publish(self.server)
        self._polling = True
        try:
            tasks = await self._source.next(1 if restrained else slots.places)
        except Refused as refused:
            pause = self._backoff.next(self._refused("poll", refused.reply))
        except APIConnectionError as error:
            pause = self._cut(error)
        else:
            pause = self._took(tasks, self._host.clock.monotonic() - started)
        finally:
            self._polling = False
        if pause and not self._draining:
            await self._host.clock.sleep(pause, upkeep=True)
        return not self._draining

    async def _hand_over_journal(self) -> None:
        for result in self._host.journal.owed_to(self.server):
            self.delivery.put(result)
        # What a killed worker had finished is with the server before it can hand the same tasks out again.
        await self.delivery.tried.wait()
        self._handed_over = True

    def _took(self, tasks: list[JSON], waited: float) -> float:
        """Take what the poll brought; seconds until the next one."""
        self._backoff.reset()
        # A server that holds no polls is asked again gently.
        self._empty_handed = self._empty_handed + 1 if not tasks and waited < _QUICK else 0
        read = [self._host.receive(self, raw) for raw in tasks]
        if all(read):
            self._garbled = 0
            return UNDECODABLE_PAUSE if self._empty_handed > 2 else 0.0
        self._garbled += 1
        return UNDECODABLE_PAUSE if self._garbled < _MANY else 5 * UNDECODABLE_PAUSE

    def _cut(self, error: APIConnectionError) -> float:
        if isinstance(error, APITimeoutError) and error.sent:
            self.session.holds_longer()
        self.session.lost()
        return self._backoff.next()

    def _refused(self, what: str, reply: Reply) -> float:
        """Draw the consequences of a refusal; the least seconds to wait."""
        if is_superseded(reply):
            self._superseded()
        elif reply.status == _NOT_FOUND:
            self.session.lost()
        else:
            self.session.say_once(f"{what} {reply.status}", refusal_text(what, reply))
        return max(retry_after(reply, self._host.clock), 1.0 if reply.status == _TOO_MANY else 0.0)

    async def _acknowledge(self) -> bool:
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
            reply = await self._transport.send(self.session.peer.result(result, acks), timeout=DELIVERY_TIMEOUT)
        if not reply.is_success:
            for ack in acks:
                self.acks.add(*ack)
        if is_superseded(reply):
            self._superseded()
        elif reply.status in (401, 403):
            self.session.say_once(f"result {reply.status}", refusal_text("result", reply))
        return reply

    def _settled(self) -> None:
        self._host.publish(self.server)

    def _superseded(self) -> None:
        self._host.superseded(self.server)

    async def _listen(self) -> bool:
        await self.session.ready.wait()
        return await self._channel.step()

    def _obey(self, command: Command) -> None:
        target = command.task_id or command.job_id
        if command.name == "cancel_task" and target:
            self._host.cancel(self.server, target, command.attempt)


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
