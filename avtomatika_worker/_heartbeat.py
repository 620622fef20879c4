"""Heartbeats on a thread of their own: code that blocks the worker's loop cannot stop them.

The thread reads one immutable `Pulse` per orchestrator, which the worker's loop replaces whole, and sends it with a
transport of its own. What comes back is handed to the worker's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from avtomatika_client._calls._flow import Reply
from avtomatika_client._seam import AsyncTransport
from avtomatika_client.errors import APIConnectionError
from avtomatika_client.protocol.clock import Clock
from avtomatika_worker._supervise import supervise
from avtomatika_worker._wire import Ack, Offer, Peer

logger = logging.getLogger(__name__)

TIMEOUT: Final = 10.0
FAREWELL: Final = 2.0
"""Seconds the last heartbeat may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What one orchestrator should hear.

    Attributes:
        peer: Where and as whom.
        offer: What the worker offers, for servers that want to hear it again.
        interval: Seconds between heartbeats.
        status: `idle`, `busy`, `draining` or `offline`.
        current_tasks: Tasks that run or whose result is not delivered.
        load: 0 to 1.
        acks: Deliveries to acknowledge.
        deaf_at: When a worker with free slots whose poll is silent counts as deaf, on the monotonic clock.
    """

    peer: Peer
    offer: Offer
    interval: float
    status: str
    current_tasks: tuple[str, ...]
    load: float
    acks: tuple[Ack, ...]
    deaf_at: float | None


Heard = Callable[[str, Pulse, Reply], None]
"""Called on the worker's loop with the server's URL, what was sent and what was answered."""


class Heart:
    """Beats for every orchestrator of one worker, until it is stopped."""

    def __init__(
        self, servers: list[str], transport: Callable[[], AsyncTransport], heard: Heard, clock: Clock, *, threads: bool
    ) -> None:
        """Make it; `start` begins.

        Args:
            servers: The orchestrators' URLs.
            transport: Makes a transport for the thread.
            heard: Takes the replies.
            clock: The time.
            threads: Whether to beat on a thread; else as a task of the worker's loop.
        """
        self._servers = servers
        self._transport = transport
        self._heard = heard
        self._clock = clock
        self._threads = threads
        self._pulses: dict[str, Pulse] = {}
        self._home = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._home.create_future()
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main_task: asyncio.Task[None] | None = None
        self._wake: dict[str, asyncio.Event] = {}
        self._silent: set[str] = set()
        self._last = False

    def start(self) -> None:
        """Begin to beat."""
        if self._threads:
            threading.Thread(target=self._thread, name="avtomatika-heartbeat", daemon=True).start()
            self._started.wait(TIMEOUT)
        else:
            self._main_task = self._home.create_task(self._main(), name="avtomatika-heartbeat")
            self._main_task.add_done_callback(self._end)

    def publish(self, server: str, pulse: Pulse) -> None:
        """Replace what an orchestrator will hear next."""
        first = server not in self._pulses
        self._pulses[server] = pulse
        if first:
            self.beat(server)

    def beat(self, server: str | None = None) -> None:
        """Beat now, not at the next interval: for one orchestrator or for all."""
        for url in [server] if server else self._servers:
            if (event := self._wake.get(url)) is not None:
                self._in_loop(event.set)

    async def stop(self) -> None:
        """Say what was published last, and end."""
        self._last = True
        self.beat()
        if not await self._has_ended(FAREWELL):
            await self.close()

    async def close(self) -> None:
        """End without a word; does nothing after an end."""
        if not self._ended.done() and self._main_task is not None:
            self._in_loop(self._main_task.cancel)
            await self._has_ended(FAREWELL)

    async def _has_ended(self, seconds: float) -> bool:
        await self._clock.wait_any((self._ended,), seconds)
        return self._ended.done()

    def _in_loop(self, call: Callable[[], object]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(call)

    def _thread(self) -> None:
        try:
            asyncio.run(self._main())
        except asyncio.CancelledError:
            pass
        except Exception:
            logger.exception("The heartbeat thread failed")
        finally:
            self._started.set()
            with contextlib.suppress(RuntimeError):
                self._home.call_soon_threadsafe(self._end, None)

    def _end(self, _: object) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._main_task = asyncio.current_task()
        self._wake = {server: asyncio.Event() for server in self._servers}
        self._started.set()
        transport = self._transport()
        try:
            async with asyncio.TaskGroup() as group:
                pause = partial(self._clock.sleep, upkeep=True)
                for server in self._servers:
                    step = partial(self._step, server, transport)
                    group.create_task(supervise(f"heartbeat of {server}", step, pause))
        finally:
            await transport.aclose()

    async def _step(self, server: str, transport: AsyncTransport) -> bool:
        last = self._last
        pulse = self._pulses.get(server)
        if pulse is not None:
            await self._beat(server, transport, pulse, FAREWELL if last else TIMEOUT)
        if last:
            return False
        await self._rest(self._wake[server], pulse.interval if pulse is not None else None)
        return True

    async def _rest(self, wake: asyncio.Event, seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(seconds, upkeep=True):
                await wake.wait()
        wake.clear()

    async def _beat(self, server: str, transport: AsyncTransport, pulse: Pulse, timeout: float) -> None:
        request = pulse.peer.heartbeat(
            status=_status(pulse, self._clock),
            current_tasks=pulse.current_tasks,
            load=pulse.load,
            acks=pulse.acks,
            offer=pulse.offer,
        )
        try:
            reply = await transport.send(request, timeout=timeout)
        except APIConnectionError as error:
            if server not in self._silent:
                self._silent.add(server)
                logger.warning("Heartbeats do not reach %s: %s", server, error)
            return
        self._silent.discard(server)
        with contextlib.suppress(RuntimeError):
            self._home.call_soon_threadsafe(self._heard, server, pulse, reply)


def _status(pulse: Pulse, clock: Clock) -> str:
    if pulse.status == "idle" and pulse.deaf_at is not None and clock.monotonic() > pulse.deaf_at:
        return "deaf"
    return pulse.status
