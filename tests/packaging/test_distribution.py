"""Wheel and sdist: what they hold and what they say about themselves."""

from __future__ import annotations

import configparser
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).parents[2]

PACKAGES = ("avtomatika_client", "avtomatika_worker", "orchestrator_lite")


def _names(built):
    with zipfile.ZipFile(built.wheel) as wheel:
        return set(wheel.namelist())


def _contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _info(built, file):
    with zipfile.ZipFile(built.wheel) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(f".dist-info/{file}"))
        return wheel.read(name).decode()


def test_wheel_holds_the_three_packages_and_nothing_else(built):
    top = {name.partition("/")[0] for name in _names(built)}
    assert {name for name in top if not name.endswith(".dist-info")} == set(PACKAGES)


def test_every_package_is_marked_as_typed(built):
    assert {f"{package}/py.typed" for package in PACKAGES} <= _names(built)


def test_wheel_carries_the_demos_files_and_no_leftovers(built):
    names = _names(built)
    assert {f"orchestrator_lite/dev/demo/wordcount/{name}.py" for name in ("blueprint", "skills", "client")} <= names
    assert not [name for name in names if name.endswith((".pyc", ".db", ".log")) or "__pycache__" in name]


def test_wheel_carries_every_file_of_the_packages(built):
    wanted = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {f"{package}/py.typed" for package in PACKAGES} <= wanted
    assert sorted(wanted - _names(built)) == []


def test_the_checkout_builds_the_same_wheel_as_the_sdist(built, tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert _contents(next(tmp_path.glob("*.whl"))) == _contents(built.wheel)


def test_metadata_names_licence_python_and_extras(built):
    metadata = Parser().parsestr(_info(built, "METADATA"))
    assert metadata["Name"] == "avtomatika-sdk"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert {"all", "cli", "fast", "server", "test"} <= set(metadata.get_all("Provides-Extra"))


def test_console_scripts_are_ours_alone(built):
    scripts = configparser.ConfigParser()
    scripts.read_string(_info(built, "entry_points.txt"))
    assert set(scripts["console_scripts"]) == {"avtomatika", "avtomatika-worker", "orchestrator-lite"}


def test_pytest_finds_the_plugin_by_itself(built):
    plugins = configparser.ConfigParser()
    plugins.read_string(_info(built, "entry_points.txt"))
    assert dict(plugins["pytest11"]) == {"avtomatika": "orchestrator_lite.testing._plugin"}


def test_sdist_holds_what_testing_it_needs(built):
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"LICENSE", "README.md", "pyproject.toml", ".ci/run", "tests/conftest.py", "examples/greet/greet.py"}
    wanted |= {"mkdocs.yml", "docs/index.md", "docs/_tools/hooks.py", "CHANGELOG.md"}
    assert wanted <= names
    assert not [name for name in names if "__pycache__" in name]


def test_sniffio_comes_along(built):
    """Why: docs/explanation/decisions/sniffio.md."""
    required = Parser().parsestr(_info(built, "METADATA")).get_all("Requires-Dist")
    assert any(requirement.startswith("sniffio") for requirement in required)
