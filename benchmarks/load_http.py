"""A load generator that polls, over aiohttp: what a user of the official orchestrator writes, there being no client.

Speaks the line protocol of `_load.py`. Needs aiohttp alone, so that it runs in the official packages' environment;
it can be pointed at any server.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import _load  # beside this file, which is run as a script
import aiohttp

FINAL = frozenset({"finished", "failed", "error", "quarantined", "cancelled"})


async def one_job(session: aiohttp.ClientSession, plan: _load.Plan, number: int, pause: float) -> bool:
    """Submit a job and poll every `pause` seconds until it has ended; whether it finished."""
    async with session.post(f"{plan.url}/api/v1/jobs/noop", json={"initial_data": {"i": number}}) as reply:
        reply.raise_for_status()
        job_id = (await reply.json())["job_id"]
    while True:
        async with session.get(f"{plan.url}/api/v1/jobs/{job_id}") as reply:
            reply.raise_for_status()
            status = json.loads(await reply.read())["status"]
        if status in FINAL:
            return status == "finished"
        await asyncio.sleep(pause)


async def main() -> None:
    """Run the plan given on the command line."""
    plan = _load.Plan.parse(sys.argv[1])
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"X-Client-Token": plan.client_token}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        await _load.run(
            plan,
            throughput=lambda number: one_job(session, plan, number, plan.poll_s),
            latency=lambda number: one_job(session, plan, number, plan.latency_poll_s),
            clock=time.perf_counter,
        )


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
