"""Runs the real command, as installed beside this interpreter."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK

COMMAND = str(Path(sysconfig.get_path("scripts")) / "orchestrator-lite")


class Demo:
    """`orchestrator-lite demo` in a folder of its own; what it leaves in the temporary folder can be seen."""

    command = COMMAND

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        steering = ("AVTOMATIKA", "ORCHESTRATOR", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
        self.environment = {**kept, "TMPDIR": str(self.temporary)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it; standard output and error are pipes."""
        return subprocess.Popen(
            [COMMAND, "demo", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=50)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def worker_of(self, process: subprocess.Popen[str]) -> int:
        """The worker's process id, once it runs."""
        for _ in range(600):
            assert process.poll() is None, process.communicate()
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    mine = b"_worker_process" in entry.read_bytes()
                    mine = mine and str(self.temporary).encode() in entry.with_name("environ").read_bytes()
                except OSError:
                    continue
                if mine:
                    return int(entry.parent.name)
            SYSTEM_CLOCK.sleep_blocking(0.02)
        raise AssertionError("the demo started no worker")

    def leftovers(self) -> list[str]:
        """What it left: files in the temporary folder, processes that still know that folder."""
        processes = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                if str(self.temporary).encode() in entry.read_bytes():
                    processes.append(f"process {entry.parent.name}")
            except OSError:
                continue
        return [*(path.name for path in self.temporary.iterdir()), *processes]


@pytest.fixture
def demo(tmp_path) -> Demo:
    return Demo(tmp_path)
