"""Runs the console entry: piped, or on a terminal of its own."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import struct
import sysconfig
import termios
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from tests._support.house import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests._support.house import House

ENTRY = str(Path(sysconfig.get_path("scripts")) / "avtomatika")
NOBODY = "http://127.0.0.1:9"
_STEERING = ("AVTOMATIKA_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM", "TTY_", "PYTHON")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """The one line on standard error."""
        assert "Traceback" not in self.err
        (line,) = self.err.splitlines()
        return line


def environment(house: House | None, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_STEERING)}
    where = NOBODY if house is None else house.lite.url
    return {**kept, "AVTOMATIKA_URL": where, "TZ": "UTC", "PYTHONWARNINGS": "error", **more}


@asynccontextmanager
async def started(house: House | None, *words: str, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command as it runs; it must end by itself, or is killed."""
    more = options.pop("env", {})
    process = await asyncio.create_subprocess_exec(ENTRY, *words, env=environment(house, **more), **options)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def piped(house: House | None, *words: str, stdin: bytes = b"", cwd: Path | None = None, **env: str) -> Done:
    """Run the command with pipes all around."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
    async with started(house, *words, env=env, cwd=cwd, **pipes) as process, SYSTEM_CLOCK.timeout(PATIENCE):
        out, err = await process.communicate(stdin)
        return Done(process.returncode or 0, out.decode(), err.decode())


class Terminal:
    """A terminal with the command in its foreground.

    Attributes:
        raw: All it was sent so far.
    """

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self.raw = ""
        self.process = process
        self._master = master
        self._more = asyncio.Event()
        self._over = False
        asyncio.get_running_loop().add_reader(master, self._read)

    @property
    def text(self) -> str:
        """What was shown, without colours and movements."""
        return _CONTROL.sub("", self.raw).replace("\r", "")

    def press(self, keys: bytes) -> None:
        """Type something."""
        os.write(self._master, keys)

    async def shows(self, pattern: str) -> None:
        """Wait until something was shown; it must be."""
        async with SYSTEM_CLOCK.timeout(PATIENCE):
            while not re.search(pattern, self.text):
                assert not self._over, self.text
                self._more.clear()
                await self._more.wait()

    async def ended(self) -> Done:
        """Wait until the command has ended and everything was shown."""
        async with SYSTEM_CLOCK.timeout(PATIENCE):
            code = await self.process.wait()
            while not self._over:
                self._more.clear()
                await self._more.wait()
        return Done(code, self.text, "")

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)

    def _read(self) -> None:
        try:
            got = os.read(self._master, 65536)
        except OSError:  # the other end is closed
            got = b""
        if not got:
            self._over = True
            asyncio.get_running_loop().remove_reader(self._master)
        self.raw += got.decode(errors="replace")
        self._more.set()


@asynccontextmanager
async def terminal(house: House | None, *words: str, stdout: int | None = None, **env: str) -> AsyncIterator[Terminal]:
    """The command on a terminal 120 columns wide; `stdout`: its standard output goes elsewhere."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    kinds = {"stdin": slave, "stdout": slave if stdout is None else stdout, "stderr": slave}
    foreground = {"start_new_session": True, "preexec_fn": lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)}
    async with started(house, *words, env={"TERM": "xterm-256color", **env}, **kinds, **foreground) as process:
        os.close(slave)
        screen = Terminal(master, process)
        try:
            yield screen
        finally:
            screen.close()


async def shown(house: House | None, *words: str, **env: str) -> Done:
    """Run the command on a terminal to its end."""
    async with terminal(house, *words, **env) as screen:
        return await screen.ended()
