"""A developer's folder, and the command running in it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sysconfig
import threading
from pathlib import Path

import pytest

from avtomatika_client import Client
from avtomatika_client.protocol.clock import SYSTEM_CLOCK

COMMAND = str(Path(sysconfig.get_path("scripts")) / "orchestrator-lite")
PATIENCE = 40.0
"""Seconds until a test gives up on a busy machine."""

APP = """
from orchestrator_lite import Blueprint
from avtomatika_worker import Worker, skill

flow = Blueprint("greet", api_endpoint="/jobs/greet")

@flow.handler(is_start=True)
async def start(initial_data, actions):
    actions.dispatch_task("greet", params={"name": initial_data["name"]}, transitions={"success": "finished"})

@flow.handler(is_end=True)
async def finished(): ...

@skill
async def greet(name: str) -> dict:
    return {"message": f"WORD, {name}!"}

worker = Worker("greeter", skills=[greet])
"""


def app(word: str = "Hello", *, before: str = "") -> str:
    """A file that greets; `before` runs before it answers."""
    return APP.replace("WORD", word).replace("    return", f"    {before}\n    return")


def until(condition, what="it"):
    """Wait for a condition to hold, and give what it gave."""
    deadline = SYSTEM_CLOCK.monotonic() + PATIENCE
    while not (found := condition()):
        assert SYSTEM_CLOCK.monotonic() < deadline, f"{what} did not come to pass"
        SYSTEM_CLOCK.sleep_blocking(0.02)
    return found


class Dev:
    """The command in a folder; what it says is kept line by line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder.with_name(f"{folder.name}-tmp")
        self.temporary.mkdir()
        steering = ("AVTOMATIKA", "ORCHESTRATOR", "PYTHON", "NO_COLOR", "FORCE_COLOR")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
        self.environment = {**kept, "TMPDIR": str(self.temporary), "DEV_TEST": str(folder)}
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def save(self, text: str, name: str = "app.py") -> Path:
        """Write a file of the folder."""
        file = self.folder / name
        file.write_text(text)
        return file

    def start(self, *arguments: object, files: tuple[str, ...] = ("app.py",), port: object = 0) -> Dev:
        """Start the command; a port that is free unless told otherwise."""
        if self.process is not None and self.process.poll() is not None:
            self.close_pipe()
        self.lines = []
        self.process = subprocess.Popen(
            [COMMAND, "dev", *files, "--port", str(port), *(str(argument) for argument in arguments)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process, self.lines))
        self._reader.start()
        return self

    @staticmethod
    def _read(process, lines):
        for line in process.stdout:
            lines.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        """What it has said."""
        return "\n".join(self.lines)

    def says(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Wait until a line has matched so many times; the last match."""

        def found():
            alive = self.process is not None and self.process.poll() is None
            matches = [match for line in list(self.lines) if (match := re.search(pattern, line))]
            assert alive or len(matches) >= times, f"it ended without saying {pattern!r}:\n{self.text}"
            return matches[times - 1] if len(matches) >= times else None

        try:
            return until(found, pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text}") from None

    def url(self) -> str:
        """Where it serves, once it does."""
        self.says("Ctrl-C stops")
        return self.says(r"(http://\S+)")[1]

    def client(self) -> Client:
        """A client of it."""
        return Client(self.url(), client_token="dev-client-token")

    def ends(self) -> int:
        """Wait for its exit code."""
        assert self.process is not None
        code = self.process.wait(timeout=PATIENCE)
        assert self._reader is not None
        self._reader.join(timeout=PATIENCE)
        return code

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal and wait for the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.ends()

    def processes(self) -> list[int]:
        """Every process that belongs to it, itself included."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"DEV_TEST={self.folder}\0".encode() in entry.read_bytes():
                    found.append(int(entry.parent.name))
            except OSError:
                continue
        return found

    def pid_of(self, module: str) -> int | None:
        """The newest process that runs a module of ours."""
        found = []
        for pid in self.processes():
            try:
                if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
            except OSError:
                continue
        return max(found, default=None)

    def close(self) -> None:
        """End whatever is left."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self._reader is not None:
            self._reader.join(timeout=PATIENCE)
        self.close_pipe()

    def close_pipe(self) -> None:
        """Read nothing more."""
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def dev(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    command = Dev(folder)
    command.save(app())
    try:
        yield command
    finally:
        command.close()
