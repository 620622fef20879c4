"""The loop of the `dev` command, and what signals mean to it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from orchestrator_lite.dev.develop._server_options import ServerOptions
from orchestrator_lite.dev.develop._spawn import Spawned
from orchestrator_lite.dev.develop._supervisor import Supervisor


def supervise(options: ServerOptions, spawned: tuple[Spawned, Spawned]) -> None:
    """Serve and work until SIGINT or SIGTERM; a second signal ends everything at once.

    Args:
        options: What the command was told.
        spawned: The first pair of processes.

    Raises:
        AvtomatikaError: The server cannot be started at all: address, store, settings.
    """
    with suppress(asyncio.CancelledError):
        asyncio.run(_until_signalled(Supervisor(options, spawned)))


async def _until_signalled(supervisor: Supervisor) -> None:
    with _ended_by_signals(supervisor):
        await supervisor.run()


@contextmanager
def _ended_by_signals(supervisor: Supervisor) -> Iterator[None]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    numbers = (signal.SIGINT, signal.SIGTERM)
    asked = False

    def ask() -> None:
        nonlocal asked
        if asked:
            supervisor.hurry()
        elif task is not None:
            task.cancel()
        asked = True

    for number in numbers:
        loop.add_signal_handler(number, ask)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
