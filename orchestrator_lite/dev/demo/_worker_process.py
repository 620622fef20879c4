"""The demo's worker in a process of its own, which cannot outlive the demo.

Its standard input is a pipe that the demo holds open: when the demo ends, however it ends, the pipe ends too, and
that is the worker's word to stop.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.dev.demo import _wordcount

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

STOP_SECONDS = 5.0


class WorkerEndedError(Exception):
    """The worker's process ended by itself; the message says with which code and what it last wrote."""


class WorkerProcess:
    """A running worker, seen from the demo."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def ended(self) -> WorkerEndedError:
        """Wait for the process to end by itself, and say what happened."""
        code = await self._process.wait()
        words = self._log.read_text(errors="replace").strip().splitlines()[-5:]
        return WorkerEndedError(f"the worker ended with code {code}: " + " | ".join(words))

    async def stop(self) -> None:
        """Let it finish what it holds for at most 5 s, then kill it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with SYSTEM_CLOCK.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def worker_process(url: str, token: str, scratch: Path) -> AsyncIterator[WorkerProcess]:
    """The word count's worker, working for `url`; its state and log lie in `scratch`."""
    log = scratch / "worker.log"
    settings = {"AVTOMATIKA_URL": url, "AVTOMATIKA_WORKER_TOKEN": token, "AVTOMATIKA_STATE_DIR": str(scratch)}
    settings["TMPDIR"] = str(scratch)  # where its tasks keep files: gone with the rest even if it has to be killed
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AVTOMATIKA_")}
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=sink,
            stderr=sink,
            env={**inherited, **settings},
            cwd=scratch,
            start_new_session=True,  # Ctrl-C reaches the demo alone, which then ends the worker in order
        )
    worker = WorkerProcess(process, log)
    try:
        yield worker
    finally:
        await worker.stop()


def main() -> None:
    """Run the word count's worker until standard input ends."""
    worker = _wordcount.load("skills").worker
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    worker.run()


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
