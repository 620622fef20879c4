"""What the links of one run share: slots, running tasks, the journal, and the pulse that heartbeats read."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from avtomatika_client._calls._flow import Reply
from avtomatika_client.protocol._base import JSON
from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.worker import ErrorCode
from avtomatika_worker._definition import Definition
from avtomatika_worker._executors import Executors
from avtomatika_worker._heartbeat import Heart, Pulse
from avtomatika_worker._journal import Finished, Journal
from avtomatika_worker._link import Link
from avtomatika_worker._running import Execution, Running
from avtomatika_worker._slots import Slots
from avtomatika_worker._source import MARGIN
from avtomatika_worker._task.decode import UndecodableReply, decode
from avtomatika_worker._task.encode import refusal
from avtomatika_worker._task.way import Workshop, walk
from avtomatika_worker._wire import Offer
from avtomatika_worker.errors import SupersededError

logger = logging.getLogger(__name__)


class Hub:
    """The middle of one run; implements `Host` for its links."""

    def __init__(
        self,
        definition: Definition,
        clock: Clock,
        journal: Journal,
        group: asyncio.TaskGroup,
        superseded: Callable[[SupersededError], None],
    ) -> None:
        """Make it.

        Args:
            definition: The worker.
            clock: The time.
            journal: What is owed.
            group: In which everything of the run lives.
            superseded: Told when a newer start of this worker has taken over.
        """
        self.clock = clock
        self.journal = journal
        self.offer = Offer(
            worker_type=definition.worker_type,
            skills=tuple(skill.published for skill in definition.skills.values()),
            max_concurrent_tasks=definition.limit,
            hostname=socket.gethostname(),
        )
        self.running = Running()
        self.slots = Slots(definition.limit)
        self.executors = Executors(definition.limit, clock)
        self.links: dict[str, Link] = {}
        self.heart: Heart | None = None
        self.status: str | None = None
        """What heartbeats say instead of `idle` and `busy`, once the worker is going down."""
        self._group = group
        self._superseded = superseded
        self._background: set[asyncio.Task[None]] = set()
        self._told_garbled: set[str] = set()
        self._shop = Workshop(
            skills=definition.skills,
            slots=self.slots,
            skill_slots={
                skill.name: Slots(skill.max_concurrent)
                for skill in definition.skills.values()
                if skill.max_concurrent is not None
            },
            executors=self.executors,
            journal=journal,
            clock=clock,
            draining=lambda: self.status is not None,
        )

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something in the background; it is over before the run is."""
        task = self._group.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def cancel_background(self) -> None:
        """End whatever still runs in the background."""
        left = list(self._background)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    def receive(self, link: Link, raw: JSON) -> bool:
        """Take a task as it came; False when nobody could read it."""
        try:
            task = decode(raw, link.server)
        except UndecodableReply as error:
            if link.server not in self._told_garbled:
                self._told_garbled.add(link.server)
                logger.warning("Orchestrator %s sent what is no task: %s", link.server, error)
            return False
        self._told_garbled.discard(link.server)
        if isinstance(task, Finished):
            self._finish(link, task)
            return True
        if link.session.peer.dialect.leases:
            link.acks.add(task.task_id, task.attempt)
        execution = self.running.adopt(task, link.server)
        if execution is not None:
            # At once, so that the next poll is not sent for a slot that is spoken for.
            self.slots.take_now(execution)
            self.spawn(self._perform(link, execution))
        self.publish(link.server)
        return True

    def cancel(self, server: str, task_or_job: str, attempt: int | None = None) -> bool:
        """Cancel a task, or the tasks of a job."""
        return self.running.cancel(server, task_or_job, attempt)

    def superseded(self, server: str) -> None:
        """A newer start of this worker has taken over: stop."""
        self._superseded(SupersededError(f"A newer start of this worker works for {server}; this one stops."))

    def publish(self, server: str) -> None:
        """What heartbeats say has changed."""
        link = self.links[server]
        if not link.session.known or self.heart is None:
            return
        free = self.slots.free
        alive_at = self.clock.monotonic() if link.alive_at is None else link.alive_at
        pulse = Pulse(
            peer=link.session.peer,
            offer=self.offer,
            interval=link.session.interval,
            status=self.status or ("idle" if free else "busy"),
            current_tasks=tuple(dict.fromkeys([*self.running.of(server), *link.delivery.owed])),
            load=self.slots.taken / self.slots.limit,
            acks=link.acks.waiting,
            deaf_at=alive_at + link.session.hold + MARGIN if free else None,
        )
        self.heart.publish(server, pulse)

    def announce(self, status: str) -> None:
        """Say to all that the worker is going down."""
        self.status = status
        for server in self.links:
            self.publish(server)

    def beat(self, server: str) -> None:
        """Send a heartbeat now."""
        if self.heart is not None:
            self.heart.beat(server)

    def heard(self, server: str, pulse: Pulse, reply: Reply) -> None:
        """Read the answer to a heartbeat."""
        self.links[server].heard(pulse, reply)

    async def _perform(self, link: Link, execution: Execution) -> None:
        try:
            finished = await walk(execution, self._shop, link.operator, link.progress.put)
        except Exception as error:
            logger.exception("Task %r failed in the worker itself", execution.task.task_id)
            message = f"The worker itself failed: {type(error).__name__}: {error}"
            finished = refusal(execution.task, link.server, ErrorCode.TRANSIENT, message)
        if not execution.started:
            self.slots.release(execution)
        self.running.end(execution)
        self._finish(link, finished)

    def _finish(self, link: Link, finished: Finished) -> None:
        self.journal.add(finished)
        link.progress.forget(finished.task_id)
        link.delivery.put(finished)
        self.publish(link.server)
