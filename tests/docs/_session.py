"""Runs a page's blocks in order, as a reader would: one folder, one Python session, servers left running."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import sysconfig
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from avtomatika_client.protocol.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from types import TracebackType

    from tests.docs._page import Block, Command

SHOWN_PORT = "8080"
STAYS = ("orchestrator-lite serve", "orchestrator-lite dev", "avtomatika-worker run")


class Session:
    """A reader's folder and terminals. Port 8080 of the pages becomes a free one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = str(_free_port())
        self._background: list[tuple[subprocess.Popen[bytes], Path]] = []
        self._python: subprocess.Popen[str] | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._python is not None:
            self._python.communicate(timeout=20)
        for process, _ in reversed(self._background):
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def play(self, block: Block) -> None:
        """Do what a reader does with the block; AssertionError says where and how it went wrong."""
        if block.reason is not None:
            return
        if block.language == "console":
            for command in block.commands():
                self._type(block, command)
        elif block.file is not None:
            self._save(block, block.file)
        else:
            self._execute(block, self._with_port(block.body))

    def _save(self, block: Block, name: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self._with_port(block.body))
        if name.endswith(".py") and not file.name.startswith("test_"):
            done = self._run(f"{shlex.quote(sys.executable)} -c 'import {file.stem}'")
            assert done.returncode == 0, f"{block.where}: {name} cannot be imported\n{done.stdout}"

    def _type(self, block: Block, command: Command) -> None:
        line = self._with_port(command.line)
        if line.startswith(STAYS):
            self._leave_running(block, line)
            return
        done = self._run(line)
        assert done.returncode == 0, f"{block.where}: `{line}` ended with {done.returncode}\n{done.stdout}"
        expected = self._with_port(command.output)
        assert _matches(expected, done.stdout), f"{block.where}: `{line}`\nshown:\n{expected}\ngot:\n{done.stdout}"

    def _run(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=50,
            check=False,
        )

    def _leave_running(self, block: Block, line: str) -> None:
        log = self.folder / f"background-{len(self._background)}.log"
        program, *arguments = shlex.split(line, comments=True)
        environment = self._environment()
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [str(Path(sysconfig.get_path("scripts")) / program), *arguments],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        self._background.append((process, log))
        if program == "orchestrator-lite":
            self._wait_for_server(block, process, log)

    def _wait_for_server(self, block: Block, process: subprocess.Popen[bytes], log: Path) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for _ in range(400):
            assert process.poll() is None, f"{block.where}: the server ended\n{log.read_text()}"
            try:
                opener.open(f"http://127.0.0.1:{self.port}/_public/status", timeout=5).close()
            except (urllib.error.URLError, ConnectionError):
                SYSTEM_CLOCK.sleep_blocking(0.05)
            else:
                return
        raise AssertionError(f"{block.where}: the server does not answer\n{log.read_text()}")

    def _execute(self, block: Block, code: str) -> None:
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("_python.py"))],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        self._python.stdin.write(json.dumps({"where": block.where, "code": code}) + "\n")
        self._python.stdin.flush()
        answer = json.loads(self._python.stdout.readline() or '{"error": "the session ended"}')
        logs = "\n".join(log.read_text() for _, log in self._background)
        assert answer["error"] is None, f"{block.where}:\n{answer['error']}\n{logs}"

    def _environment(self) -> dict[str, str]:
        steering = ("AVTOMATIKA_", "ORCHESTRATOR_", "PYTHON", "PYTEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
        return {
            **kept,
            "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "AVTOMATIKA_URL": f"http://127.0.0.1:{self.port}",
            "AVTOMATIKA_STATE_DIR": str(self.folder / "state"),
        }

    def _with_port(self, text: str) -> str:
        return text.replace(SHOWN_PORT, self.port)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _matches(expected: str, got: str) -> bool:
    """Whether `got` is what a page shows, `…` standing for anything; a page that shows nothing is content."""
    if not expected.strip():
        return True
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("…"))
    return re.fullmatch(pattern, got.strip(), re.DOTALL) is not None
