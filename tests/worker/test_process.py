"""Real processes: kill -9, signals, exit codes, the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.worker._peer import Answer, Peer
from tests.worker.test_way import a_task

ROOT = Path(__file__).parents[2]

APP = """
import asyncio, os, time
from avtomatika_worker import Worker, skill

@skill
async def work(note: str) -> str:
    with open("ran.txt", "a") as file:
        file.write(note + "\\n")
    return note

@skill
async def slow() -> str:
    await asyncio.sleep(1)
    return "slow but done"

@skill
async def stubborn() -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

@skill
def stuck() -> None:
    time.sleep(60)

worker = Worker("app", skills=[work, slow, stubborn, stuck])
named = Worker("app", worker_id="only-one", skills=[work])
number = 5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "broken.py").write_text("import nothing_like_this\n")
    (tmp_path / "syntax.py").write_text("def (:\n")
    return tmp_path


def environment(folder: Path, **extra: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AVTOMATIKA")}
    return kept | {"AVTOMATIKA_STATE_DIR": str(folder), "PYTHONPATH": str(ROOT)} | extra


COMMAND = [sys.executable, "-c", "from avtomatika_client._scripts import worker; worker()"]


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=30
    )


@contextmanager
def process(folder: Path, peer: Peer, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`worker.run()` in a process of its own, or the command with arguments."""
    started = [*COMMAND, *arguments] if arguments else [sys.executable, "-c", "from app import worker; worker.run()"]
    running = subprocess.Popen(
        started,
        cwd=folder,
        env=environment(folder, AVTOMATIKA_URL=peer.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate()


def test_result_survives_sigkill_before_delivery(folder: Path):
    with Peer() as peer:
        peer.always["result"] = Answer(503, {"error": "down"})
        with process(folder, peer) as first:
            peer.hand_out(a_task(params={"note": "once"}))
            peer.wait(lambda: len(peer.results) > 0)
            first.send_signal(signal.SIGKILL)
            first.wait(10)
        del peer.always["result"]
        before = len(peer.seen)
        with process(folder, peer) as second:
            peer.wait(lambda: len(peer.of("register")) == 2)
            peer.hand_out(a_task(attempt=2, params={"note": "again"}))
            peer.wait(lambda: peer.open_polls == 1 and len(peer.of("poll")) >= 2)
            second.send_signal(signal.SIGTERM)
            assert second.wait(20) == 0
    assert (folder / "ran.txt").read_text() in ("once\n", "once\nagain\n")
    later = peer.seen[before:]
    registration, first_poll = (next(seen for seen in later if seen.kind == kind) for kind in ("register", "poll"))
    assert registration.body["holding"] == [{"task_id": "task-1", "attempt": 1}]
    delivered = next(seen for seen in later if seen.kind == "result")
    assert delivered.body["data"] == "once"
    assert delivered.body["incarnation"] == registration.body["incarnation"]
    assert later.index(delivered) < later.index(first_poll)
    workers = {seen.headers["x-worker-id"] for seen in peer.seen if "x-worker-id" in seen.headers}
    assert len(workers) == 1


def test_sigterm_lets_the_task_finish_and_exits_with_0(folder: Path):
    with Peer() as peer, process(folder, peer) as worker:
        peer.hand_out(a_task(type="slow"))
        peer.wait(lambda: len(peer.of("poll")) == 2)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
    assert peer.results[0]["data"] == "slow but done"
    statuses = [beat.body["status"] for beat in peer.of("heartbeat")]
    assert "draining" in statuses
    assert statuses[-1] == "offline"


@pytest.mark.parametrize("kind", ["stubborn", "stuck"])
def test_code_that_does_not_end_does_not_keep_the_process(folder: Path, kind: str):
    with Peer() as peer, process(folder, peer) as worker:
        peer.hand_out(a_task(type=kind))
        peer.wait(lambda: len(peer.of("poll")) == 2)
        worker.send_signal(signal.SIGTERM)
        peer.wait(lambda: any(beat.body["status"] == "draining" for beat in peer.of("heartbeat")))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
    assert peer.results[0]["error"]["code"] == "INTERRUPTED"


def test_a_superseded_process_exits_with_1(folder: Path):
    with Peer() as peer, process(folder, peer) as worker:
        peer.wait(lambda: peer.open_polls == 1)
        peer.always["heartbeat"] = Answer(409, {"error": "superseded"})
        peer.answer("poll", Answer(409, {"error": "superseded"}))
        peer.hand_out(a_task(type="nope"))
        output, _ = worker.communicate(timeout=20)
    assert worker.returncode == 1
    assert output.count("newer start") == 1
    assert "Traceback" not in output


def test_two_processes_never_share_an_identity(folder: Path):
    with Peer() as peer, process(folder, peer), process(folder, peer):
        peer.wait(lambda: len({seen.headers["x-worker-id"] for seen in peer.of("poll")}) == 2)
        with process(folder, peer, "run", "app:named"):
            peer.wait(lambda: any(seen.headers["x-worker-id"] == "only-one" for seen in peer.of("poll")))
            refused = command(folder, "run", "app:named", "--url", peer.url)
    assert refused.returncode == 1
    assert "only-one" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_command_runs_a_worker_and_shows_its_skills(folder: Path):
    with Peer() as peer, process(folder, peer, "run", "app:worker", "--url", "x", "--log-level", "error") as refused:
        assert refused.wait(20) == 1
    with Peer() as peer, process(folder, peer, "run", "app:worker", "--token", "other", "--url", peer.url) as worker:
        peer.wait(lambda: peer.open_polls == 1)
        worker.send_signal(signal.SIGINT)
        assert worker.wait(20) == 0
    assert peer.of("poll")[0].headers["x-worker-token"] == "other"
    shown = json.loads(command(folder, "skills", "app:worker").stdout)
    assert [skill["name"] for skill in shown] == ["work", "slow", "stubborn", "stuck"]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("nope:worker", "No module 'nope'"),
        ("app:nope", "has nothing named 'nope'; it has the workers named, worker"),
        ("app:number", "no Worker but int"),
        ("app", "write app:NAME"),
        ("broken:worker", "nothing_like_this"),
        ("syntax:worker", "SyntaxError"),
        (":worker", "MODULE:WORKER"),
        ("app.py:nope", "nothing named"),
    ],
)
def test_a_worker_that_is_not_there_is_one_clear_line(folder: Path, where: str, words: str):
    done = command(folder, "skills", where)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_importing_the_package_loads_neither_models_nor_network(folder: Path):
    heavy = ("httpx", "pydantic", "typer", "sqlite3")
    code = f"import sys, avtomatika_worker; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(folder), capture_output=True, text=True, timeout=30
    )
    assert done.stdout.strip() == "[]", done.stderr
