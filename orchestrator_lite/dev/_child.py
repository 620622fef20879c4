"""A process of `dev`, seen from the command: started, told, heard, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Final

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.dev._orders import Message, decode, encode

LONGEST_LINE: Final = 4 * 1024 * 1024


class Child:
    """A running process at the end of a socket pair."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, ours: socket.socket, reader: asyncio.StreamReader
    ) -> None:
        self.name = name
        self._process = process
        self._ours = ours
        self._reader = reader
        self.ended: asyncio.Task[int] = asyncio.create_task(process.wait(), name=f"{name} process")

    @classmethod
    async def start(cls, name: str, module: str, *arguments: str) -> Child:
        """Start a module as a process in a session of its own: Ctrl-C reaches the command alone.

        Args:
            name: What it is, for messages.
            module: The module; its first argument is the descriptor of its end of the line.
            arguments: The others.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", module, str(theirs.fileno()), *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours.dup(), limit=LONGEST_LINE)
        child = cls(name, process, ours, reader)
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
            os.killpg(self._process.pid, signal.SIGKILL)

    def told_end(self) -> str:
        """How it ended by itself, in words."""
        code = self.ended.result() if self.ended.done() else None
        if code is not None and code < 0:
            with suppress(ValueError):
                return f"the {self.name} process was ended by {signal.Signals(-code).name}"
        return f"the {self.name} process ended with code {code}"
