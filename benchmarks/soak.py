"""`python -m benchmarks soak`: whether server and worker grow with the jobs that have passed through them."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._line_ups import CLIENT_TOKEN, KNOWN, LineUp, Side, line_ups, scratch_folder
from benchmarks._load import Plan
from benchmarks._processes import Process, free_port, running, wait_until

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

PARTS = 10
"""How often it is looked."""

BOUND = 16 * 1024
"""KiB that a process may grow by from the third look, when its caches are full, to the last."""

WARM = 3


def soak(line_up: LineUp, jobs: int) -> Iterator[dict[str, int]]:
    """KiB of memory that server and worker have, after each tenth of `jobs`.

    Raises:
        BenchmarkError: A process ended early, or jobs were lost.
    """
    part = jobs // PARTS
    plan = Plan(url="http://127.0.0.1", client_token=CLIENT_TOKEN, jobs=part, in_flight=50, warm_up=1, latency_jobs=1)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(scratch_folder()))
        port = free_port()
        server = _start(stack, "server", line_up.server(port, scratch), scratch)
        wait_until(f"{plan.url}:{port}/_public/status", {}, "the server", [server])
        plan = replace(plan, url=f"{plan.url}:{port}")
        worker = _start(stack, "worker", line_up.worker(plan.url, scratch), scratch)
        token = {"X-Client-Token": plan.client_token}
        wait_until(f"{plan.url}/api/v1/workers", token, "the worker's registration", [server, worker])
        for _ in range(PARTS):
            with ExitStack() as of_part:
                load = _start(of_part, "load", line_up.load(plan), scratch, talks=True)
                _one_part(load, part)
            yield {process.name: _resident(process) for process in (server, worker)}


def _one_part(load: Process, jobs: int) -> None:
    load.hear("warm")
    load.say()
    finished = load.hear("loaded")["finished"]
    if finished != jobs:
        raise load.failure(f"saw {finished} of {jobs} jobs finish")
    load.say()
    load.hear("idle")


def _start(stack: ExitStack, name: str, side: Side, scratch: Path, *, talks: bool = False) -> Process:
    return stack.enter_context(running(stack, name, side.command, side.env, scratch, talks=talks))


def _resident(process: Process) -> int:
    """KiB of the process that are in memory."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{process.popen.pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("line_up", nargs="?", default="ours-process", choices=sorted(KNOWN), help="who plays")
    parser.add_argument("--jobs", type=int, default=100_000, help="jobs in all (default: %(default)s)")
    parser.add_argument("--bound", type=int, default=BOUND, help="KiB a process may grow by (default: %(default)s)")
    parser.add_argument("--envs", type=Path, default=Path.home() / ".cache/avtomatika-sdk-benchmarks")


def main(options: argparse.Namespace) -> int:
    """Let the jobs pass; 1 when a process has grown by more than it may."""
    (line_up,) = line_ups([options.line_up], options.envs)
    looks = []
    for number, look in enumerate(soak(line_up, options.jobs), 1):
        looks.append(look)
        told = ", ".join(f"{name} {size:,} KiB" for name, size in look.items())
        print(f"{number * options.jobs // PARTS:,} jobs: {told}", file=sys.stderr)
    grown = {name: looks[-1][name] - looks[WARM - 1][name] for name in looks[-1]}
    for name, more in grown.items():
        print(f"{name}: {more:+,} KiB over {options.jobs * (PARTS - WARM) // PARTS:,} jobs")
    return int(max(grown.values()) > options.bound)
