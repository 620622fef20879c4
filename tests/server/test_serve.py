"""`orchestrator-lite serve` as a real process."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite._listening import GRACE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIENT = {"X-Client-Token": "dev-client-token"}
WORKER = {"X-Worker-Token": "dev-worker-token"}
PROMPTLY = 2.5
"""Seconds a stop may take; connections that are not answered are cut after three."""

FLOW = """
from orchestrator_lite import Blueprint

flow = Blueprint("greet", api_endpoint="/jobs/greet")

@flow.handler(is_start=True)
async def start(actions):
    actions.dispatch_task("greet", transitions={"success": "finished"})

@flow.handler(is_end=True)
async def finished(): ...
"""


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    file = tmp_path / "flow.py"
    file.write_text(FLOW)
    return file


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "orchestrator_lite", *(str(argument) for argument in arguments)]


@contextmanager
def serving(*arguments: object, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """The process, its URL, and what it logs."""
    env = {**os.environ, **environment}
    with subprocess.Popen(command("serve", *arguments), stderr=subprocess.PIPE, text=True, env=env) as process:
        lines: list[str] = []
        try:
            assert process.stderr is not None
            for text in process.stderr:
                lines.append(text)
                if found := re.search(r"listening on (http://\S+)", text):
                    break
            else:
                raise AssertionError("".join(lines))
            reader = threading.Thread(target=lambda: lines.extend(process.stderr or ()))
            reader.start()
            yield process, found[1], lines
        finally:
            process.kill()
            process.wait()
            reader.join()


def refused(*arguments: object, **environment: str) -> str:
    """The one line a command ends with, at exit code 2."""
    env = {**os.environ, **environment}
    done = subprocess.run(command("serve", *arguments), capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (text,) = done.stderr.splitlines()
    assert text.startswith("orchestrator-lite: ")
    return text.removeprefix("orchestrator-lite: ")


def test_it_starts_says_where_and_with_which_tokens_and_serves(flow):
    with serving(flow, "--port", 0) as (process, url, lines):
        reply = httpx.post(f"{url}/api/v1/jobs/greet", json={"initial_data": {}}, headers=CLIENT, trust_env=False)
        assert reply.status_code == 202
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    log = "".join(lines)
    assert url.startswith("http://127.0.0.1:")
    assert "dev-client-token" in log
    assert "dev-worker-token, user dev, password dev" in log
    assert log.count("\n") < 6, "one line each for the address, the tokens, the stop"
    assert "Traceback" not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_promptly_with_a_poll_a_wait_and_a_socket_open(flow, number):
    with serving(flow, "--port", 0) as (process, url, lines), httpx.Client(base_url=url, trust_env=False) as http:
        http.post("/_worker/workers/register", json={"worker_id": "w1", "supported_skills": ["x"]}, headers=WORKER)
        job_id = http.post("/api/v1/jobs/greet", json={}, headers=CLIENT).json()["job_id"]
        held = [ask(url, "/_worker/workers/w1/tasks/next", WORKER), ask(url, f"/api/v1/jobs/{job_id}?wait=60", CLIENT)]
        ws = url.replace("http://", "ws://") + "/_worker/ws/w1"
        with connect(ws, additional_headers=WORKER, proxy=None) as channel:
            for _ in range(3):  # answered after what was sent before them has been read
                assert http.get("/_public/status").status_code == 200
            began = SYSTEM_CLOCK.monotonic()
            process.send_signal(number)
            assert process.wait(timeout=20) == 0
            assert SYSTEM_CLOCK.monotonic() - began < PROMPTLY
            with pytest.raises(ConnectionClosed) as closed:
                channel.recv(timeout=5)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code in {1001, 1012}
        assert [status_of(connection) for connection in held] == [204, 200]
    assert "Traceback" not in "".join(lines)


@pytest.mark.parametrize(("method", "path"), [("PUT", "/jobs/{}/files/content/a.bin"), ("POST", "/jobs/greet")])
def test_a_body_that_never_ends_is_cut_off_without_a_traceback(flow, method, path):
    with serving(flow, "--port", 0) as (process, url, lines), httpx.Client(base_url=url, trust_env=False) as http:
        job_id = http.post("/api/v1/jobs/greet", json={"hold": True}, headers=CLIENT).json()["job_id"]
        path = "/api/v1" + path.format(job_id)
        with half_sent(url, method, path) as connection:
            assert http.get("/_public/status").status_code == 200
            began = SYSTEM_CLOCK.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
            assert SYSTEM_CLOCK.monotonic() - began < GRACE + PROMPTLY
            with suppress(ConnectionResetError):
                assert connection.recv(65536) == b""
    log = "".join(lines)
    assert "1 requests did not end within 3 s; they are cut off" in log
    assert "Traceback" not in log


def test_a_client_that_goes_in_the_middle_of_a_body_leaves_no_traceback(flow):
    with serving(flow, "--port", 0) as (process, url, lines), httpx.Client(base_url=url, trust_env=False) as http:
        half_sent(url, "POST", "/api/v1/jobs/greet").close()
        for _ in range(3):
            assert http.get("/_public/status").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert "Traceback" not in "".join(lines)


def half_sent(url: str, method: str, path: str) -> socket.socket:
    """A request whose body never comes to its end."""
    host, port = url.removeprefix("http://").split(":")
    lines = {"Host": f"{host}:{port}", **CLIENT, "Content-Type": "application/json", "Content-Length": "1000"}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + b" " * 10)
    return connection


def ask(url: str, path: str, headers: dict[str, str]) -> socket.socket:
    """Send a request that the server will hold."""
    host, port = url.removeprefix("http://").split(":")
    lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": f"{host}:{port}", **headers}.items())
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
    return connection


def status_of(connection: socket.socket) -> int:
    """The status of the answer that has come."""
    with connection:
        return int(connection.recv(65536).split()[1])


def test_what_it_stored_is_there_at_the_next_start(flow, tmp_path):
    store = f"sqlite:///{tmp_path / 'lite.db'}"
    with serving(flow, "--port", 0, "--store", store) as (process, url, _):
        reply = httpx.post(f"{url}/api/v1/jobs/greet", json={"initial_data": {"a": 1}}, headers=CLIENT, trust_env=False)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    with serving(flow, ORCHESTRATOR_LITE_PORT="0", ORCHESTRATOR_LITE_STORE=store) as (_, url, _):
        job = httpx.get(f"{url}/api/v1/jobs/{reply.json()['job_id']}", headers=CLIENT, trust_env=False).json()
        assert (job["status"], job["initial_data"]) == ("waiting_for_worker", {"a": 1})


def test_configured_tokens_are_taken_from_the_environment_and_never_logged(flow):
    tokens = {"ORCHESTRATOR_LITE_CLIENT_TOKEN": "secret-1", "ORCHESTRATOR_LITE_WORKER_TOKEN": "secret-2"}
    with serving(flow, "--port", 0, **tokens) as (process, url, lines):
        for token, status in (("secret-1", 200), ("dev-client-token", 401)):
            reply = httpx.get(f"{url}/api/v1/workers", headers={"X-Client-Token": token}, trust_env=False)
            assert reply.status_code == status
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    assert "secret" not in "".join(lines)
    assert "dev-client-token" not in "".join(lines)


def test_a_port_in_use_is_one_line(flow):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = refused(flow, "--port", port)
    assert f"127.0.0.1:{port}" in text
    assert "--port" in text


def test_bound_to_others_without_credentials_is_one_line(flow):
    assert "ORCHESTRATOR_LITE_CLIENT_TOKEN" in refused(flow, "--host", "0.0.0.0", "--port", 0)


def test_a_missing_file_is_one_line(tmp_path):
    assert "no such file" in refused(tmp_path / "nothing.py")


@pytest.mark.parametrize(
    ("source", "at", "words"),
    [
        ("x = 1\n", None, "defines no blueprint"),
        ("x = 1\ndef broken(:\n", 2, "SyntaxError"),
        ("x = 1\n\nimport no_such_module_anywhere\n", 3, "no_such_module_anywhere"),
        ("def f():\n    raise ValueError('two\\nlines')\n\nf()\n", 2, "two"),
        ("from orchestrator_lite import Blueprint\n\nflow = Blueprint('flow')\n", 3, "no start"),
        (FLOW.replace('"finished"', '"nowhere"'), 8, "'nowhere'"),
        ("import sys\nsys.exit('enough')\n", 2, "enough"),
    ],
    ids=["none", "syntax", "import", "two lines", "no start", "nowhere", "exit"],
)
def test_a_file_that_cannot_be_served_is_one_line_with_its_place(tmp_path, source, at, words):
    file = tmp_path / "wrong.py"
    file.write_text(source)
    text = refused(file)
    assert str(file) + ("" if at is None else f":{at}") in text
    assert words in text


def test_two_files_with_the_same_blueprint_are_one_line(flow, tmp_path):
    other = tmp_path / "other.py"
    other.write_text(FLOW)
    text = refused(flow, other)
    assert text.startswith(f"{other}:4: ")
    assert f"{flow}:4" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--store", "redis://:password@host"], "redis"),
        (["--durability", "none"], "durability"),
        (["--port", "70000"], "port"),
    ],
)
def test_a_setting_that_makes_no_sense_is_one_line(flow, arguments, words):
    text = refused(flow, *arguments)
    assert words in text
    assert "password" not in text


@pytest.mark.parametrize("name", ["CLIENT_TOKEN", "WORKER_TOKEN"])
def test_a_token_that_was_left_empty_is_one_line(flow, name):
    variable = f"ORCHESTRATOR_LITE_{name}"
    assert refused(flow, **{variable: ""}).strip() == f"{variable}: must not be empty"


def test_a_setting_of_the_environment_that_makes_no_sense_is_one_line(flow):
    assert "ORCHESTRATOR_LITE_HANDLER_TIME_LIMIT: " in refused(flow, ORCHESTRATOR_LITE_HANDLER_TIME_LIMIT="soon")


def test_a_config_file_is_read_and_one_that_makes_no_sense_is_one_line(flow, tmp_path):
    config = tmp_path / "lite.toml"
    config.write_text(
        f'port = 0\nstore = "sqlite:///{tmp_path / "lite.db"}"\nclient_token = "c-1"\nworker_token = "w-1"\n'
    )
    with serving(flow, "--config", config) as (_, url, lines):
        assert httpx.get(f"{url}/api/v1/workers", headers={"X-Client-Token": "c-1"}, trust_env=False).status_code == 200
        assert (tmp_path / "lite.db").exists()
        assert "c-1" not in "".join(lines)
    config.write_text('prot = 0\nclient_token = "c-1"\n')
    assert (
        refused(flow, "--config", config) == f"{config}: prot: there is no such setting; did you mean port?\n".strip()
    )
    assert "no-such.toml" in refused(flow, ORCHESTRATOR_LITE_CONFIG=str(tmp_path / "no-such.toml"))


def test_the_store_of_a_running_server_is_refused_in_one_line(flow, tmp_path):
    store = f"sqlite:///{tmp_path / 'lite.db'}"
    with serving(flow, "--port", 0, "--store", store):
        assert str(tmp_path / "lite.db") in refused(flow, "--port", 0, "--store", store)


def test_one_file_with_two_blueprints_of_a_name_is_one_line(flow):
    flow.write_text(FLOW + "\n" + FLOW.replace("flow", "other"))
    text = refused(flow)
    assert re.match(rf"{re.escape(str(flow))}:\d+: blueprint 'greet': the name is taken by the one at ", text)


def test_a_store_that_cannot_be_written_is_one_line(flow, tmp_path):
    (tmp_path / "lite.db").mkdir()
    assert "is a folder: name a file in it" in refused(flow, "--port", 0, "--store", f"sqlite:///{tmp_path}/lite.db")
    (tmp_path / "file").write_text("")
    text = refused(flow, "--port", 0, "--store", f"sqlite:///{tmp_path}/file/lite.db")
    assert "choose another path" in text


def test_a_database_of_a_newer_version_is_one_line(flow, tmp_path):
    store = f"sqlite:///{tmp_path / 'lite.db'}"
    with serving(flow, "--port", 0, "--store", store) as (process, _, _):
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    with closing(sqlite3.connect(tmp_path / "lite.db")) as database:
        database.execute("PRAGMA user_version = 999")
    assert "upgrade avtomatika-sdk or choose another file" in refused(flow, "--port", 0, "--store", store)


def test_a_file_that_another_one_imports_is_served_once(flow, tmp_path):
    other = tmp_path / "other.py"
    other.write_text("from flow import flow\n")
    with serving(other, flow, "--port", 0) as (_, url, _):
        reply = httpx.post(f"{url}/api/v1/jobs/greet", json={"initial_data": {}}, headers=CLIENT, trust_env=False)
        assert reply.status_code == 202


def test_a_folder_is_served_file_by_file(tmp_path):
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "a_greet.py").write_text(FLOW)
    (folder / "b_other.py").write_text(
        FLOW.replace('"greet", api', '"other", api').replace("/jobs/greet", "/jobs/other")
    )
    (folder / "shared.py").write_text("x = 1\n")
    (folder / "_draft.py").write_text("raise RuntimeError('not to be run')\n")
    with serving(folder, "--port", 0) as (_, url, _):
        for endpoint in ("greet", "other"):
            reply = httpx.post(f"{url}/api/v1/jobs/{endpoint}", json={}, headers=CLIENT, trust_env=False)
            assert reply.status_code == 202


def test_a_folder_without_a_blueprint_is_one_line(tmp_path):
    (tmp_path / "shared.py").write_text("x = 1\n")
    assert "defines no blueprint" in refused(tmp_path)
