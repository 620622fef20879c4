"""What the store costs: `python -m benchmarks.store`. On a shared machine only the CPU figures compare."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator_lite.store import Change, EventRow, JobRow, SqliteStore, TaskRef, TaskRow, Timer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Flow = Callable[[SqliteStore, str], Awaitable[None]]

IN_FLIGHT = 50
DOC, EVENT, PAYLOAD = bytes(700), bytes(250), bytes(180)
_numbers = count()


def name() -> str:
    """A job id that grows with time, as UUIDv7 do."""
    return f"{int(time.time() * 1000):012x}-{next(_numbers):023x}"


def step(job_id: str, version: int, status: str, **parts: Sequence[object]) -> Change:
    """A change with two history events."""
    row = JobRow(id=job_id, version=version, status=status, client="c", blueprint="b", created_at=0.0, doc=DOC)
    return Change(job=row, events=[EventRow(0, job_id, 0.0, EVENT)] * 2, **parts)  # type: ignore[arg-type]


def create(job_id: str, until: float | None = None) -> Change:
    """A new job with one task and a timer."""
    holder = None if until is None else "w"
    task = TaskRow(
        task_id=f"{job_id}-1",
        job_id=job_id,
        skill="s",
        priority=0.0,
        attempt=1,
        spent=False,
        payload=PAYLOAD,
        worker_id=holder,
        until=until,
    )
    return step(job_id, 1, "waiting", enqueue=[task], set_timers=[Timer(f"{job_id}-t", job_id, "t", time.time() + 60)])


def finish(job_id: str, task_id: str) -> Change:
    """The end of a job."""
    return step(job_id, 2, "finished", drop=[TaskRef(task_id, 1)], clear_timers=[f"{job_id}-t"])


async def with_its_lease(store: SqliteStore, job_id: str) -> None:
    """A job in two transitions: the lease is committed with the creation."""
    await store.commit(create(job_id, time.time() + 15))
    await store.commit(finish(job_id, f"{job_id}-1"))


async def with_a_poll(store: SqliteStore, job_id: str) -> None:
    """A job in three: a poll leases the task, any task."""
    await store.commit(create(job_id))
    (task,) = await store.lease("w", None, ["s"], time.time() + 15)
    await store.commit(finish(task.job_id, task.task_id))


async def throughput(store: SqliteStore, flow: Flow, transitions: int, jobs: int = 200) -> str:
    """Transitions a second and CPU of each, at `IN_FLIGHT` jobs in flight."""

    async def one_after_another() -> None:
        for _ in range(jobs):
            await flow(store, name())

    commits, cpu, wall = store.commits, time.process_time(), time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(IN_FLIGHT)))
    cpu, wall, total = time.process_time() - cpu, time.perf_counter() - wall, jobs * IN_FLIGHT * transitions
    each = total / (store.commits - commits)
    return f"{total / wall:8,.0f} transitions/s  {cpu / total * 1e6:4.0f} µs CPU each  {each:3.0f} to a COMMIT"


async def median(calls: int, call: Callable[[], Awaitable[object]]) -> float:
    """The median time of a call alone, in milliseconds."""
    times = []
    for _ in range(calls):
        begin = time.perf_counter()
        await call()
        times.append(time.perf_counter() - begin)
    return sorted(times)[calls // 2] * 1e3


async def measure(title: str, store: SqliteStore) -> None:
    """Print everything about one store."""
    await store.open()
    print(title)
    await throughput(store, with_its_lease, 2, jobs=20)
    print("  create+lease, finish   ", await throughput(store, with_its_lease, 2))
    print("  create, lease, finish  ", await throughput(store, with_a_poll, 3))
    print(f"  one commit alone         {await median(1000, lambda: store.commit(create(name(), 1e12))):.3f} ms")
    for backlog in (1_000, 50_000):
        missing = backlog - (await store.counts()).queued
        for _ in range(0, missing, 500):
            await asyncio.gather(*(store.commit(create(name())) for _ in range(500)))
        lease = await median(500, lambda: store.lease("w", None, ["s", "other"], 1e12))
        print(f"  one lease of {backlog:6,}      {lease:.3f} ms")
    await store.close()


def main() -> None:
    """Measure each kind of store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the files go for the time being (default: a temporary one)")
    with tempfile.TemporaryDirectory(dir=parser.parse_args().folder) as folder:
        asyncio.run(measure("file, power", SqliteStore(f"{folder}/power.db")))
        asyncio.run(measure("file, process", SqliteStore(f"{folder}/process.db", durability="process")))
    asyncio.run(measure("memory", SqliteStore(None)))
    asyncio.run(measure("memory, inline", SqliteStore(None, inline=True)))


if __name__ == "__main__":
    main()
