"""The distribution, built once."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.packaging._venv import Venv

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Built:
    """The two files a release consists of; the wheel was built from the sdist."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Built:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Built(next(out.glob("*.tar.gz")), next(out.glob("*.whl")))


@pytest.fixture(scope="session")
def installed(built, tmp_path_factory) -> Venv:
    """The wheel with all its extras, offline."""
    venv = Venv(tmp_path_factory.mktemp("installed"))
    venv.install(built.wheel)
    venv.borrow_dependencies()
    venv.go_offline()
    return venv


@pytest.fixture
def venv(tmp_path) -> Venv:
    """An empty environment of the test's own."""
    return Venv(tmp_path / "venv")


@pytest.fixture(scope="session")
def official_wheel(tmp_path_factory) -> Path:
    """A stand-in for the official worker: its distribution name, its import name."""
    wheel = tmp_path_factory.mktemp("official") / "avtomatika_worker-1.0b20-py3-none-any.whl"
    info = "avtomatika_worker-1.0b20.dist-info"
    files = {
        "avtomatika_worker/__init__.py": "OFFICIAL = True\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: avtomatika-worker\nVersion: 1.0b20\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{name},sha256={_digest(text)},{len(text)}" for name, text in files.items()]
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")
    return wheel


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
