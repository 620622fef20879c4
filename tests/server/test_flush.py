"""`flush_db`: everything is forgotten, and the server goes on as if it had just begun."""

from __future__ import annotations

import asyncio

import pytest

from avtomatika_client import AsyncClient, Client
from avtomatika_client.errors import PermissionDeniedError
from avtomatika_worker import Worker, skill
from orchestrator_lite import Orchestrator
from tests._support.house import House, serving, soon, until
from tests.conftest import run
from tests.server.flows import greet

FLUSH = "/_public/debug/flush_db"


async def flush(house: House) -> None:
    reply = await house.http.post(FLUSH)
    assert (reply.status_code, reply.json()) == (200, {"status": "db_flushed"})


def test_jobs_workers_files_and_queue_are_gone_and_new_ones_work():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            ended, running, queued = [await house.create("/jobs/greet") for _ in range(3)]
            await worker.answer(await worker.task())
            task = await worker.task()
            await house.ended(ended)
            url = f"/jobs/{running}/files/content/a.txt"
            assert (await house.api("PUT", url, content=b"x")).status_code < 300
            await flush(house)
            for job_id in (ended, running, queued):
                assert (await house.api("GET", f"/jobs/{job_id}")).status_code == 404
            assert (await house.api("GET", "/jobs")).json() == []
            assert (await house.api("GET", "/workers")).json() == []
            assert (await house.api("GET", url.replace("content", "download"))).status_code == 404
            assert (await worker.answer(task))["status"] == "ignored"
            await worker.register()
            await worker.nothing()
            fresh = await house.create("/jobs/greet")
            await worker.answer(await worker.task())
            assert (await house.ended(fresh))["status"] == "finished"

    run(body())


def test_polls_and_waits_that_are_held_are_answered():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "other", incarnation="i1")
            job_id = await house.create("/jobs/greet")
            poll = asyncio.create_task(worker.next())
            await house.holds_poll("w1")
            wait = asyncio.create_task(house.api("GET", f"/jobs/{job_id}", params={"wait": 20}))
            await until(lambda: house.lite._site.core.waits == 1)
            await flush(house)
            assert await soon(poll) is None
            assert (await soon(wait)).status_code == 404
            assert (await worker.send("GET", "/workers/w1/tasks/next", params={"timeout": 0})).status_code == 404

    run(body())


def test_readers_of_a_job_that_is_no_more_are_let_go():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            url = f"/api/v1/jobs/{job_id}/events"
            async with house.http.stream("GET", url, headers=house.client_headers) as reader:
                assert reader.status_code == 200
                lines = reader.aiter_lines()
                await anext(lines)
                await flush(house)

                async def rest() -> None:
                    async for _ in lines:
                        pass

                await soon(asyncio.ensure_future(rest()))

    run(body())


def test_only_development_mode_knows_it():
    async def body():
        async with serving(greet(), client_token="c" * 20, worker_token="w" * 20) as house:
            job_id = await house.create("/jobs/greet")
            reply = await house.http.post(FLUSH)
            assert reply.status_code == 403
            assert "development mode" in reply.json()["error"]
            assert (await house.job(job_id))["status"] == "waiting_for_worker"
            async with AsyncClient(house.lite.url, client_token="c" * 20) as client:
                with pytest.raises(PermissionDeniedError):
                    await client.flush_db()

    run(body())


@skill(name="greet")
async def say_hello(name: str) -> dict[str, str]:
    return {"message": f"Hello, {name}!"}


def test_a_worker_of_ours_comes_back_by_itself_and_both_clients_know_the_call():
    async def body():
        async with Orchestrator([greet()]).listening(port=0) as lite, lite.working(Worker(skills=[say_hello])):
            async with AsyncClient(lite.url) as client:
                for name in ("Ada", "Bob"):
                    job = await client.jobs.submit("greet", {"name": name})
                    assert await job.result(timeout=20) == {"message": f"Hello, {name}!"}
                    await client.flush_db()
            await asyncio.to_thread(flush_plainly, lite.url)

    run(body())


def flush_plainly(url: str) -> None:
    with Client(url) as client:
        client.flush_db()
