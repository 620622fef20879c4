"""The terminals a reader leaves open: servers and workers that run until Ctrl-C."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sysconfig
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from avtomatika_client.protocol.clock import SYSTEM_CLOCK

STAYS = {("orchestrator-lite", "serve"), ("orchestrator-lite", "dev"), ("avtomatika-worker", "run")}


@dataclass(frozen=True)
class Terminal:
    """One of them.

    Attributes:
        where: The block that opened it.
        line: What was typed.
        process: What runs.
        log: What it says.
    """

    where: str
    line: str
    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        """Everything it has said."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def told(self) -> str:
        """The same for a message."""
        return f"`{self.line}` said:\n{self.said()}"


class Terminals:
    """All that are open; `port` is where the server of the page listens."""

    def __init__(self, folder: Path, port: str) -> None:
        self._folder = folder
        self._port = port
        self._open: list[Terminal] = []
        self._opened = 0

    @staticmethod
    def stays(line: str) -> bool:
        """Whether the command runs until it is stopped."""
        words = [word for word in _words(line) if not _is_assignment(word)]
        return tuple(words[:2]) in STAYS and "--help" not in words

    def leave_running(self, where: str, line: str, environment: dict[str, str]) -> Terminal:
        """Start a command that stays; a server is ready when this returns."""
        words = _words(line)
        given = dict(word.split("=", 1) for word in words if _is_assignment(word))
        program, *arguments = [word for word in words if not _is_assignment(word)]
        # A page may rely on the default port; the reader's 8080 is ours, whatever else runs on this machine.
        listens_at = {"ORCHESTRATOR_LITE_PORT": self._port} if program == "orchestrator-lite" else {}
        self._opened += 1
        log = self._folder.parent / f"{self._folder.name}-terminal-{self._opened}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [str(Path(sysconfig.get_path("scripts")) / program), *arguments],
                cwd=self._folder,
                env={**environment, **listens_at, **given},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        terminal = Terminal(where, line, process, log)
        self._open.append(terminal)
        if program == "orchestrator-lite":
            self._wait_for_server(terminal)
        return terminal

    def told(self) -> str:
        """What all of them have said."""
        return "\n".join(terminal.told() for terminal in self._open)

    def ctrl_c(self) -> None:
        """Stop them, the last one first.

        Raises:
            AssertionError: One did not stop, had ended by itself, or had told of an error nobody caught.
        """
        wrong = []
        while self._open:
            terminal = self._open.pop()
            if terminal.process.poll() is not None:
                wrong.append(f"{terminal.where}: ended by itself; {terminal.told()}")
            terminal.process.send_signal(signal.SIGINT)
            try:
                terminal.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                terminal.process.kill()
                terminal.process.wait()
                wrong.append(f"{terminal.where}: did not stop; {terminal.told()}")
            if "Traceback (most recent call last)" in terminal.told():
                wrong.append(f"{terminal.where}: {terminal.told()}")
        assert not wrong, "\n".join(wrong)

    def _wait_for_server(self, terminal: Terminal) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for _ in range(400):
            assert terminal.process.poll() is None, f"{terminal.where}: the server ended; {terminal.told()}"
            try:
                opener.open(f"http://127.0.0.1:{self._port}/_public/status", timeout=5).close()
            except (urllib.error.URLError, ConnectionError):
                SYSTEM_CLOCK.sleep_blocking(0.05)
            else:
                return
        raise AssertionError(f"{terminal.where}: the server does not answer; {terminal.told()}")


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return []


def _is_assignment(word: str) -> bool:
    return re.match(r"[A-Z_][A-Z0-9_]*=", word) is not None
