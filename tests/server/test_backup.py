"""`orchestrator-lite backup` beside a server that runs: every job it had acknowledged is in the copy."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import httpx

from tests.server.test_serve import CLIENT, FLOW, command, serving

if TYPE_CHECKING:
    from pathlib import Path


def backed_up(target: Path, store: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command("backup", target, "--store", store), capture_output=True, text=True, check=False)


def refused(target: Path, store: object) -> str:
    """The one line with which a backup is refused."""
    done = backed_up(target, store)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


class Submitting(threading.Thread):
    """Submits one job after another until it is told to stop; remembers those that were acknowledged."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.acknowledged: list[str] = []
        self.stop = threading.Event()
        self.some = threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self.url, headers=CLIENT, trust_env=False) as http:
            while not self.stop.is_set():
                reply = http.post("/api/v1/jobs/greet", json={"initial_data": {"n": len(self.acknowledged)}})
                assert reply.status_code == 202
                self.acknowledged.append(reply.json()["job_id"])
                if len(self.acknowledged) >= 50:
                    self.some.set()


def test_a_second_server_on_the_copy_has_every_job_that_was_acknowledged(tmp_path: Path) -> None:
    flow = tmp_path / "flow.py"
    flow.write_text(FLOW)
    store, copy = f"sqlite:///{tmp_path}/lite.db", tmp_path / "copy.db"
    with serving(flow, "--port", "0", "--store", store) as (_, url, _):
        clients = [Submitting(url) for _ in range(3)]
        for client in clients:
            client.start()
        try:
            assert all(client.some.wait(20) for client in clients)
            before = [job_id for client in clients for job_id in client.acknowledged]
            done = backed_up(copy, store)
            assert done.returncode == 0, done.stderr
            assert str(copy) in done.stdout
        finally:
            for client in clients:
                client.stop.set()
                client.join()
        after = {job_id for client in clients for job_id in client.acknowledged}
        assert len(after) > len(before)
        with (
            serving(flow, "--port", "0", "--store", f"sqlite:///{copy}") as (_, second, _),
            httpx.Client(base_url=second, headers=CLIENT, trust_env=False) as http,
        ):
            for job_id in before:
                reply = http.get(f"/api/v1/jobs/{job_id}")
                assert (reply.status_code, reply.json()["status"]) == (200, "waiting_for_worker")
            assert http.get("/readyz").json()["queued"] >= len(before)


def test_what_cannot_be_copied_is_told_in_a_line(tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.write_text("mine")
    store = tmp_path / "lite.db"
    code = "import asyncio, sys; from orchestrator_lite.store import SqliteStore as S; s = S(sys.argv[1])"
    run = f"{code}\nasync def f():\n    await s.open()\n    await s.close()\nasyncio.run(f())"
    subprocess.run([sys.executable, "-c", run, str(store)], check=True)
    assert "exists already" in refused(there, f"sqlite:///{store}")
    assert there.read_text() == "mine"
    assert "folder that does not exist" in refused(tmp_path / "no" / "copy.db", f"sqlite:///{store}")
    assert "There is no store" in refused(tmp_path / "copy.db", f"sqlite:///{tmp_path}/nowhere.db")
    assert "ends with its server" in refused(tmp_path / "copy.db", "memory")
    assert "supported are" in refused(tmp_path / "copy.db", "redis://u:secret@host")
    assert not (tmp_path / "nowhere.db").exists()
