"""`python -m benchmarks budgets` fails when it should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.budgets import BUDGETS, BrokenPromiseError, Budget, check, client_import_ms

ROOT = Path(__file__).parents[2]


def test_the_command_passes_with_room_to_spare():
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "budgets", "--factor", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("ok   import avtomatika_client: ")


def test_the_best_of_seven_counts(capsys):
    figures = iter([9, 8, 7, 3, 7, 8, 9])
    assert check([Budget("x", 3, "ms", lambda: next(figures))], 1) == 0
    assert "3.0 ms, best of 7" in capsys.readouterr().out


def test_over_the_limit_fails_and_the_factor_gives_room(capsys):
    budget = Budget("x", 1, "ms", lambda: 2)
    assert check([budget], 1) == 1
    assert "OVER x" in capsys.readouterr().out
    assert check([budget], 3) == 0


def test_a_broken_promise_fails_at_any_speed(capsys):
    def broken() -> float:
        raise BrokenPromiseError("it loads httpx")

    assert check([Budget("x", 1000, "ms", broken)], 1000) == 1
    assert "it loads httpx" in capsys.readouterr().out


def test_the_limit_of_the_import_is_the_promised_one():
    assert [(budget.limit, budget.unit) for budget in BUDGETS if budget.measure is client_import_ms] == [(150, "ms")]
