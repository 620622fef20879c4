"""Open WebSockets to workers: commands that should arrive now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.runtime.leases import Lease

SEND_LIMIT = 2.0
"""Seconds a socket has to take a command; then it counts as not sent, and the heartbeat carries it."""


class Socket(Protocol):
    """What is needed of an open socket."""

    async def send_json(self, data: Any) -> None:
        """Send one text frame."""

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close it."""


class Channels:
    """At most one socket a worker; a second one replaces the first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, Socket] = {}

    async def opened(self, worker_id: str, socket: Socket) -> None:
        """A worker has connected; an earlier socket of it is closed with 1008, as officially."""
        previous = self._open.get(worker_id)
        self._open[worker_id] = socket
        if previous is not None:
            await self._close(previous, 1008, "New connection established")

    def closed(self, worker_id: str, socket: Socket) -> None:
        """A socket has gone."""
        if self._open.get(worker_id) is socket:
            del self._open[worker_id]

    async def cancel(self, lease: Lease) -> bool:
        """Tell a worker to stop a task, with both keys the releases read; True when an open socket took it."""
        worker_id = lease.row.worker_id or ""
        socket = self._open.get(worker_id)
        if socket is None:
            return False
        command = {
            "command": "cancel_task",
            "type": "cancel_task",
            "task_id": lease.row.task_id,
            "job_id": lease.row.job_id,
            "attempt": lease.row.attempt,
        }
        try:
            async with self._clock.timeout(SEND_LIMIT):
                await socket.send_json(command)
        except Exception:
            # A socket that cannot take it is as good as closed; heartbeats carry the commands from now on.
            self.closed(worker_id, socket)
            return False
        return True

    async def part(self, worker_ids: Iterable[str], reason: str) -> None:
        """Close the sockets of some workers with 1008; they may come back."""
        for worker_id in worker_ids:
            socket = self._open.pop(worker_id, None)
            if socket is not None:
                await self._close(socket, 1008, reason)

    async def close(self) -> None:
        """Close every socket: the server stops."""
        sockets, self._open = list(self._open.values()), {}
        for socket in sockets:
            await self._close(socket, 1001, "Server shutdown")

    async def _close(self, socket: Socket, code: int, reason: str) -> None:
        try:
            async with self._clock.timeout(SEND_LIMIT):
                await socket.close(code, reason)
        except Exception:  # it was closed already
            return
