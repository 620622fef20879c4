"""What of a job is shown: all, what release 1.0b30 shows, or some fields."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator_lite import Blueprint
from tests._support.house import House, serving
from tests.conftest import run
from tests.server.flows import bare, greet


async def answered(house: House, data: Any, endpoint: str = "/jobs/greet") -> str:
    """A job whose only task was answered with `data`."""
    job_id = await house.create(endpoint)
    worker = await house.registered("w1", "greet")
    await worker.answer(await worker.task(), data=data)
    await house.ended(job_id)
    return job_id


def test_compact_is_what_the_release_shows():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            known = {"id": job_id, "blueprint_name": "greet"}
            assert await house.job(job_id, view="compact") == {**known, "status": "waiting_for_worker", "step": 1}
            worker = await house.registered("w1", "greet")
            await worker.answer(await worker.task(), data={"output": "hello", "n": 5})
            compact = await house.job(job_id, view="compact", wait=20)
            assert compact == {**known, "status": "finished", "step": 2, "result": 5}  # what was left last
            assert (await house.job(job_id))["result"] == {"output": "hello", "n": 5}

    run(body())


def test_compacts_result_is_what_was_left_under_the_end_states_name():
    flow = Blueprint("named", api_endpoint="/jobs/named")

    @flow.handler(is_start=True)
    async def start(state_history, actions):
        state_history["finished"] = {"a": 1}
        state_history["later"] = 2
        actions.go_to("finished")

    @flow.handler(is_end=True)
    async def finished():
        return "returned"

    async def body():
        async with serving(flow) as house:
            job_id = await house.create("/jobs/named", max_transitions=7)
            compact = await house.job(job_id, view="compact", wait=20)
            assert (compact["result"], compact["max_transitions"]) == ({"a": 1}, 7)
            assert (await house.job(job_id))["result"] == "returned"

    run(body())


def test_compact_has_no_result_where_nothing_was_left():
    async def body():
        async with serving(bare()) as house:
            job_id = await answered(house, None, "/jobs/bare")
            assert await house.job(job_id, view="compact") == {
                "id": job_id,
                "blueprint_name": "bare",
                "status": "finished",
                "step": 2,
            }

    run(body())


@pytest.mark.parametrize("wait", [{}, {"wait": 0.01}])
def test_fields_are_picked_and_the_id_comes_always(wait):
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet", {"a": 1})
            for fields, keys in (
                ("status,initial_data", {"id", "status", "initial_data"}),
                (" status , initial_data ,", {"id", "status", "initial_data"}),
                ("no_such,status", {"id", "status"}),
                ("no_such", {"id"}),
            ):
                assert (await house.job(job_id, fields=fields, **wait)).keys() == keys
            whole = await house.job(job_id)
            assert await house.job(job_id, fields="") == whole
            some = await house.job(job_id, view="compact", fields="status,initial_data", **wait)
            assert some == {"id": job_id, "status": "waiting_for_worker"}

    run(body())


@pytest.mark.parametrize("view", ["", "Full", "all"])
def test_a_view_that_there_is_not_is_a_400(view):
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            reply = await house.api("GET", f"/jobs/{job_id}", params={"view": view})
            assert (reply.status_code, reply.json()) == (400, {"error": "view: must be full or compact"})

    run(body())
