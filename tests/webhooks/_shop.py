"""A blueprint that ends as it is told to, and the way to what is reported of it."""

from __future__ import annotations

from orchestrator_lite import Blueprint


def flow(name: str = "shop") -> Blueprint:
    made = Blueprint(name, api_endpoint=f"/jobs/{name}")

    @made.handler(is_start=True)
    async def start(initial_data, actions, state_history):
        if "fail" in initial_data:
            raise ValueError(initial_data["fail"])
        state_history["seen"] = 1
        actions.go_to(initial_data.get("to", "finished"))

    @made.handler(is_end=True)
    async def finished(initial_data):
        return initial_data.get("return", {"sum": 3})

    @made.handler(is_end=True)
    async def failed(): ...

    @made.handler(is_end=True)
    async def cancelled(): ...

    @made.handler(is_end=True)
    async def quarantined(): ...

    return made


async def settled(orchestrator, job, **wanted):
    """The delivery of a job once it is as wanted."""
    for _ in range(200):
        rows = await orchestrator._site.core.store.outgoing_of("dev", job_id=job.id)
        if rows and all(getattr(rows[0], name) == value for name, value in wanted.items()):
            return rows[0]
        await orchestrator.clock.advance(1)
    raise AssertionError(rows)
