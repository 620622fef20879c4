"""`python -m benchmarks pair`: the official pair and ours, interleaved in one run."""

from __future__ import annotations

import json
import platform
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

from benchmarks import _envs
from benchmarks._line_ups import CLIENT_TOKEN, KNOWN, LineUp, Side, line_ups, scratch_folder
from benchmarks._load import Plan
from benchmarks._processes import BenchmarkError, Process, free_port, running, wait_until

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


@dataclass(frozen=True)
class Round:
    """What one round of one line-up gave.

    Attributes:
        jobs_s: Jobs a second, from the first submission until the last job is known to have ended.
        cpu_ms: Milliseconds of CPU per job, by process.
        p50_ms: Submission until known finished, jobs one after another on the idle system; median.
        p95_ms: The same, 95th percentile.
        lost: Jobs that did not finish.
    """

    line_up: str
    jobs_s: float
    cpu_ms: dict[str, float]
    p50_ms: float
    p95_ms: float
    lost: int

    @property
    def cpu_ms_all(self) -> float:
        """Milliseconds of CPU per job, all processes."""
        return sum(self.cpu_ms.values())


def play(line_up: LineUp, plan: Plan) -> Round:
    """One round: fresh server, worker and load generator, a warm-up, the throughput phase, the latency phase.

    Raises:
        BenchmarkError: A process ended early or never got ready.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(scratch_folder()))
        port = free_port()
        server = _start(stack, "server", line_up.server(port, scratch), scratch)
        wait_until(f"{plan.url}:{port}/_public/status", {}, "the server", [server])
        plan = Plan(**{**vars(plan), "url": f"{plan.url}:{port}"})
        worker = _start(stack, "worker", line_up.worker(plan.url, scratch), scratch)
        token = {"X-Client-Token": plan.client_token}
        wait_until(f"{plan.url}/api/v1/workers", token, "the worker's registration", [server, worker])
        load = _start(stack, "load", line_up.load(plan), scratch, talks=True)
        return _measure(line_up.name, plan, [server, worker, load])


def _start(stack: ExitStack, name: str, side: Side, scratch: Path, *, talks: bool = False) -> Process:
    return stack.enter_context(running(stack, name, side.command, side.env, scratch, talks=talks))


def _measure(name: str, plan: Plan, processes: Sequence[Process]) -> Round:
    load = processes[-1]
    load.hear("warm")
    before = [process.cpu_s() for process in processes]
    load.say()
    loaded = load.hear("loaded")
    after = [process.cpu_s() for process in processes]
    load.say()
    idle = load.hear("idle")
    spent = {
        process.name: (end - begin) * 1000 / plan.jobs
        for process, begin, end in zip(processes, before, after, strict=True)
    }
    twentieths = quantiles(idle["latencies"], n=20)
    lost = plan.jobs - loaded["finished"] + plan.latency_jobs - idle["finished"]
    return Round(name, plan.jobs / loaded["seconds"], spent, twentieths[9] * 1000, twentieths[18] * 1000, lost)


def interleaved(players: Sequence[LineUp], plan: Plan, rounds: int) -> list[Round]:
    """`rounds` rounds of every line-up, each time in another order; says on standard error how far it is."""
    played: list[Round] = []
    for number in range(rounds):
        shift = number % len(players)
        for line_up in [*players[shift:], *players[:shift]]:
            result = play(line_up, plan)
            print(
                f"round {number + 1}/{rounds} {line_up.name}: {result.jobs_s:.0f} jobs/s, "
                f"{result.cpu_ms_all:.2f} ms CPU/job, p50 {result.p50_ms:.2f} ms",
                file=sys.stderr,
            )
            played.append(result)
    return played


def table(played: Sequence[Round]) -> str:
    """The medians as a Markdown table; the first line-up is what the others are compared with."""
    names = list(dict.fromkeys(result.line_up for result in played))
    base = _middle(played, names[0], "jobs_s")
    lines = [
        "| line-up | rounds | jobs/s [min-max] | × | CPU ms/job | server | worker | load | p50 ms | p95 ms | lost |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        mine = [result for result in played if result.line_up == name]
        speeds = [result.jobs_s for result in mine]
        cpu = [median(result.cpu_ms[part] for result in mine) for part in ("server", "worker", "load")]
        lines.append(
            f"| {name} | {len(mine)} | {median(speeds):.0f} [{min(speeds):.0f}-{max(speeds):.0f}] "
            f"| {median(speeds) / base:.2f} | {_middle(mine, name, 'cpu_ms_all'):.2f} "
            f"| {cpu[0]:.2f} | {cpu[1]:.2f} | {cpu[2]:.2f} "
            f"| {_middle(mine, name, 'p50_ms'):.2f} | {_middle(mine, name, 'p95_ms'):.2f} "
            f"| {sum(result.lost for result in mine)} |"
        )
    return "\n".join(lines)


def _middle(played: Sequence[Round], name: str, column: str) -> float:
    return median(getattr(result, column) for result in played if result.line_up == name)


def _write(path: Path, plan: Plan, played: Sequence[Round]) -> None:
    facts = {
        "machine": {"system": platform.platform(), "python": platform.python_version()},
        "plan": {name: value for name, value in vars(plan).items() if name not in ("url", "client_token")},
        "rounds": [{**vars(result), "cpu_ms_all": result.cpu_ms_all} for result in played],
    }
    path.write_text(json.dumps(facts, indent=2) + "\n")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("line_up", nargs="*", metavar="LINE_UP", help=f"default: official ours; of {', '.join(KNOWN)}")
    parser.add_argument("--jobs", type=int, default=3000, help="jobs of the throughput phase (default 3000)")
    parser.add_argument("--in-flight", type=int, default=50, help="how many at once (default 50)")
    parser.add_argument("--warm-up", type=int, default=200, help="jobs before it (default 200)")
    parser.add_argument("--latency-jobs", type=int, default=200, help="jobs of the latency phase (default 200)")
    parser.add_argument("--rounds", type=int, default=4, help="rounds, each in another order (default 4)")
    parser.add_argument("--envs", type=Path, default=_envs.default_folder(), help="where the official packages live")
    parser.add_argument("--json", type=Path, help="write every round's figures there")


def main(options: argparse.Namespace) -> int:
    """Play, print the table; 1 when a line-up could not be measured, 2 for an unknown one."""
    names = options.line_up or ["official", "ours"]
    if unknown := [name for name in names if name not in KNOWN]:
        print(f"no such line-up: {', '.join(unknown)}; there are {', '.join(KNOWN)}", file=sys.stderr)
        return 2
    plan = Plan(
        url="http://127.0.0.1",
        client_token=CLIENT_TOKEN,
        jobs=options.jobs,
        in_flight=options.in_flight,
        warm_up=options.warm_up,
        latency_jobs=options.latency_jobs,
    )
    try:
        played = interleaved(line_ups(names, options.envs), plan, options.rounds)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(played))
    if options.json:
        _write(options.json, plan, played)
    return 0
