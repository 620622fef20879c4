"""A process of `dev`, seen from the command: started, told, heard, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from typing import Final

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.dev.develop._orders import Message, decode, encode
from orchestrator_lite.dev.develop._spawn import Spawned

LONGEST_LINE: Final = 4 * 1024 * 1024


class Child:
    """A running process at the end of a socket pair."""

    def __init__(self, spawned: Spawned, reader: asyncio.StreamReader) -> None:
        self._name = spawned.name
        self._pid = spawned.process.pid
        self._ours = spawned.line
        self._reader = reader
        self.is_mourned = False
        """Whether its end has been told."""
        self.ended = _exit_of(spawned.process)

    @classmethod
    async def of(cls, spawned: Spawned) -> Child:
        """The process, heard from now on."""
        reader, writer = await asyncio.open_unix_connection(sock=spawned.line.dup(), limit=LONGEST_LINE)
        child = cls(spawned, reader)
        child.ended.add_done_callback(lambda _: writer.close())
        return child

    def tell(self, order: Message, door: socket.socket | None = None) -> None:
        """Give an order, with the listening socket where there is one; a process that has ended hears nothing."""
        with suppress(OSError):
            socket.send_fds(self._ours, [encode(order)], [] if door is None else [door.fileno()])

    async def next(self) -> Message | None:
        """What it says next; None: it has ended."""
        try:
            line = await self._reader.readline()
        except (OSError, ValueError):
            return None
        return decode(line) if line.endswith(b"\n") else None

    async def end(self, order: Message, seconds: float) -> None:
        """Have it end in its own way within so many seconds, else at once; returns when it has ended."""
        self.tell(order)
        try:
            async with SYSTEM_CLOCK.timeout(seconds):
                await asyncio.shield(self.ended)
        except TimeoutError:
            pass
        finally:
            self.kill()
        await self.kill_and_wait()

    async def kill_and_wait(self) -> None:
        """End it now, with everything it has started."""
        self.kill()
        await asyncio.shield(self.ended)
        self._ours.close()

    def kill(self) -> None:
        """End it now, with everything it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)

    def mourned(self) -> str:
        """How it ended by itself, in words, which are said once."""
        self.is_mourned = True
        return self.told_end()

    def told_end(self) -> str:
        """How it ended by itself, in words."""
        code = self.ended.result() if self.ended.done() else None
        if code is not None and code < 0:
            with suppress(ValueError):
                return f"the {self._name} process was ended by {signal.Signals(-code).name}"
        return f"the {self._name} process ended with code {code}"


def _exit_of(process: subprocess.Popen[bytes]) -> asyncio.Future[int]:
    """The process's exit code, once it has ended."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def settle(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    def wait() -> None:
        code = process.wait()
        with suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(settle, code)

    threading.Thread(target=wait, name="process", daemon=True).start()
    return ended
