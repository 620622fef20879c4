"""The shape of a measurement, the same for every load generator. Standard library only.

The generator announces each phase on standard output as one JSON line and, before the throughput phase, waits for a
line on standard input: the driver reads the processes' CPU clocks at exactly those two moments.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        url: The server.
        client_token: Its client token.
        jobs: Jobs of the throughput phase.
        in_flight: How many of them at once.
        warm_up: Jobs before it, not counted.
        latency_jobs: Jobs one after another on the idle system afterwards.
        poll_s: Pause between two polls in the throughput phase, in seconds (polling generators only).
        latency_poll_s: The same in the latency phase.
    """

    url: str
    client_token: str
    jobs: int
    in_flight: int
    warm_up: int
    latency_jobs: int
    poll_s: float = 0.05
    latency_poll_s: float = 0.0002

    def dump(self) -> str:
        """One JSON text, as `parse` takes it."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Plan:
        """The plan a driver wrote with `dump`."""
        return cls(**json.loads(text))


Job = Callable[[int], Awaitable[bool]]
Tick = Callable[[], float]


async def run(plan: Plan, *, throughput: Job, latency: Job, clock: Tick) -> None:
    """Warm up, wait for the word, run the throughput phase, then the latency phase; report each on stdout."""
    await _many(plan.warm_up, plan.in_flight, throughput, clock)
    _say("warm")
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    begin = clock()
    loaded, finished = await _many(plan.jobs, plan.in_flight, throughput, clock)
    _say("loaded", seconds=clock() - begin, finished=finished, latencies=loaded)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    idle, finished = await _many(plan.latency_jobs, 1, latency, clock)
    _say("idle", finished=finished, latencies=idle)


async def _many(count: int, in_flight: int, job: Job, clock: Tick) -> tuple[list[float], int]:
    numbers = iter(range(count))
    latencies: list[float] = []
    good: list[bool] = []

    async def lane() -> None:
        for number in numbers:
            begin = clock()
            good.append(await job(number))
            latencies.append(clock() - begin)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(lane())
    return latencies, sum(good)


def _say(phase: str, **facts: object) -> None:
    print(json.dumps({"phase": phase, **facts}), flush=True)
