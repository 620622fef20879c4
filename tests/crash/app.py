"""What the crash tests run: jobs of one task and jobs of several, each run of a skill written down."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

from avtomatika_worker import Context, Worker, skill
from orchestrator_lite import Blueprint

HERE = Path(os.environ.get("CRASH_DIR", "."))
RUNS = HERE / "runs.txt"
GATE = HERE / "gate"

single = Blueprint("single", api_endpoint="/jobs/single")
several = Blueprint("several", api_endpoint="/jobs/several")


@single.handler(is_start=True)
async def start(initial_data, actions):
    actions.dispatch_task("work", params=initial_data, transitions={"success": "again"})


@single.handler("again")
async def again(initial_data, actions):
    actions.dispatch_task("work", params=initial_data, transitions={"success": "finished"})


@single.handler(is_end=True)
async def finished(n):
    return n


@several.handler("begin", is_start=True)
async def begin(initial_data, actions):
    tasks = [{"type": "work", "params": initial_data} for _ in range(3)]
    actions.dispatch_parallel(tasks, aggregate_into="gather")


@several.aggregator("gather")
async def gather(aggregation_results, state_history, actions):
    state_history["n"] = sum(item["data"]["n"] for item in aggregation_results.values())
    actions.go_to("finished")


@several.handler("finished", is_end=True)
async def done(n):
    return n


lineage = Blueprint("lineage", api_endpoint="/jobs/lineage")
agency = Blueprint("agency", api_endpoint="/jobs/agency")


@lineage.handler("run_single", is_start=True)
async def run_single(initial_data, actions):
    actions.run_blueprint("single", initial_data, transitions={"success": "run_several"})


@lineage.handler
async def run_several(initial_data, actions):
    actions.run_blueprint("several", initial_data, transitions={"success": "through"})


@lineage.handler(is_end=True)
async def through(n):
    return n


@agency.handler("hire", is_start=True)
async def hire(initial_data, actions):
    actions.dispatch_task("agent", params=initial_data, transitions={"success": "paid"})


@agency.handler(is_end=True)
async def paid(): ...


@skill
async def agent(params: dict, ctx: Context) -> dict:
    """Call `work` for each step and keep how far it is; its first attempt stops half way."""
    done = ctx.last_checkpoint or {"n": 0, "attempts": []}
    done["attempts"].append(ctx.attempt)
    for step in range(done["n"], params["steps"]):
        if ctx.attempt == 1 and step == params["stops_at"]:
            (HERE / "half_way").touch()
            await asyncio.Event().wait()
        await ctx.call("work", {"n": step})
        done["n"] = step + 1
        await ctx.checkpoint(done)
    return done


@skill
def work(params: dict, ctx: Context) -> dict:
    """Write down the run; a gated one waits for the gate to open."""
    note("start", ctx)
    if params.get("gated"):
        while not GATE.exists():
            threading.Event().wait(0.005)
    note("end", ctx)
    return {"n": params["n"]}


def note(what: str, ctx: Context) -> None:
    """One line, written whole."""
    with RUNS.open("a") as file:
        file.write(f"{what} {ctx.task_id} {ctx.attempt}\n")


worker = Worker("crash", worker_id="crash-1", skills=[work, agent], max_concurrent_tasks=8)
