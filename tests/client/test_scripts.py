"""The console scripts, and the clash with the official worker, as a fresh interpreter sees them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

REPAIR = ("pip uninstall -y avtomatika-worker avtomatika-sdk", "pip install --force-reinstall 'avtomatika-sdk[all]'")


def python(code: str, *, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": path} if path else None
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)


def missing(module: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script whose command needs a module that is not installed."""
    return python(
        "import sys, types; from avtomatika_client import _scripts\n"
        f"sys.modules[{module!r}] = None\n"
        f"def main(): import {module}\n"
        "for name in ('avtomatika_worker._cli', 'orchestrator_lite._cli'):\n"
        "    sys.modules[name] = types.ModuleType(name); sys.modules[name].main = main\n"
        f"_scripts.{script}()"
    )


@pytest.mark.parametrize("folder", ["avtomatika_worker-1.0b20.dist-info", "avtomatika_worker-1.0b3.egg-info"])
@pytest.mark.parametrize("line", ["import avtomatika_client", "import avtomatika_client.protocol.headers"])
def test_the_official_worker_beside_us_is_one_clear_error(tmp_path, folder, line):
    (tmp_path / folder).mkdir()
    done = python(line, path=str(tmp_path))
    assert done.returncode == 1
    assert all(command in done.stderr for command in REPAIR)
    assert str(tmp_path / folder) in done.stderr


@pytest.mark.parametrize("script", ["worker", "orchestrator"])
def test_a_script_says_it_without_a_traceback(tmp_path, script):
    code = (
        f"import sys; from avtomatika_client import _scripts\nsys.path.append({str(tmp_path)!r})\n_scripts.{script}()"
    )
    (tmp_path / "avtomatika_worker-1.0b20.dist-info").mkdir()
    done = python(code)
    assert done.returncode == 2
    assert all(command in done.stderr for command in REPAIR)
    assert "Traceback" not in done.stderr


def test_our_own_metadata_and_strangers_are_no_clash(tmp_path):
    for folder in (
        "avtomatika_sdk-0.1.0.dist-info",
        "avtomatika_worker_tools-1.0.dist-info",
        "avtomatika_worker-notes",
    ):
        (tmp_path / folder).mkdir()
    assert python("import avtomatika_client", path=str(tmp_path)).returncode == 0


@pytest.mark.parametrize(
    ("module", "script", "extras"),
    [("typer", "worker", "cli"), ("typer", "orchestrator", "server,cli"), ("uvicorn", "orchestrator", "server,cli")],
)
def test_a_script_whose_extra_is_missing_says_which_in_one_line(module, script, extras):
    done = missing(module, script)
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().endswith(f"pip install 'avtomatika-sdk[{extras}]'")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_module_the_user_lacks_is_not_blamed_on_an_extra():
    done = missing("no_such_module_of_the_user", "worker")
    assert done.returncode == 1
    assert "no_such_module_of_the_user" in done.stderr
    assert "pip install" not in done.stderr


@pytest.mark.parametrize("script", ["worker", "orchestrator"])
def test_the_real_commands_are_behind_the_scripts(script):
    done = python(
        f"import sys; sys.argv = ['x', '--help']; from avtomatika_client import _scripts; _scripts.{script}()"
    )
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
