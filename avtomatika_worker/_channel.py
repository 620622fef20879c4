"""The WebSocket to one orchestrator: commands come in, progress and receipts go out.

Everything it does has another way too, so a server without it, or a cut connection, costs speed only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from pydantic import ValidationError

from avtomatika_client._seam import AsyncTransport, Socket
from avtomatika_client.errors import APIConnectionError
from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.worker import Command
from avtomatika_worker._backoff import Backoff
from avtomatika_worker._progress import Progress
from avtomatika_worker._wire import Ack, Peer, ack_frame

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT: Final = 10.0
SWEEP: Final = 0.05
"""Seconds between two sweeps of progress: what is said in between is said once."""
_LONGEST_PAUSE: Final = 30.0


class Channel:
    """One orchestrator's socket, opened again whenever it closes."""

    def __init__(
        self,
        peer: Callable[[], Peer],
        transport: AsyncTransport,
        progress: Progress,
        on_command: Callable[[Command], None],
        clock: Clock,
    ) -> None:
        """Make it.

        Args:
            peer: Where and as whom to connect.
            transport: Opens the socket.
            progress: What to tell of running tasks.
            on_command: Takes what the orchestrator wants done.
            clock: The time.
        """
        self._peer = peer
        self._transport = transport
        self._progress = progress
        self._on_command = on_command
        self._clock = clock
        self._socket: Socket | None = None
        self._backoff = Backoff(cap=_LONGEST_PAUSE)

    async def step(self) -> bool:
        """One connection, from its opening to its end, and the pause after it."""
        try:
            await self._session()
        except APIConnectionError as error:
            if self._backoff.failures == 0:
                logger.info("No WebSocket to %s: %s", self._peer().target.url, error)
        await self._clock.sleep(self._backoff.next(), upkeep=True)
        return True

    async def send_acks(self, acks: tuple[Ack, ...]) -> bool:
        """Acknowledge deliveries; False when no socket is open."""
        socket = self._socket
        if socket is None:
            return False
        try:
            await socket.send(ack_frame(acks))
        except APIConnectionError:
            return False
        return True

    async def _session(self) -> None:
        peer = self._peer()
        socket = await self._transport.connect(peer.socket_url, headers=peer.headers(), timeout=CONNECT_TIMEOUT)
        self._socket = socket
        self._backoff.reset()
        sender = asyncio.create_task(self._send(socket))
        try:
            async for text in socket:
                self._read(text)
        finally:
            self._socket = None
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, APIConnectionError):
                await sender
            await socket.close()

    async def _send(self, socket: Socket) -> None:
        while True:
            await self._progress.arrived.wait()
            for frame in self._progress.take():
                await socket.send(frame)
            await self._clock.sleep(SWEEP)

    def _read(self, text: str) -> None:
        try:
            command = Command.model_validate_json(text)
        except ValidationError:
            logger.debug("A frame that is no command was ignored")
            return
        self._on_command(command)
