"""A load generator over our own async client; speaks the line protocol of `_load.py`."""

from __future__ import annotations

import asyncio
import sys
import time

import _load  # beside this file, which is run as a script

from avtomatika_client import AsyncClient, JobFailed


async def one_job(client: AsyncClient, number: int) -> bool:
    """Submit a job and wait for its result; whether it finished."""
    job = await client.jobs.submit("noop", {"i": number})
    try:
        result = await job.result(timeout=60)
    except JobFailed:
        return False
    return result == {"i": number}


async def main() -> None:
    """Run the plan given on the command line."""
    plan = _load.Plan.parse(sys.argv[1])
    async with AsyncClient(plan.url, client_token=plan.client_token) as client:

        async def job(number: int) -> bool:
            return await one_job(client, number)

        await _load.run(plan, throughput=job, latency=job, clock=time.perf_counter)


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
