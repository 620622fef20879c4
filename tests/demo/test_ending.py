"""However the demo ends, nothing of it stays."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK


@pytest.fixture
def busy(demo):
    """A demo in the midst of a count that takes a while, its worker running."""
    (demo.folder / "long.txt").write_text(" ".join(f"word{number}" for number in range(1_000_000)))
    process = demo.start("long.txt")
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _gone(pid):
    for _ in range(600):
        if not Path(f"/proc/{pid}").exists():
            return True
        SYSTEM_CLOCK.sleep_blocking(0.02)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_server_and_worker(demo, busy, number):
    worker = demo.worker_of(busy)
    busy.send_signal(number)
    out, err = busy.communicate(timeout=40)
    assert busy.returncode == 130
    assert out == ""
    assert err == "orchestrator-lite demo: interrupted\n"
    assert _gone(worker)
    assert demo.leftovers() == []


def test_the_worker_does_not_outlive_a_killed_demo(demo, busy):
    worker = demo.worker_of(busy)
    busy.kill()
    busy.communicate(timeout=40)
    assert _gone(worker)


def test_a_dead_worker_ends_the_demo_with_one_line(demo, busy):
    os.kill(demo.worker_of(busy), signal.SIGKILL)
    out, err = busy.communicate(timeout=40)
    assert busy.returncode == 1
    assert out == ""
    assert "the worker ended with code -9" in err
    assert len(err.splitlines()) == 1
    assert demo.leftovers() == []


def test_a_terminal_gets_a_progress_bar(demo):
    (demo.folder / "text.txt").write_text("one two two " * 20_000)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [demo.command, "demo", "text.txt"],
        cwd=demo.folder,
        env={**demo.environment, "TERM": "xterm", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = _all_of(ours)
    assert process.wait(timeout=40) == 0
    assert "counting words" in shown
    assert "64/64" in shown
    assert "two                  40000" in shown


def _all_of(terminal):
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other side is closed
            piece = b""
        if not piece:
            os.close(terminal)
            return shown.decode()
        shown += piece
