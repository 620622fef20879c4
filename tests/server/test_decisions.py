"""Approvals over the webhook, and the way out of quarantine, over real requests and by the client."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from avtomatika_client import AsyncClient
from avtomatika_client.errors import AuthenticationError, ConflictError, NotFoundError, ValidationFailedError
from orchestrator_lite import Blueprint
from tests._support.house import House, serving
from tests.conftest import run
from tests.server.flows import bare

if TYPE_CHECKING:
    from pathlib import Path

TOKENS = {"client_token": "client-token", "worker_token": "worker-token"}


def release_flow(tokens: list[str] | None = None, **options: object) -> Blueprint:
    flow = Blueprint("ship", api_endpoint="/jobs/ship")

    @flow.handler(is_start=True)
    async def start(actions):
        token = actions.await_human_approval(
            "slack", "Ship it?", {"approved": "finished", "rejected": "rejected"}, **options
        )
        if tokens is not None:
            tokens.append(token)

    @flow.handler(is_end=True)
    async def finished(state_history):
        return state_history["start"]

    @flow.handler(is_end=True, status="failed")
    async def rejected(): ...

    return flow


async def decide(house: House, job_id: str, body: object, **params: str) -> tuple[int, object]:
    reply = await house.http.post(f"/_public/webhooks/approval/{job_id}", json=body, params=params)
    return reply.status_code, reply.json()


def client_of(house: House) -> AsyncClient:
    return AsyncClient(house.lite.url, client_token=house.lite.client_token)


def test_anybody_may_decide_as_in_the_seeds():
    async def body():
        async with serving(release_flow()) as house:
            job_id = await house.create("/jobs/ship")
            job = await house.job(job_id)
            assert job["status"] == "waiting_for_human"
            assert job["approval"]["decisions"] == ["approved", "rejected"]
            assert await decide(house, job_id, {}) == (400, {"error": "decision is required in body"})
            assert await decide(house, job_id, {"decision": "zzz"}) == (
                400,
                {"error": "Invalid decision 'zzz' for this job"},
            )
            assert await decide(house, "none", {"decision": "approved"}) == (404, {"error": "Job not found"})
            accepted = {"status": "approval_received", "job_id": job_id}
            assert await decide(house, job_id, {"decision": "approved", "metadata": {"by": "Ada"}}) == (200, accepted)
            ended = await house.ended(job_id)
            assert ended["result"] == {"decision": "approved", "metadata": {"by": "Ada"}}
            late = (409, {"error": "Job is not in a state that can be approved"})
            assert await decide(house, job_id, {"decision": "approved"}) == late

    run(body())


def test_bodies_that_are_no_decision_are_told_so():
    async def body():
        async with serving(release_flow()) as house:
            job_id = await house.create("/jobs/ship")
            for sent in ([], "approved", {"decision": 3}, {"decision": ["approved"]}, {"decision": "x" * 300}):
                status, said = await decide(house, job_id, sent)
                assert (status, "error" in said) == (400, True), sent
            reply = await house.http.post(f"/_public/webhooks/approval/{job_id}", content=b"{oops")
            assert reply.status_code == 400

    run(body())


def test_with_the_setting_a_decision_needs_its_single_use_token():
    tokens: list[str] = []

    async def body():
        async with serving(release_flow(tokens), approval_tokens=True, **TOKENS) as house:
            job_id = await house.create("/jobs/ship")
            assert (await decide(house, job_id, {"decision": "approved"}))[0] == 401
            assert (await decide(house, job_id, {"decision": "approved", "token": "guess"}))[0] == 401
            assert (await decide(house, job_id, {"decision": "approved"}, token=tokens[0]))[0] == 200
            assert (await decide(house, job_id, {"decision": "approved"}, token=tokens[0]))[0] == 409
            text = (await house.api("GET", f"/jobs/{job_id}")).text
            history = (await house.api("GET", f"/jobs/{job_id}/history")).text
            assert tokens[0] not in text + history

    run(body())


@pytest.mark.parametrize("with_tokens", [True, False])
def test_of_two_who_decide_at_once_the_later_does_not_answer_the_next_question(with_tokens):
    tokens: list[str] = []
    flow = Blueprint("ship", api_endpoint="/jobs/ship")

    @flow.handler(is_start=True)
    async def start(actions):
        tokens.append(actions.await_human_approval("slack", "Ship it?", {"approved": "sure"}))

    @flow.handler
    async def sure(actions):
        tokens.append(actions.await_human_approval("slack", "Really?", {"approved": "finished"}))

    @flow.handler(is_end=True)
    async def finished(): ...

    async def body():
        async with serving(flow, approval_tokens=with_tokens) as house:
            job_id = await house.create("/jobs/ship")
            said = {"decision": "approved", "token": tokens[0]}
            async with house.lite._site.core._runner.jobs.turn(job_id):  # both have come before either counts
                both = [asyncio.create_task(decide(house, job_id, said)) for _ in range(2)]
                await house.settled()
            assert sorted([(await asked)[0] for asked in both]) == [200, 409]
            assert (await house.job(job_id))["current_state"] == "sure"

    run(body())


def test_the_client_that_owns_a_job_decides_without_its_token():
    async def body():
        async with serving(release_flow(), approval_tokens=True, **TOKENS) as house, client_of(house) as client:
            job = await client.jobs.submit("ship")
            with pytest.raises(ValidationFailedError, match="Invalid decision 'maybe'"):
                await job.approve("maybe")
            await job.approve("rejected")
            assert (await job.wait(10)).status == "failed"
            with pytest.raises(ConflictError, match="not in a state that can be approved"):
                await job.approve("approved")
            async with AsyncClient(house.lite.url, client_token="wrong") as stranger:
                other = await client.jobs.submit("ship")
                with pytest.raises((AuthenticationError, NotFoundError)):
                    await stranger.jobs.handle(other.id).approve("approved")

    run(body())


def test_an_approval_outlasts_a_restart(tmp_path: Path):
    async def body():
        store = f"sqlite:///{tmp_path / 'lite.db'}"
        tokens: list[str] = []
        async with serving(release_flow(tokens), store=store, approval_tokens=True) as house:
            job_id = await house.create("/jobs/ship")
        async with serving(release_flow(), store=store, approval_tokens=True) as house:
            assert (await decide(house, job_id, {"decision": "approved", "token": tokens[0]}))[0] == 200
            assert (await house.ended(job_id))["status"] == "finished"

    run(body())


async def quarantined(house: House) -> str:
    worker = await house.registered("w1", "greet")
    job_id = await house.create("/jobs/bare")
    await worker.answer(await worker.task(), "failure", error={"code": "PERMANENT_ERROR", "message": "broken"})
    assert (await house.ended(job_id))["status"] == "quarantined"
    return job_id


def test_quarantined_jobs_are_listed_with_their_evidence_and_tried_again():
    async def body():
        async with serving(bare()) as house, client_of(house) as client:
            job_id = await quarantined(house)
            (job,) = await client.jobs.quarantined()
            assert (job.id, job.state.quarantine["failures"][0]["message"]) == (job_id, "broken")
            assert [listed["id"] for listed in (await house.api("GET", "/jobs/quarantined")).json()] == [job_id]
            await job.retry()
            worker = await house.registered("w1", "greet")
            await worker.answer(await worker.task(), data={"ok": True})
            assert await job.result(10) == {"ok": True}
            assert await client.jobs.quarantined() == []
            with pytest.raises(ConflictError, match="not quarantined"):
                await job.retry()

    run(body())


def test_quarantined_jobs_are_let_out():
    async def body():
        async with serving(bare()) as house, client_of(house) as client:
            job = client.jobs.handle(await quarantined(house))
            with pytest.raises(ValidationFailedError, match=re.escape("has no state 'nowhere'")):
                await job.release("nowhere")
            await job.release("finished")
            assert (await job.wait(10)).status == "finished"
            other = client.jobs.handle(await quarantined(house))
            await other.release()
            assert (await other.wait(10)).status == "failed"
            with pytest.raises(ConflictError):
                await other.release()

    run(body())


def test_a_task_that_ends_three_workers_is_quarantined():
    async def body():
        async with serving(bare()) as house:
            job_id = await house.create("/jobs/bare")
            for number in range(3):
                worker = await house.registered(f"w{number}", "greet", incarnation="one")
                task = await worker.task()
                await worker.ack(task)
                house.clock.jump(16)
                await house.settled()
            job = await house.ended(job_id)
            assert (job["status"], job["error"]["code"]) == ("quarantined", "POISON_TASK_ERROR")
            assert [failure["worker_id"] for failure in job["quarantine"]["failures"]] == ["w0", "w1", "w2"]

    run(body())
