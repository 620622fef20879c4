"""The same no-op skill as `official/worker.py`, for our worker."""

from __future__ import annotations

import os

from avtomatika_worker import Worker, skill


@skill
async def noop(params: dict[str, int]) -> dict[str, int]:
    """Do nothing."""
    return {"i": params["i"]}


worker = Worker("bench", worker_id="bench-1", skills=[noop], max_concurrent_tasks=int(os.environ["BENCH_SLOTS"]))
