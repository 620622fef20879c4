"""A server and a worker as real processes on the same files, killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path

from avtomatika_client import AsyncClient, AvtomatikaError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK

APP = Path(__file__).with_name("app.py")
PATIENCE = 40.0


class Site:
    """One folder, one port, and the processes on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.accepted: list[str] = []
        self._server: subprocess.Popen[bytes] | None = None
        self._worker: subprocess.Popen[bytes] | None = None
        self._log = (folder / "log.txt").open("ab")
        self._environment = {
            **os.environ,
            "CRASH_DIR": str(folder),
            "AVTOMATIKA_STATE_DIR": str(folder / "state"),
            "AVTOMATIKA_URL": self.url,
        }

    def start_server(self) -> None:
        store = f"sqlite:///{self.folder / 'lite.db'}"
        self._server = self._process("orchestrator_lite", "serve", str(APP), "--port", str(self.port), "--store", store)

    def start_worker(self) -> None:
        self._worker = self._process("avtomatika_worker", "run", f"{APP.stem}:worker")

    async def serving(self) -> None:
        """Wait until the server answers."""
        for _ in range(400):
            try:
                await asyncio.to_thread(_get, f"{self.url}/_public/status")
            except OSError:
                await SYSTEM_CLOCK.sleep(0.02)
            else:
                return
        raise AssertionError(f"the server does not answer:\n{self.log()}")

    def kill_server(self) -> None:
        _kill(self._server)

    def kill_worker(self) -> None:
        _kill(self._worker)

    def close(self) -> None:
        """End what still runs."""
        for process in (self._worker, self._server):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        self._log.close()

    def log(self) -> str:
        return (self.folder / "log.txt").read_text(errors="replace")[-4000:]

    def client(self) -> AsyncClient:
        return AsyncClient(self.url, client_token="dev-client-token")

    async def submit(self, client: AsyncClient, blueprint: str, data: dict) -> bool:
        """Submit a job; only one that was answered counts as accepted."""
        try:
            job = await client.jobs.submit(blueprint, data)
        except AvtomatikaError:
            return False
        self.accepted.append(job.id)
        return True

    def open_gate(self) -> None:
        (self.folder / "gate").touch()

    def runs(self) -> tuple[Counter[str], Counter[str]]:
        """How often each task was begun and how often it came to its end."""
        begun, ended = Counter(), Counter()
        file = self.folder / "runs.txt"
        for line in file.read_text().splitlines() if file.exists() else []:
            what, task_id, _ = line.split()
            (begun if what == "start" else ended)[task_id] += 1
        return begun, ended

    def journal(self) -> set[str]:
        """Tasks whose result lies in the worker's journal."""
        files = list((self.folder / "state").rglob("crash-1.db"))
        if not files:
            return set()
        with sqlite3.connect(f"file:{files[0]}?mode=ro", uri=True) as connection:
            rows = connection.execute("SELECT task_id FROM results").fetchall()
        connection.close()
        return {row[0] for row in rows}

    async def until(self, condition, what: str) -> None:
        """Wait until `condition()` holds."""
        for _ in range(int(PATIENCE / 0.02)):
            if condition():
                return
            await SYSTEM_CLOCK.sleep(0.02)
        raise AssertionError(f"never came: {what}\n{self.log()}")

    def _process(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=APP.parent,
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
        )


async def check(site: Site, client: AsyncClient) -> dict[str, list[str]]:
    """Every accepted job has finished, with exactly one applied result a task; gives the tasks of each job."""
    tasks: dict[str, list[str]] = {}
    for job_id in site.accepted:
        job = client.jobs.handle(job_id)
        try:
            await job.result(timeout=PATIENCE)
        except AvtomatikaError as error:
            state = await client.jobs.get(job_id)
            raise AssertionError(f"{job_id}: {error!r}\n{state}\n{site.log()}") from error
        history = await job.history()
        applied = [event.context_snapshot["task_id"] for event in history if event.event_type == "task_finished"]
        assert len(applied) == len(set(applied)), history
        assert sum(event.event_type == "job_completed" for event in history) == 1
        tasks[job_id] = applied
    return tasks


def _kill(process: subprocess.Popen[bytes] | None) -> None:
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _get(url: str) -> None:
    with urllib.request.urlopen(url, timeout=2) as reply:
        reply.read()
