"""A virtual environment that has the wheel, borrows the dependencies of this one and nothing from the checkout."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import urllib.error
import urllib.request
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from avtomatika_client.protocol.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

OFFLINE = """
import sys

def refuse(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if host not in ("127.0.0.1", "::1", "localhost", "", None):
        raise OSError(f"offline: {host}")

sys.addaudithook(refuse)
"""


class Venv:
    """A fresh environment in `folder`; commands run in a folder outside the checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outside = folder / "outside"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.outside.mkdir()
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")
        found = self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
        self.site = Path(found.stdout.strip())

    def install(self, *wheels: Path) -> None:
        """Install wheels, one pip run each, in this order; without index and dependencies."""
        for wheel in wheels:
            self.pip("install", "--no-index", "--no-deps", str(wheel))

    def pip(self, *arguments: str) -> None:
        """Run this environment's pip on the fresh one."""
        command = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "--disable-pip-version-check"]
        subprocess.run([*command, *arguments], check=True, capture_output=True, cwd=self.outside)

    def borrow_dependencies(self) -> None:
        """Let it see this environment's packages; editable installations are not seen through a .pth file."""
        (self.site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")

    def forget(self, *modules: str) -> None:
        """Make it as if these top-level modules were not installed."""
        (self.site / "sitecustomize.py").write_text(
            "import sys\n"
            "class Gone:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            f"        if name.partition('.')[0] in {set(modules)!r}:\n"
            "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
            "sys.meta_path.insert(0, Gone())\n"
        )

    def go_offline(self) -> None:
        """Let none of its processes look up or reach another machine."""
        (self.site / "offline.py").write_text(OFFLINE)
        (self.site / "offline.pth").write_text("import offline\n")

    def run(self, *arguments: str, script: str = "python", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment; stdin is empty, the environment clean of what steers Python or us."""
        return subprocess.run(
            [str(self.bin / script), *arguments],
            cwd=self.outside,
            env=self._environment(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=55,
            check=False,
        )

    @contextmanager
    def running(self, *arguments: str, script: str = "python", **environment: str) -> Iterator[Path]:
        """A program of the environment until the end of the block, which is Ctrl-C; yields what it says, a file."""
        log = self.outside / f"{script}-{uuid.uuid4().hex}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [str(self.bin / script), *arguments],
                cwd=self.outside,
                env=self._environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        try:
            yield log
            assert process.poll() is None, log.read_text()
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)
        finally:
            process.kill()
            process.wait()

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        steering = ("PYTHON", "AVTOMATIKA", "ORCHESTRATOR", "PYTEST")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
        return {**kept, "AVTOMATIKA_STATE_DIR": str(self.folder / "state"), **more}


def answers(url: str) -> bool:
    """Whether a server is there, within seconds."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(400):
        try:
            opener.open(f"{url}/_public/status", timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            SYSTEM_CLOCK.sleep_blocking(0.05)
        else:
            return True
    return False


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
