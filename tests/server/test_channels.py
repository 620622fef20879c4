"""A socket that takes nothing costs its worker's cancels one wait, not one each."""

from __future__ import annotations

import asyncio

from orchestrator_lite.runtime.channels import Channels
from orchestrator_lite.runtime.leases import Lease
from orchestrator_lite.store import TaskRow
from tests._support.clocks import JumpingClock
from tests._support.house import soon, until
from tests.conftest import run


class Stuck:
    """A peer that reads nothing: sending to it never ends."""

    def __init__(self) -> None:
        self.sends = 0

    async def send_json(self, data: object) -> None:
        self.sends += 1
        await asyncio.Event().wait()

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Nothing to close."""


def lease(number: int) -> Lease:
    row = TaskRow(
        task_id=f"j-{number}", job_id="j", skill="s", priority=0, attempt=1, spent=False, payload=b"{}", worker_id="w"
    )
    return Lease(row, 0.0)


def test_a_stuck_socket_is_asked_once():
    async def body():
        clock, socket = JumpingClock(), Stuck()
        channels = Channels(clock)
        await channels.opened("w", socket)
        first = asyncio.create_task(channels.cancel(lease(1)))
        await until(lambda: socket.sends == 1)
        clock.jump(3)
        assert await soon(first) is False
        assert await channels.cancel(lease(2)) is False
        assert socket.sends == 1

    run(body())
