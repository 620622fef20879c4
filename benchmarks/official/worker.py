"""The official worker with one no-op skill and fifty slots; run by its own interpreter."""

from __future__ import annotations

import logging
import os

from avtomatika_worker import Worker

worker = Worker(worker_type="bench", max_concurrent_tasks=int(os.environ["BENCH_SLOTS"]))


@worker.skill("noop")
async def noop(params: dict, **_: object) -> dict:
    """Do nothing."""
    return {"status": "success", "data": {"i": params["i"]}}


logging.getLogger().setLevel(logging.WARNING)
worker.run()
