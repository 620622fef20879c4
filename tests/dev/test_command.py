"""What it prints works when pasted; however it ends, nothing of it stays."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from avtomatika_client import Client
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from tests.dev.conftest import COMMAND, app, until
from tests.dev.test_reload import RELOADED, greeting

SECONDS = 12
"""How long an end may take on a busy machine."""


def test_it_says_where_and_how_and_the_curl_line_works_when_pasted(dev):
    dev.start().url()
    assert re.search(r"blueprints +greet$", dev.text, re.MULTILINE)
    assert re.search(r"workers +greeter \(greet\)$", dev.text, re.MULTILINE)
    assert re.search(r"client token +dev-client-token$", dev.text, re.MULTILINE)
    assert re.search(r"worker token +dev-worker-token$", dev.text, re.MULTILINE)
    assert "\033" not in dev.text
    assert 'avtomatika jobs submit greet \'{"name": "Ada"}\' --wait' in dev.text
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    line = dev.says(r"^ *(curl .*)$")[1]
    environment = {**dev.environment, "no_proxy": "127.0.0.1"}
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30, check=True, env=environment)
    job_id = re.search(r'"job_id": ?"([^"]+)"', done.stdout)[1]
    with dev.client() as client:
        assert client.jobs.handle(job_id).result(timeout=30) == {"message": "Hello, Ada!"}


def test_configured_tokens_hold_and_are_not_shown(dev):
    dev.environment |= {"ORCHESTRATOR_LITE_CLIENT_TOKEN": "secret-1", "ORCHESTRATOR_LITE_WORKER_TOKEN": "secret-2"}
    url = dev.start().url()
    with Client(url, client_token="secret-1") as client:
        assert greeting(client) == "Hello, Ada!"
    assert "secret" not in dev.text
    assert "$ORCHESTRATOR_LITE_CLIENT_TOKEN" in dev.text


def test_jobs_of_the_last_session_go_on_and_it_says_so(dev):
    dev.save(app().split("worker = ")[0])
    with dev.start().client() as client:
        job = client.jobs.submit("greet", {"name": "Ada"})
    assert dev.stop() == 0
    dev.save(app())
    with dev.start().client() as client:
        assert client.jobs.handle(job.id).result(timeout=30) == {"message": "Hello, Ada!"}
        assert "1 unfinished job goes on" in dev.text
    assert (dev.folder / ".orchestrator-lite" / ".gitignore").read_text() == "*\n"


def test_a_store_in_memory_survives_reloads_and_ends_with_the_command(dev):
    with dev.start("--store", "memory").client() as client:
        job = client.jobs.submit("greet", {"name": "Ada"})
        assert job.result(timeout=30)
        dev.save(app("Howdy"))
        dev.says(RELOADED)
        assert job.refresh().status == "finished"
    assert "in memory" in dev.text
    assert dev.stop() == 0
    assert not (dev.folder / ".orchestrator-lite").exists()
    assert list(dev.temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_within_seconds_and_the_task_goes_on_next_time(dev, number):
    dev.save("import asyncio\n" + app(before="await asyncio.sleep(3600)"))
    with dev.start().client() as client:
        job = client.jobs.submit("greet", {"name": "Ada"})
        until(lambda: any(event.event_type == "task_started" for event in job.history()) or runs(job))
    began = SYSTEM_CLOCK.monotonic()
    assert dev.stop(number) == 0
    assert SYSTEM_CLOCK.monotonic() - began < SECONDS
    assert dev.processes() == []
    assert "Traceback" not in dev.text
    dev.save(app())
    with dev.start().client() as client:
        assert client.jobs.handle(job.id).result(timeout=30) == {"message": "Hello, Ada!"}


def runs(job):
    return any(event.event_type == "task_dispatched" for event in job.history())


def test_a_skill_that_blocks_does_not_keep_it_from_ending(dev):
    dev.save("import time\n" + app(before="time.sleep(3600)"))
    with dev.start().client() as client:
        job = client.jobs.submit("greet", {"name": "Ada"})
        until(lambda: runs(job))
    assert dev.stop() == 0
    assert dev.processes() == []


def test_it_ends_while_a_file_is_being_loaded(dev):
    dev.save("import time, pathlib\npathlib.Path('loading').touch()\ntime.sleep(3600)\n")
    dev.start()
    until(lambda: (dev.folder / "loading").exists())
    assert dev.stop() in (0, 130)  # 130: it was not yet the command itself that was interrupted
    until(lambda: dev.processes() == [], "the end of its processes")


@pytest.mark.parametrize("before", ["pass", "import time; time.sleep(3600)"], ids=["idle", "busy"])
def test_nothing_outlives_a_command_that_was_killed(dev, before):
    dev.save(app(before=before))
    with dev.start().client() as client:
        job = client.jobs.submit("greet", {"name": "Ada"})
        until(lambda: runs(job))
    dev.stop(signal.SIGKILL)
    until(lambda: dev.processes() == [], "the end of its processes")


@pytest.mark.parametrize("module", ["_server_process", "_workers_process"])
def test_a_process_that_dies_is_told_and_comes_back_with_the_next_save(dev, module):
    with dev.start().client() as client:
        assert greeting(client) == "Hello, Ada!"
        os.kill(dev.pid_of(module), signal.SIGKILL)
        dev.says("was ended by SIGKILL")
        dev.save(app("Howdy"))
        dev.says(RELOADED)
        assert greeting(client) == "Howdy, Ada!"


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colours_unless_they_are_not_wanted(dev, variables, coloured):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "dev", "app.py", "--port", "0"],
        cwd=dev.folder,
        env={**dev.environment, "TERM": "xterm", **variables},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while b"Ctrl-C stops" not in shown:
        shown += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    os.close(ours)
    assert (b"\033[" in shown) is coloured


def test_files_of_the_project_are_not_littered_with_bytecode(dev):
    dev.save("x = 1\n", "helper.py")
    dev.save("import helper\n" + app())
    dev.start().url()
    assert list(Path(dev.folder).rglob("*.pyc")) == []


def test_the_submit_line_works_when_pasted(dev):
    dev.start().url()
    line = dev.says(r"^ *(\S*=?\S* ?avtomatika jobs submit .*--wait)$")[1]
    path = f"{Path(COMMAND).parent}{os.pathsep}{dev.environment['PATH']}"
    environment = {**dev.environment, "PATH": path}
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=40, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Hello, Ada!" in done.stdout
