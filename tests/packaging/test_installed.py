"""The wheel, installed and used outside the checkout."""

from __future__ import annotations

import re
from collections import Counter

import pytest

PACKAGES = ("avtomatika_client", "avtomatika_worker", "orchestrator_lite")
HEAVY = {
    "avtomatika_client": {"httpx", "rich", "pydantic", "websockets", "avtomatika_worker", "orchestrator_lite"},
    "avtomatika_worker": {"httpx", "rich", "pydantic", "websockets", "orchestrator_lite"},
    "orchestrator_lite": {"httpx", "rich", "fastapi", "uvicorn", "avtomatika_worker"},
}


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_come_from_the_wheel(installed, package):
    run = installed.run("-c", f"import {package}; print({package}.__file__)")
    assert run.stdout.startswith(str(installed.site)), run.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_nothing_heavy(installed, package):
    code = f"import sys, {package}; print(*sorted(sys.modules.keys() & {HEAVY[package]!r}))"
    run = installed.run("-c", code)
    assert run.stdout.strip() == "", run.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_listed(installed, package):
    code = (
        f"import {package} as package\n"
        "assert sorted(package.__all__) == list(package.__all__), 'not in order'\n"
        "assert set(package.__all__) <= set(dir(package))\n"
        "for name in package.__all__: getattr(package, name)\n"
    )
    run = installed.run("-c", code)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_is_not_there_is_an_attribute_error(installed, package):
    run = installed.run("-c", f"import {package}; {package}.no_such_name")
    assert "AttributeError" in run.stderr


@pytest.mark.parametrize("script", ["avtomatika-worker", "orchestrator-lite"])
def test_console_scripts_explain_themselves(installed, script):
    run = installed.run("--help", script=script)
    assert run.returncode == 0, run.stderr
    assert "Usage" in run.stdout


@pytest.mark.parametrize("module", ["avtomatika_worker", "orchestrator_lite"])
def test_packages_run_as_modules_too(installed, module):
    run = installed.run("-m", module, "--help")
    assert run.returncode == 0, run.stderr
    assert "Usage" in run.stdout


def test_demo_runs_from_the_wheel(installed):
    text = "the cat and the dog and the bird\n" * 300
    (installed.outside / "pets.txt").write_text(text)
    run = installed.run("demo", "pets.txt", script="orchestrator-lite")
    assert run.returncode == 0, run.stderr
    printed = [tuple(line.split()) for line in run.stdout.splitlines()[1:]]
    assert printed == [(word, str(n)) for word, n in Counter(re.findall(r"\w+", text)).most_common(10)]


@pytest.mark.parametrize(
    ("script", "gone", "extra"),
    [
        ("avtomatika-worker", "typer", "avtomatika-sdk[cli]"),
        ("orchestrator-lite", "typer", "avtomatika-sdk[server,cli]"),
        ("orchestrator-lite", "fastapi", "avtomatika-sdk[server,cli]"),
        ("orchestrator-lite", "uvicorn", "avtomatika-sdk[server,cli]"),
    ],
)
def test_a_missing_extra_is_named_in_one_line(built, venv, script, gone, extra):
    venv.install(built.wheel)
    venv.borrow_dependencies()
    venv.forget(gone)
    (venv.outside / "app.py").write_text("from orchestrator_lite import Blueprint\n")
    arguments = ["--help"] if gone == "typer" else ["serve", "app.py", "--port", "0"]
    run = venv.run(*arguments, script=script)
    assert run.returncode == 2
    assert gone in run.stderr
    assert f"pip install '{extra}'" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1, run.stderr
