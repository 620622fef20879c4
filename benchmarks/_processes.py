"""Processes of a round: started, watched, timed and ended by id."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 300
"""Seconds a phase may take; a job that never ends must not hold the run up for ever."""


class BenchmarkError(Exception):
    """A round could not be measured; the message says which process failed and what it last wrote."""


@dataclass
class Process:
    """A child process that writes what it has to say into `log`."""

    name: str
    popen: subprocess.Popen[str]
    log: Path

    def cpu_s(self) -> float:
        """User and system time so far of the process, its threads and the children it has waited for, in seconds."""
        fields = Path(f"/proc/{self.popen.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / TICKS

    def check(self) -> None:
        """Raise BenchmarkError if the process has ended."""
        if self.popen.poll() is not None:
            raise self.failure(f"ended with code {self.popen.returncode}")

    def failure(self, what: str) -> BenchmarkError:
        """An error that carries the end of the process's log."""
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
        return BenchmarkError(f"{self.name} {what}; its last words:\n{tail}")

    def say(self) -> None:
        """Give the process, a load generator, the word to go on."""
        assert self.popen.stdin is not None
        self.popen.stdin.write("go\n")
        self.popen.stdin.flush()

    def hear(self, phase: str) -> dict[str, Any]:
        """The next line of the process, a load generator, which must announce `phase` within `PATIENCE` seconds."""
        assert self.popen.stdout is not None
        impatience = threading.Timer(PATIENCE, self.popen.kill)
        impatience.start()
        line = self.popen.stdout.readline()
        impatience.cancel()
        if not line:
            self.popen.wait()
            raise self.failure(f"ended with code {self.popen.returncode} before it was {phase}")
        facts: dict[str, Any] = json.loads(line)
        if facts["phase"] != phase:
            raise self.failure(f"said {facts['phase']} instead of {phase}")
        return facts


@contextmanager
def running(
    stack: ExitStack, name: str, command: Sequence[str], env: Mapping[str, str], folder: Path, *, talks: bool = False
) -> Iterator[Process]:
    """Start `command` in `folder` with `env` added to this environment; it is ended when `stack` unwinds.

    Args:
        stack: Who ends the process.
        name: For messages and the log file.
        command: Program and arguments.
        env: Variables over those of this process; the ones that steer Python or the products are not passed on.
        folder: Working directory; gets the log.
        talks: Whether standard input and output are for `say` and `hear` rather than the log.
    """
    yield stack.enter_context(_child(name, command, {**_clean_environment(), **env}, folder, talks=talks))


@contextmanager
def _child(name: str, command: Sequence[str], env: dict[str, str], folder: Path, *, talks: bool) -> Iterator[Process]:
    log = folder / f"{name}.log"
    with log.open("w") as sink:
        pipe = subprocess.PIPE if talks else None
        popen = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            text=True,
            stdin=pipe or subprocess.DEVNULL,
            stdout=pipe or sink,
            stderr=sink,
        )
    try:
        yield Process(name, popen, log)
    finally:
        _end(popen)


def _end(popen: subprocess.Popen[str]) -> None:
    popen.terminate()
    try:
        popen.wait(timeout=15)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait()
    for pipe in (popen.stdin, popen.stdout):
        if pipe is not None:
            pipe.close()


def _clean_environment() -> dict[str, str]:
    steering = ("PYTHON", "AVTOMATIKA", "ORCHESTRATOR", "WORKER", "CLIENT_", "GLOBAL_", "RATE_", "API_", "LOG_", "OTEL")
    return {name: value for name, value in os.environ.items() if not name.startswith(steering)}


def free_port() -> int:
    """A loopback port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(url: str, headers: Mapping[str, str], what: str, involved: Sequence[Process]) -> None:
    """Wait until GET `url` answers 200 with something else than an empty list; raise BenchmarkError after 30 s."""
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        for process in involved:
            process.check()
        if _answers(url, headers):
            return
        time.sleep(0.05)
    raise involved[-1].failure(f"kept us waiting 30 s for {what}")


def _answers(url: str, headers: Mapping[str, str]) -> bool:
    request = urllib.request.Request(url, headers=dict(headers))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as reply:
            return reply.status == 200 and reply.read().strip() not in (b"", b"[]", b"null")
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
