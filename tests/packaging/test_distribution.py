"""Wheel and sdist: what they hold and what they say about themselves."""

from __future__ import annotations

import configparser
import tarfile
import zipfile
from email.parser import Parser

PACKAGES = ("avtomatika_client", "avtomatika_worker", "orchestrator_lite")


def _names(built):
    with zipfile.ZipFile(built.wheel) as wheel:
        return set(wheel.namelist())


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
    assert {f"orchestrator_lite/dev/wordcount/{name}.py" for name in ("blueprint", "skills", "client")} <= names
    assert not [name for name in names if name.endswith((".pyc", ".db", ".log")) or "__pycache__" in name]


def test_metadata_names_licence_python_and_extras(built):
    metadata = Parser().parsestr(_info(built, "METADATA"))
    assert metadata["Name"] == "avtomatika-sdk"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert {"all", "cli", "fast", "server", "test"} <= set(metadata.get_all("Provides-Extra"))


def test_console_scripts_are_ours_alone(built):
    scripts = configparser.ConfigParser()
    scripts.read_string(_info(built, "entry_points.txt"))
    assert {"avtomatika-worker", "orchestrator-lite"} <= set(scripts["console_scripts"])


def test_sdist_holds_what_testing_it_needs(built):
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"LICENSE", "README.md", "pyproject.toml", ".ci/run", "tests/conftest.py", "examples/greet/greet.py"}
    assert wanted <= names
    assert not [name for name in names if "__pycache__" in name]


def test_sniffio_comes_along(built):
    """Why: docs/explanation/decisions/sniffio.md."""
    required = Parser().parsestr(_info(built, "METADATA")).get_all("Requires-Dist")
    assert any(requirement.startswith("sniffio") for requirement in required)
