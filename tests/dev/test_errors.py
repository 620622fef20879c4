"""What is wrong is a line or two that say where; the next save is waited for, or the command ends."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
from copy import copy

import pytest

from avtomatika_client import APIConnectionError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.dev.develop._supervisor import QUICK_SECONDS
from tests.dev.conftest import app, until
from tests.dev.test_reload import RELOADED, greeting

TWICE = f"""{app()}
again = Blueprint("greet", api_endpoint="/jobs/again")

@again.handler(is_start=True, is_end=True)
async def only(): ...
"""
NOWHERE = app().replace('"finished"}', '"nowhere"}')
BROKEN = [
    pytest.param("x = 1\ndef broken(:\n", r"^app\.py:2: SyntaxError: ", id="syntax"),
    pytest.param(app() + "\n\n1 / 0\n", r"^app\.py:\d+: ZeroDivisionError: division by zero$", id="exception"),
    pytest.param("import nowhere_at_all\n", r"^app\.py:1: ModuleNotFoundError: .*'nowhere_at_all'", id="import"),
    pytest.param("import sys\nsys.exit('enough')\n", r"^app\.py:2: SystemExit: enough", id="exit"),
    pytest.param(app() + "\nworker.run()\n", r'^app\.py:\d+: .*__name__ == "__main__"', id="run"),
    pytest.param("import os\nos._exit(3)\n", r"process ended with code 3 while it loaded the files", id="death"),
    pytest.param("x = 1\n", r"^app\.py defines no blueprint: expected something like ", id="no blueprint"),
    pytest.param(TWICE, r"^app\.py:\d+: blueprint 'greet': the name is taken by the one at app\.py:\d+", id="twice"),
    pytest.param(NOWHERE, r"^app\.py:9: .*'nowhere', which has no handler", id="state"),
    pytest.param(app().replace("(name: str)", "(name: 'Nothing')"), r"^app\.py:\d+: .*'Nothing'.*", id="skill's hint"),
    pytest.param(app().replace("[greet]", "[print]"), r"^app\.py:\d+: .*print.* is no skill", id="no skill"),
]


def problem(dev, pattern):
    """The lines that tell what is wrong: two, without a traceback."""
    dev.says(pattern)
    dev.says("waiting for the next save")
    assert "Traceback" not in dev.text


@pytest.mark.parametrize(("source", "pattern"), BROKEN)
def test_a_file_with_an_error_shows_it_and_waits_for_the_next_save(dev, source, pattern):
    dev.save(source)
    dev.start()
    problem(dev, pattern)
    assert len(dev.lines) == 2
    assert "nothing is served" in dev.lines[1]
    until(lambda: len(dev.processes()) == 1, "the end of what could not load")
    dev.save(app())
    with dev.client() as client:
        assert greeting(client) == "Hello, Ada!"
        said = len(dev.lines)
        dev.save(source)
        until(lambda: len(dev.lines) >= said + 2)
        problem(dev, pattern)
        assert "the last version that worked is still served" in dev.lines[-1]
        assert greeting(client) == "Hello, Ada!"
        dev.save(app("Howdy"))
        dev.says(RELOADED)
        assert greeting(client) == "Howdy, Ada!"


def test_an_error_in_a_helper_names_the_helper(dev):
    dev.save("x = 1\n\n1 / 0\n", "helper.py")
    dev.save("import helper\n" + app())
    dev.start()
    problem(dev, r"^helper\.py:3: ZeroDivisionError")
    dev.save("x = 1\n", "helper.py")
    dev.url()


def test_a_missing_helper_that_appears_is_loaded(dev):
    dev.save("import helper\n" + app())
    dev.start()
    problem(dev, r"^app\.py:1: ModuleNotFoundError")
    dev.save("x = 1\n", "helper.py")
    dev.url()


def test_nobody_is_left_waiting_while_nothing_is_served(dev):
    dev.save("1 / 0\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    dev.start(port=port)
    dev.says("waiting for the next save")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_two_files_may_be_one_with_blueprints_and_one_with_workers(dev):
    flow, rest = app().split("@skill")
    dev.save(flow, "flows.py")
    dev.save("from flows import flow\nfrom avtomatika_worker import Worker, skill\n@skill" + rest, "skills.py")
    dev.start(files=("flows.py", "skills.py"))
    with dev.client() as client:
        assert greeting(client) == "Hello, Ada!"


def test_two_files_with_blueprints_of_one_name_are_an_error(dev):
    dev.save(app(), "other.py")
    dev.start(files=("app.py", "other.py"))
    problem(dev, r"^other\.py:5: blueprint 'greet': the name is taken by the one at app\.py:5")


def test_a_file_named_like_a_module_of_pythons_own_is_an_error(dev):
    dev.save(app(), "queue.py")
    dev.start(files=("queue.py",))
    problem(dev, r"^queue\.py is named like Python's own module 'queue': rename the file$")


def test_a_helper_named_like_a_module_of_pythons_own_replaces_nothing(dev):
    dev.save("raise SystemExit\n", "queue.py")
    dev.save("raise SystemExit\n", "json.py")
    with dev.start().client() as client:
        assert greeting(client) == "Hello, Ada!"


def test_files_of_one_name_in_two_folders_are_two_modules(dev):
    flow, rest = app().split("@skill")
    for folder, text in (("flows", flow), ("skills", "from avtomatika_worker import Worker, skill\n@skill" + rest)):
        (dev.folder / folder).mkdir()
        dev.save(text, f"{folder}/main.py")
    dev.start(files=("flows/main.py", "skills/main.py"))
    with dev.client() as client:
        assert greeting(client) == "Hello, Ada!"
    assert "Saving flows/main.py, skills/main.py or" in dev.text


def test_a_file_of_a_package_may_import_relatively_and_its_package_is_watched(dev):
    (dev.folder / "shop" / "words").mkdir(parents=True)
    dev.save("", "shop/__init__.py")
    dev.save("", "shop/words/__init__.py")
    dev.save("WORD = 'Hello'\n", "shop/texts.py")
    dev.save("from ..texts import WORD\n" + app("{WORD}"), "shop/words/app.py")
    with dev.start(files=("shop/words/app.py",)).client() as client:
        assert greeting(client) == "Hello, Ada!"
        dev.save("WORD = 'Howdy'\n", "shop/texts.py")
        dev.says(RELOADED)
        assert greeting(client) == "Howdy, Ada!"


def test_a_server_that_dies_while_the_files_are_broken_is_told_once_and_leaves_nobody_waiting(dev):
    with dev.start().client() as client:
        assert greeting(client) == "Hello, Ada!"
        dev.save("def broken(:\n")
        problem(dev, r"SyntaxError")
        SYSTEM_CLOCK.sleep_blocking(QUICK_SECONDS)  # the least that a process has run which is started again
        os.kill(dev.pid_of("_server_process"), signal.SIGKILL)
        dev.says(r"the server process was ended by SIGKILL; starting it again")
        dev.says(r"nothing is served; waiting for the next save")
        with pytest.raises(APIConnectionError):
            client.status()
        dev.save(app("Howdy"))
        dev.says(RELOADED)
        assert greeting(client) == "Howdy, Ada!"
    assert dev.text.count("SIGKILL") == 1


def refused(dev, *arguments, files=("app.py",), port=0):
    """The one line that the command ends with."""
    dev.start(*arguments, files=files, port=port)
    assert dev.ends() == 2, dev.text
    (line,) = dev.lines
    assert line.startswith("orchestrator-lite: ")
    assert dev.processes() == []
    assert list(dev.temporary.iterdir()) == []
    return line


@pytest.mark.parametrize(("name", "words"), [("nowhere.py", "nowhere.py: no such file"), (".", ". is a folder: name")])
def test_a_file_that_is_not_there_is_one_line(dev, name, words):
    assert words in refused(dev, files=(name,))


def test_a_port_in_use_is_one_line(dev):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(dev, port=port)
    assert f"cannot listen on 127.0.0.1:{port}" in line
    assert "--port" in line


def test_a_store_in_a_folder_that_does_not_exist_is_one_line(dev):
    assert "create it or choose another path" in refused(dev, "--store", "sqlite:///nowhere/dev.db")


def test_a_place_for_the_store_that_cannot_be_written_is_one_line(dev):
    (dev.folder / ".orchestrator-lite").write_text("in the way")
    line = refused(dev)
    assert "--store" in line
    assert ".orchestrator-lite" in line


def test_a_database_of_a_newer_version_is_one_line(dev):
    dev.start("--store", "sqlite:///lite.db").url()
    assert dev.stop() == 0
    with sqlite3.connect(dev.folder / "lite.db") as database:
        database.execute("PRAGMA user_version = 999")
    database.close()
    assert "upgrade avtomatika-sdk or choose another file" in refused(dev, "--store", "sqlite:///lite.db")


def test_the_store_of_another_session_is_one_line(dev):
    dev.start().url()
    other = copy(dev).start()
    assert other.ends() == 2
    (line,) = other.lines
    assert "in use by another process" in line
    other.close_pipe()
    assert dev.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--store", "redis://:password@host"), "redis"),
        (("--host", "0.0.0.0"), "ORCHESTRATOR_LITE_CLIENT_TOKEN"),
        (("--host", "192.0.2.1"), "cannot listen on 192.0.2.1"),
    ],
)
def test_an_option_that_makes_no_sense_is_one_line(dev, arguments, words):
    line = refused(dev, *arguments)
    assert words in line
    assert "password" not in line


def test_a_port_that_is_none_is_one_line(dev):
    assert "port" in refused(dev, port=70000)
