"""A worker that says too much is told so, or cut short; the server keeps its pace and its memory."""

from __future__ import annotations

import json

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.api.workers import LARGEST_BEAT, LONGEST_SKILL, MOST_SKILLS
from orchestrator_lite.engine.lanes import SEPARATOR
from orchestrator_lite.runtime.desk import LONGEST_MESSAGE, LONGEST_NEWS
from orchestrator_lite.runtime.workers import MOST_KEYS
from tests._support.clocks import JumpingClock
from tests._support.house import serving, until
from tests.conftest import run
from tests.server.flows import bare, fan, greet
from tests.server.test_bad_input import refused, unmoved


def test_a_heartbeat_that_names_too_many_tasks_is_refused():
    async def check():
        async with unmoved() as house:
            worker = await house.registered("w1", "greet")
            body = {"current_tasks": [str(number) for number in range(10_001)]}
            refused(await worker.send("PATCH", "/workers/w1", json=body), "current_tasks", "10000")
            body = {"x": "y" * LARGEST_BEAT}
            refused(await worker.send("PATCH", "/workers/w1", json=body), "too large", status=413)

    run(check())


def test_a_heartbeat_may_name_ten_thousand_tasks_that_are_not_there_and_others_are_served_meanwhile():
    async def check():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            names = [f"01a1f8aa-6d00-7000-8000-{number:012d}-1" for number in range(10_000)]
            begin = SYSTEM_CLOCK.monotonic()
            reply = await worker.send("PATCH", "/workers/w1", json={"current_tasks": names})
            assert reply.status_code == 200
            assert len(reply.json()["cancel_task_ids"]) == 10_000
            assert SYSTEM_CLOCK.monotonic() - begin < 10

    run(check())


def test_tasks_whose_leases_ended_count_again_when_a_heartbeat_names_them_all():
    async def check():
        clock = JumpingClock()
        async with serving(fan(branches=150), clock=clock) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/fan")
            tasks = [await worker.task() for _ in range(150)]
            clock.jump(65)
            await until(lambda: len(house.lite._site.core.desk.leases) == 0)
            said = await worker.beat(*tasks)
            assert said["cancel_task_ids"] == []
            assert len(house.lite._site.core.desk.leases) == 150
            for task in tasks:
                assert (await worker.answer(task))["status"] == "result_accepted_success"
            assert (await house.ended(job_id))["status"] == "finished"

    run(check())


@pytest.mark.parametrize("name", [f"greet{SEPARATOR}{{}}", "a\nb", "\x1b[2J", "\x85", "x" * (LONGEST_SKILL + 1)])
@pytest.mark.parametrize("form", ["plain", "object", "older"])
def test_a_skill_with_a_forged_name_is_refused(name, form):
    offers = {
        "plain": {"supported_skills": [name]},
        "object": {"supported_skills": [{"name": name}]},
        "older": {"supported_tasks": [name]},
    }

    async def check():
        async with unmoved() as house:
            refused(
                await house.worker("w1").send("POST", "/workers/register", json={"worker_id": "w1", **offers[form]})
            )
            worker = await house.registered("w2", "greet")
            refused(await worker.send("PATCH", "/workers/w2", json=offers[form]), "supported_skills")
            assert (await house.api("GET", "/skills")).json()[0]["name"] == "greet"
            reply = await worker.send("PATCH", "/workers/w2", json={"status": "draining"})
            assert reply.status_code == 200

    run(check())


def test_a_worker_offers_a_thousand_skills_and_not_more():
    async def check():
        async with serving(greet()) as house:
            names = [f"skill-{number}" for number in range(MOST_SKILLS)]
            worker = await house.registered("w1", *names)
            await worker.nothing()
            body = {"worker_id": "w2", "supported_skills": [*names, *(f"more-{number}" for number in range(9000))]}
            refused(await worker.send("POST", "/workers/register", json=body), "supported_skills", "10000")
            assert len((await house.api("GET", "/workers")).json()) == 1

    run(check())


