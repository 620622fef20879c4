"""The options `--slow` and `--no-skips` of this suite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _pytest(folder: Path, body: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(f"import pytest\n{body}")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests._support.gate", "-p", "no:cacheprovider", "-q", *options]
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    return subprocess.run(
        command, cwd=folder, env={**env, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )


SKIPPED_TEST = "def test_one():\n    pytest.skip('no such thing here')\n"
SKIPPED_MODULE = "pytest.skip('no such thing here', allow_module_level=True)\n"
XFAILED = "@pytest.mark.xfail\ndef test_one():\n    assert False\n"
SLOW = "@pytest.mark.slow\ndef test_one():\n    assert False\ndef test_two(): pass\n"


def test_a_skip_passes_normally(tmp_path):
    assert _pytest(tmp_path, SKIPPED_TEST).returncode == 0


def test_a_skipped_test_fails_under_no_skips(tmp_path):
    run = _pytest(tmp_path, SKIPPED_TEST, "--no-skips")
    assert run.returncode == 1
    assert "no such thing here" in run.stdout


def test_a_skipped_module_fails_under_no_skips(tmp_path):
    run = _pytest(tmp_path, SKIPPED_MODULE, "--no-skips")
    assert run.returncode != 0
    assert "no such thing here" in run.stdout


def test_an_expected_failure_is_no_skip(tmp_path):
    assert _pytest(tmp_path, XFAILED, "--no-skips").returncode == 0


def test_slow_tests_are_left_out_and_are_no_skips(tmp_path):
    run = _pytest(tmp_path, SLOW, "--no-skips")
    assert run.returncode == 0
    assert "1 passed, 1 deselected" in run.stdout


def test_slow_tests_run_when_asked_for(tmp_path):
    assert _pytest(tmp_path, SLOW, "--slow").returncode == 1
