"""Held jobs over HTTP: created, released, cancelled, timed out, and kept so while the server is down."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator_lite import Blueprint
from tests._support.house import House, serving
from tests.conftest import run
from tests.server.flows import greet


def counting(ran: list[str]) -> Blueprint:
    """A blueprint that says when its start handler has run."""
    flow = Blueprint("counting", api_endpoint="/jobs/counting")

    @flow.handler(is_start=True, is_end=True)
    async def start(job_id):
        ran.append(job_id)
        return len(ran)

    return flow


async def release(house: House, job_id: str, status: int = 200) -> dict:
    reply = await house.api("POST", f"/jobs/{job_id}/release")
    assert reply.status_code == status, reply.text
    return reply.json()


def test_a_held_job_waits_until_it_is_released():
    async def body():
        ran: list[str] = []
        async with serving(counting(ran)) as house:
            job_id = await house.create("/jobs/counting", hold=True)
            await house.settled()
            job = await house.job(job_id)
            assert (job["status"], job["held"], ran) == ("pending", True, [])
            assert await release(house, job_id) == {"status": "released", "job_id": job_id}
            job = await house.ended(job_id)
            assert (job["status"], job["held"], job["result"], ran) == ("finished", False, 1, [job_id])
            kinds = await house.event_types(job_id)
            assert kinds == [
                *("job_created", "worker_event:held", "worker_event:released", "state_started", "job_completed"),
            ]

    run(body())


@pytest.mark.parametrize("path", ["/api/v1", "/api"])
def test_a_release_whose_answer_was_lost_is_asked_for_again(path):
    async def body():
        ran: list[str] = []
        async with serving(counting(ran)) as house:
            job_id = await house.create("/jobs/counting", hold=True)
            for _ in range(3):
                reply = await house.http.post(f"{path}/jobs/{job_id}/release", headers=house.client_headers)
                assert (reply.status_code, reply.json()["status"]) == (200, "released")
            assert ran == [job_id]

    run(body())


def test_releases_at_the_same_time_run_the_handler_once():
    async def body():
        ran: list[str] = []
        async with serving(counting(ran)) as house:
            job_id = await house.create("/jobs/counting", hold=True)
            await asyncio.gather(*(release(house, job_id) for _ in range(10)))
            assert (await house.ended(job_id))["status"] == "finished"
            assert ran == [job_id]
            assert (await house.event_types(job_id)).count("worker_event:released") == 1

    run(body())


def test_only_a_job_that_is_or_was_held_can_be_released():
    async def body():
        async with serving(greet()) as house:
            assert await release(house, "none", 404) == {"error": "Job not found"}
            job_id = await house.create("/jobs/greet")
            assert await release(house, job_id, 409) == {"error": "Job is not held"}
            await house.cancel(job_id)
            assert await release(house, job_id, 409) == {"error": "Job has ended"}

    run(body())


def test_a_held_job_is_cancelled_and_stays_so():
    async def body():
        ran: list[str] = []
        async with serving(counting(ran)) as house:
            job_id = await house.create("/jobs/counting", hold=True)
            assert await house.cancel(job_id) == "cancellation_request_accepted"
            job = await house.job(job_id)
            assert (job["status"], job["held"]) == ("cancelled", False)
            assert await release(house, job_id, 409) == {"error": "Job has ended"}
            assert ran == []

    run(body())


@pytest.mark.parametrize(("timeout", "words"), [("dispatch_timeout", "not released"), ("result_timeout", "in time")])
def test_a_job_that_is_never_released_fails_when_its_time_is_over(timeout, words):
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet", hold=True, **{timeout: 3600})
            house.clock.jump(3700)
            job = await house.ended(job_id)
            assert (job["status"], job["error"]["code"]) == ("failed", "TIMEOUT_ERROR")
            assert words in job["error_message"]
            assert await release(house, job_id, 409) == {"error": "Job has ended"}

    run(body())


def test_a_held_job_is_held_after_a_restart(tmp_path):
    async def body():
        ran: list[str] = []
        store = f"sqlite:///{tmp_path / 'lite.db'}"
        async with serving(counting(ran), store=store) as house:
            job_id = await house.create("/jobs/counting", hold=True, dispatch_timeout=3600)
        async with serving(counting(ran), store=store) as house:
            await house.settled()
            job = await house.job(job_id)
            assert (job["status"], job["held"], ran) == ("pending", True, [])
            await release(house, job_id)
            assert (await house.ended(job_id))["result"] == 1
            house.clock.jump(4000)
            assert (await house.job(job_id))["status"] == "finished"

    run(body())


def test_a_release_whose_handler_did_not_end_runs_it_after_a_restart(tmp_path):
    async def body():
        begun = asyncio.Event()
        flow = Blueprint("slow", api_endpoint="/jobs/slow")

        @flow.handler(is_start=True, is_end=True)
        async def start():
            if not begun.is_set():
                begun.set()
                await asyncio.Event().wait()
            return "again"

        store = f"sqlite:///{tmp_path / 'lite.db'}"
        async with serving(flow, store=store) as house:
            job_id = await house.create("/jobs/slow", hold=True)
            await release(house, job_id)
            await begun.wait()
        async with serving(flow, store=store) as house:
            assert (await house.ended(job_id))["result"] == "again"

    run(body())


@pytest.mark.parametrize("hold", ["yes", 1, None, {}])
def test_hold_is_true_or_false(hold):
    async def body():
        async with serving(greet()) as house:
            reply = await house.api("POST", "/jobs/greet", json={"initial_data": {}, "hold": hold})
            assert reply.status_code == 400
            assert reply.json()["error"].startswith("hold:")
            alone = await house.api("POST", "/jobs/greet", json={"hold": hold})
            assert (alone.status_code, alone.json()) == (400, reply.json())

    run(body())


def test_hold_alone_is_no_initial_data_but_beside_other_keys_it_is():
    """Releases before 1.0b20 send the initial data as the body itself."""

    async def body():
        async with serving(greet()) as house:
            alone = (await house.api("POST", "/jobs/greet", json={"hold": True})).json()["job_id"]
            assert (await house.job(alone))["held"] is True
            beside = (await house.api("POST", "/jobs/greet", json={"hold": True, "name": "Ada"})).json()["job_id"]
            job = await house.job(beside)
            assert (job["held"], job["initial_data"]) == (False, {"hold": True, "name": "Ada"})

    run(body())


def test_the_server_says_that_it_can():
    async def body():
        async with serving() as house:
            assert {"files", "hold"} <= set((await house.http.get("/_public/status")).json()["features"])

    run(body())
