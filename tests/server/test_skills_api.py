"""Skills for clients: the catalogue, and calls without a blueprint."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from avtomatika_client import JobFailed, NotFoundError, ValidationFailedError, WaitTimeout
from avtomatika_worker import Context, TransientError, Worker, skill
from orchestrator_lite import Orchestrator
from tests._support.house import serving, soon
from tests.conftest import run


class GreetIn(BaseModel):
    name: str


class GreetOut(BaseModel):
    message: str


@skill(version="2.1")
async def greet(params: GreetIn) -> GreetOut:
    """Say hello."""
    return GreetOut(message=f"Hello, {params.name}!")


worker = Worker("greeter", worker_id="g1", skills=[greet])


async def test_a_skill_is_called_like_a_function(orchestrator):
    async with orchestrator.working(worker), orchestrator.client() as client:
        assert await client.skills.call("greet", {"name": "Ada"}, timeout=10) == {"message": "Hello, Ada!"}
        assert await client.skills.call("greet", GreetIn(name="Bob")) == {"message": "Hello, Bob!"}
        job = await client.skills.submit("greet", {"name": "Eve"})
        assert await job.result() == {"message": "Hello, Eve!"}
        assert (job.state.blueprint_name, job.state.initial_data) == ("skill:greet", {"name": "Eve"})


async def test_the_catalogue_tells_what_there_was_and_who_offers_it_now(orchestrator):
    async with orchestrator.client() as client:
        assert await client.skills.list() == []
        async with orchestrator.working(worker):
            (listed,) = await client.skills.list()
            assert (listed.name, listed.version, listed.versions) == ("greet", "2.1", ["2.1"])
            assert (listed.workers, listed.available) == (["g1"], True)
            assert listed.input_schema["properties"]["name"]["type"] == "string"
            assert listed.output_schema["required"] == ["message"]
        (listed,) = await client.skills.list()
        assert (listed.workers, listed.available) == ([], False)


async def test_a_call_waits_for_a_worker_that_has_gone(orchestrator):
    async with orchestrator.client() as client:
        async with orchestrator.working(worker):
            pass
        with pytest.raises(WaitTimeout):
            await client.skills.call("greet", {"name": "Ada"}, timeout=5)
        (job,) = [found async for found in client.jobs.list()]
        await job.wait()
        assert job.state.error["code"] == "TIMEOUT_ERROR"
        waiting = await client.skills.submit("greet", {"name": "Ada"})
        async with orchestrator.working(worker):
            assert (await waiting.result())["message"] == "Hello, Ada!"


async def test_what_nobody_ever_published_is_not_found(orchestrator):
    async with orchestrator.client() as client:
        with pytest.raises(NotFoundError, match="No worker has ever published a skill 'dance'"):
            await client.skills.call("dance")


async def test_a_skill_that_fails_fails_its_call(orchestrator):
    @skill
    async def fails(ctx: Context) -> None:
        raise TransientError(f"attempt {ctx.attempt}")

    async with orchestrator.working(Worker("w", skills=[fails])), orchestrator.client() as client:
        with pytest.raises(JobFailed) as caught:
            await client.skills.call("fails")
        assert (caught.value.status, caught.value.error["message"]) == ("failed", "attempt 4")


async def test_bad_params_fail_and_odd_bodies_are_refused(orchestrator):
    async with orchestrator.working(worker), orchestrator.client() as client:
        with pytest.raises(JobFailed) as caught:
            await client.skills.call("greet", {"nme": 1})
        assert caught.value.error["code"] == "INVALID_INPUT_ERROR"
        with pytest.raises(ValidationFailedError, match="dispatch_timeout"):
            await client.skills.submit("greet", {"name": "x"}, dispatch_timeout=-1)


async def test_a_lost_answer_begins_no_second_job(orchestrator):
    async with orchestrator.working(worker), orchestrator.client() as client:
        orchestrator.faults.drop_response("POST /api/v1/skills/*/call", times=1)
        assert await client.skills.call("greet", {"name": "Ada"})
        assert len([found async for found in client.jobs.list()]) == 1
        first = await client.skills.submit("greet", {"name": "Ada"}, idempotency_key="k")
        again = await client.skills.submit("greet", {"name": "Ada"}, idempotency_key="k")
        assert first.id == again.id


def test_the_routes_as_they_travel():
    async def body() -> None:
        async with serving() as house:
            await house.worker("w1", "ns/greet").register()
            reply = await house.api("POST", "/skills/ns/greet/call", json={"params": {"name": "Ada"}})
            assert (reply.status_code, reply.json()["status"]) == (202, "accepted")
            reply = await house.api("POST", "/skills/ns%2Fgreet/call?wait=0.01")
            assert reply.status_code == 202
            for sent, named in [({"params": []}, "params"), ({"priority": "high"}, "priority"), ([], "object")]:
                reply = await house.api("POST", "/skills/ns/greet/call", json=sent)
                assert reply.status_code == 400, reply.text
                assert named in reply.json()["error"]
            assert (await house.api("POST", "/skills/ns/greet/call?wait=soon")).status_code == 400
            assert (await house.api("POST", "/skills/nobody/call")).status_code == 404
            catalog = (await house.api("GET", "/workers/catalog")).json()
            assert catalog["ns/greet"]["providers_count"] == 1

    run(body())


def test_wait_answers_with_the_job_when_it_has_ended():
    async def body() -> None:
        async with serving() as house:
            worker = house.worker("w1", "greet")
            await worker.register()
            asked = asyncio.create_task(house.api("POST", "/skills/greet/call?wait=20", json={"params": {"n": 1}}))
            task = await worker.task()
            assert task["params"] == {"n": 1}
            await worker.answer(task, data={"message": "hi"})
            reply = await soon(asked)
            assert reply.status_code == 200
            assert reply.json()["result"] == {"message": "hi"}

    run(body())


def test_a_restart_forgets_neither_the_catalogue_nor_the_calls(tmp_path):
    async def body() -> None:
        store = f"sqlite:///{tmp_path}/lite.db"
        async with Orchestrator(store=store) as lite, lite.client() as client:
            async with lite.working(worker):
                await client.skills.call("greet", {"name": "Ada"})
            job_id = (await client.skills.submit("greet", {"name": "Bob"})).id
        async with Orchestrator(store=store) as lite, lite.client() as client:
            (listed,) = await client.skills.list()
            assert listed.input_schema["properties"].keys() == {"name"}
            async with lite.working(worker):
                job: Any = await client.jobs.get(job_id)
                assert await job.result(timeout=20) == {"message": "Hello, Bob!"}

    run(body())
