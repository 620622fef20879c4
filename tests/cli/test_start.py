"""The command explains itself, and starts at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

import avtomatika_client
from tests.cli._command import piped
from tests.conftest import run

# Not pydantic: typer itself loads it for some options.
HEAVY = ["httpx", "httpcore", "rich", "tenacity", "websockets", "anyio", "avtomatika_worker"]
HELP = """
import sys
from avtomatika_client._cli import main
sys.argv[1:] = {words}
try: main()
except SystemExit: pass
"""


@pytest.mark.parametrize("words", [(), ("jobs",), ("jobs", "submit"), ("jobs", "list"), ("workers",), ("status",)])
def test_every_command_has_its_help(words):
    done = run(piped(None, *words, "--help"))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: {' '.join(('avtomatika', *words))}")


def test_the_help_tells_exit_codes_and_environment():
    done = run(piped(None, "--help"))
    assert all(f"\n    {code} " in done.out for code in (0, 1, 2, 3, 4, 5, 6, 130))
    assert all(name in done.out for name in ("AVTOMATIKA_URL", "AVTOMATIKA_CLIENT_TOKEN", "NO_COLOR"))


@pytest.mark.parametrize("words", [(), ("jobs",)])
def test_without_a_command_the_help_is_shown_and_the_exit_code_is_2(words):
    done = run(piped(None, *words))
    assert (done.code, done.out) == (2, "")
    assert "Usage: avtomatika" in done.err


def test_the_version_is_told():
    assert run(piped(None, "--version")).out == f"avtomatika {avtomatika_client.__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["jobs", "submit", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(words):
    code = HELP.format(words=words) + f"print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
