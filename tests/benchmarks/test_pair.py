"""`python -m benchmarks pair`: its load generators, its table, and one real round of ours."""

from __future__ import annotations

import argparse
import asyncio
import io
import json

import pytest

from benchmarks import _load, pair
from benchmarks._line_ups import CLIENT_TOKEN, line_ups
from benchmarks._load import Plan
from benchmarks._processes import BenchmarkError
from tests.conftest import run

PLAN = Plan(url="http://127.0.0.1", client_token=CLIENT_TOKEN, jobs=30, in_flight=10, warm_up=5, latency_jobs=5)


def test_a_load_generator_runs_every_job_once_and_counts_the_good_ones(monkeypatch, capsys):
    started: list[int] = []
    most = 0
    running = 0

    async def job(number: int) -> bool:
        nonlocal most, running
        started.append(number)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)  # noqa: TID251 - lets the other lanes run; no time passes
        running -= 1
        return number % 3 != 0

    monkeypatch.setattr("sys.stdin", io.StringIO("go\ngo\n"))
    run(_load.run(PLAN, throughput=job, latency=job, clock=lambda: 0.0))
    warm, loaded, idle = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (warm["phase"], loaded["phase"], idle["phase"]) == ("warm", "loaded", "idle")
    assert sorted(started) == sorted([*range(5), *range(30), *range(5)])
    assert loaded["finished"] == 20
    assert len(loaded["latencies"]) == 30
    assert most == PLAN.in_flight


def test_a_plan_survives_the_command_line():
    assert Plan.parse(PLAN.dump()) == PLAN


def test_the_table_compares_with_the_first_line_up():
    rounds = [
        pair.Round("official", 100, {"server": 1, "worker": 2, "load": 3}, 4, 5, 0),
        pair.Round("ours", 150, {"server": 0.5, "worker": 0.25, "load": 0.25}, 1, 2, 1),
        pair.Round("ours", 250, {"server": 0.5, "worker": 0.25, "load": 0.25}, 1, 2, 2),
    ]
    official, ours = pair.table(rounds).splitlines()[2:]
    assert official == "| official | 1 | 100 [100-100] | 1.00 | 6.00 | 1.00 | 2.00 | 3.00 | 4.00 | 5.00 | 0 |"
    assert ours == "| ours | 2 | 200 [150-250] | 2.00 | 1.00 | 0.50 | 0.25 | 0.25 | 1.00 | 2.00 | 3 |"


def test_a_real_round_of_ours_loses_nothing(tmp_path):
    (line_up,) = line_ups(["ours-process"], tmp_path)
    result = pair.play(line_up, PLAN)
    assert result.lost == 0
    assert result.jobs_s > 0
    assert set(result.cpu_ms) == {"server", "worker", "load"}


def test_a_process_that_ends_early_is_reported_with_its_last_words(tmp_path):
    (line_up,) = line_ups(["ours-memory"], tmp_path)
    broken = pair.LineUp(
        "broken", lambda _port, _scratch: line_up.worker("no-url", tmp_path), line_up.worker, line_up.load
    )
    with pytest.raises(BenchmarkError, match="server ended with code"):
        pair.play(broken, PLAN)


def test_an_unknown_line_up_is_refused(capsys):
    parser = argparse.ArgumentParser()
    pair.arguments(parser)
    assert pair.main(parser.parse_args(["nobody"])) == 2
    assert "no such line-up: nobody" in capsys.readouterr().err
