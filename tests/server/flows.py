"""Blueprints that several test modules serve; each call makes a new one."""

from __future__ import annotations

import inspect
from typing import Any

from orchestrator_lite import Blueprint


def greet(name: str = "greet", **dispatch: Any) -> Blueprint:
    """One task of skill `greet`: success leads to `finished`, failure to `failed`."""
    flow = Blueprint(name, api_endpoint=f"/jobs/{name}")

    transitions = dispatch.pop("transitions", {"success": "finished", "failure": "failed"})

    @flow.handler(is_start=True)
    async def start(initial_data, actions):
        actions.dispatch_task("greet", params=initial_data, transitions=transitions, **dispatch)

    @flow.handler(is_end=True)
    async def finished(): ...

    @flow.handler(is_end=True)
    async def failed(): ...

    return flow


def bare(name: str = "bare", **dispatch: Any) -> Blueprint:
    """One task of skill `greet` with a transition for success only."""
    return greet(name, **{"transitions": {"success": "finished"}, **dispatch})


def fan(name: str = "fan", branches: int = 3) -> Blueprint:
    """Tasks of skill `greet` side by side; the aggregator gathers their data."""
    flow = Blueprint(name, api_endpoint=f"/jobs/{name}")

    @flow.handler(is_start=True)
    async def start(initial_data, actions):
        count = initial_data.get("branches", branches)
        tasks = [{"type": "greet", "params": {"n": n}} for n in range(count)]
        actions.dispatch_parallel(tasks, aggregate_into="gather")

    @flow.aggregator
    async def gather(aggregation_results, actions):
        actions.go_to("finished")
        return [[answer["status"], answer["data"]] for answer in aggregation_results.values()]

    @flow.handler(is_end=True)
    async def finished(): ...

    return flow


def ending(flow: Blueprint, *states: str) -> Blueprint:
    """The flow with these end states."""
    for state in states:
        flow.handler(state, is_end=True)(nothing)
    return flow


async def nothing() -> None: ...


def line() -> int:
    """The line this is called on."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno
