"""Runs a page's blocks in order, as a reader would: one folder, one Python session, servers left running."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from tests.docs._terminals import Terminals

if TYPE_CHECKING:
    from types import TracebackType

    from tests.docs._page import Block, Command
    from tests.docs._terminals import Terminal

SHOWN_PORT = "8080"
PYTEST_AS_INSTALLED = "-W error -p no:cacheprovider -p no:asyncio -p no:randomly -p no:hypothesispytest -p no:timeout"
"""A reader's pytest has our plugin and none of those that only this project's own tests need."""


class Session:
    """A reader's folder and terminals. Port 8080 of the pages becomes a free one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = str(_free_port())
        self._terminals = Terminals(folder, self.port)
        self._python: subprocess.Popen[str] | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._python is not None:
            self._python.communicate(timeout=20)
        try:
            self._terminals.ctrl_c()
        except AssertionError:
            if error is None:
                raise

    def play(self, block: Block) -> None:
        """Do what a reader does with the block; AssertionError says where and how it went wrong."""
        if block.reason is not None:
            return
        if block.kind == "ctrl-c":
            self._terminals.ctrl_c()
        elif block.kind == "console":
            for command in block.commands():
                self._type(block, command)
        elif block.kind == "script":
            self._run_script(block)
        elif block.file is not None:
            self._save(block, block.file)
        elif block.kind != "data":
            self._execute(block)

    def _save(self, block: Block, name: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self._with_port(block.body), encoding="utf-8")
        if block.is_test:
            self._succeeds(block, ["-m", "pytest", "-q", name], f"{name} fails")
        elif name.endswith(".py"):
            self._succeeds(block, ["-c", f"import {file.stem}"], f"{name} cannot be imported")

    def _succeeds(self, block: Block, arguments: list[str], otherwise: str) -> None:
        done = self._run([sys.executable, *arguments])
        assert done.returncode == 0, f"{block.where}: {otherwise}\n{done.stdout}"

    def _run_script(self, block: Block) -> None:
        assert not any(Terminals.stays(line) for line in block.body.splitlines()), f"{block.where}: use `console`"
        done = self._run(["bash", "-euo", "pipefail", "-c", self._with_port(block.body)])
        assert done.returncode == 0, f"{block.where}: ended with {done.returncode}\n{done.stdout}"

    def _type(self, block: Block, command: Command) -> None:
        line = self._with_port(command.line)
        assert not re.match(r"(?:cd|export)\b", line), f"{block.where}: `{line}` would not last until the next line"
        if Terminals.stays(line):
            terminal = self._terminals.leave_running(block.where, line, self._environment())
            self._says(terminal, self._with_port(command.output))
            return
        done = self._run(["bash", "-c", line])
        assert done.returncode == 0, f"{block.where}: `{line}` ended with {done.returncode}\n{done.stdout}"
        expected = self._with_port(command.output)
        assert _matches(expected, done.stdout), f"{block.where}: `{line}`\nshown:\n{expected}\ngot:\n{done.stdout}"

    @staticmethod
    def _says(terminal: Terminal, expected: str) -> None:
        """Wait until what stays has said what is shown; it may go on after that."""
        for _ in range(200):
            if _matches(f"{expected.rstrip()}…" if expected.strip() else "", terminal.said()):
                return
            SYSTEM_CLOCK.sleep_blocking(0.05)
        raise AssertionError(f"{terminal.where}: shown:\n{expected}\n{terminal.told()}")

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=50,
            check=False,
        )

    def _execute(self, block: Block) -> None:
        hidden = re.search(r"^(?:async )?def (test_\w+)", block.body, re.MULTILINE)
        assert hidden is None, f"{block.where}: nothing runs {hidden}; begin the block with `# test_….py`"
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
        request = {"kind": block.kind, "where": block.where, "code": self._with_port(block.body)}
        self._python.stdin.write(json.dumps(request) + "\n")
        self._python.stdin.flush()
        answer = json.loads(self._python.stdout.readline() or '{"error": "the session ended"}')
        assert answer["error"] is None, f"{block.where}:\n{answer['error']}\n{self._terminals.told()}"

    def _environment(self) -> dict[str, str]:
        steering = ("AVTOMATIKA_", "ORCHESTRATOR_", "PYTHON", "PYTEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
        return {
            **kept,
            "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",  # a file saved twice within a second must not be read from its first cache
            "PYTEST_ADDOPTS": PYTEST_AS_INSTALLED,
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