def test_what_heartbeats_make_up_does_not_grow_a_worker_without_end():
    async def check():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            for turn in range(5):
                await worker.beat(**{f"made-up-{turn}-{number}": "x" * 100 for number in range(200)}, load=turn)
            (row,) = (await house.api("GET", "/workers")).json()
            assert len(row) < MOST_KEYS + 20
            assert row["load"] == 4

    run(check())


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"status": "s" * 1_000_000}, "status"),
        ({"status": "failure", "error": {"code": "c" * 1000}}, "error"),
        ({"result": {"status": "s" * 1_000_000}}, "status"),
    ],
)
def test_a_word_that_is_a_megabyte_is_refused(body, named):
    async def check():
        async with serving(bare()) as house:
            worker = await house.registered("w1", "greet")
            await house.create("/jobs/bare")
            task = await worker.task()
            ids = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": "w1"}
            reply = await worker.send("POST", "/tasks/result", json={**ids, **body})
            refused(reply, named)
            assert len(reply.content) < 1000
            beat = await worker.send("PATCH", "/workers/w1", json={"status": "s" * 1_000_000})
            assert beat.status_code in {400, 413}
            assert (await worker.answer(task))["status"] == "result_accepted_success"

    run(check())


@pytest.mark.parametrize("error", ["e" * 1_000_000, {"code": "PERMANENT_ERROR", "message": "e" * 1_000_000}])
def test_a_message_of_a_megabyte_is_kept_in_part(error):
    async def check():
        async with serving(bare()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/bare")
            await worker.answer(await worker.task(), "failure", error=error)
            for _ in range(5):
                task = await worker.next(timeout=0)
                if task is not None:
                    await worker.answer(task, "failure", error=error)
            shown = json.dumps([await house.job(job_id), await house.history(job_id)])
            assert "more characters" in shown
            assert len(shown) < 20 * LONGEST_MESSAGE

    run(check())


@pytest.mark.parametrize("task", ["another job's", "nobody's", "of a job that is not there"])
def test_a_result_with_ids_that_do_not_belong_together_changes_nothing(task):
    async def check():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            one, other = await house.create("/jobs/greet"), await house.create("/jobs/greet")
            first, second = await worker.task(), await worker.task()
            ids = {
                "another job's": {"job_id": first["job_id"], "task_id": second["task_id"]},
                "nobody's": {"job_id": first["job_id"], "task_id": f"{first['job_id']}-99"},
                "of a job that is not there": {"job_id": "x" * 100_000, "task_id": first["task_id"]},
            }
            assert (await worker.answer(ids[task]))["status"] == "ignored"
            assert {(await house.job(job_id))["status"] for job_id in (one, other)} == {"waiting_for_worker"}
            await worker.answer(first)
            await worker.answer(second)
            assert (await house.ended(one))["status"] == (await house.ended(other))["status"] == "finished"

    run(check())


def test_a_registration_may_hold_any_number_of_results_that_nobody_waits_for():
    async def check():
        async with serving(greet()) as house:
            worker = house.worker("w1", "greet", incarnation="a")
            await worker.register(holding=[{"task_id": f"t-{number}", "attempt": 1} for number in range(50_000)])
            await house.create("/jobs/greet")
            assert await worker.task()

    run(check())


@pytest.mark.parametrize(
    ("value", "shown"), [(-5, 0.0), (7, 1.0), (1e308, 1.0), ("x", None), (True, None), (None, None)]
)
def test_progress_is_a_share_or_nothing_and_its_news_are_short(value, shown):
    async def check():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            event = {
                "event_type": "progress",
                "target_task_id": task["task_id"],
                "payload": {"progress": value, "message": "m" * 50_000},
            }
            reply = await worker.send("POST", "/events", json=event)
            assert reply.json()["status"] == "event_accepted"
            job = await house.job(job_id)
            assert job["progress"] == shown
            assert shown is None or len(job["progress_message"]) < LONGEST_NEWS + 50

    run(check())
