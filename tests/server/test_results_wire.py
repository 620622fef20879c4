"""The worker protocol in the words of the seeds: registering, heartbeats, results in every form."""

from __future__ import annotations

from typing import Any

import pytest

from tests._support.house import serving
from tests.conftest import run
from tests.server.flows import bare, greet


def test_a_registration_is_answered_registered():
    async def body():
        async with serving() as house:
            reply = await house.worker("w1", "greet").register()
            assert reply["status"] == "registered"
            assert (reply["heartbeat_interval"], reply["poll_timeout"]) == (5.0, 30.0)
            assert "leases" in reply["features"]

    run(body())


@pytest.mark.parametrize("content", [b"", b"{}"], ids=["empty", "no keys"])
@pytest.mark.parametrize("known", [True, False])
def test_an_empty_heartbeat_is_answered_ttl_refreshed(content, known):
    async def body():
        async with serving() as house:
            worker = house.worker("w1", "greet")
            if known:
                await worker.register()
            reply = await worker.send("PATCH", "/workers/w1", content=content)
            assert (reply.status_code, reply.json()) == (200, {"status": "ttl_refreshed"})

    run(body())


def test_a_heartbeat_with_a_body_is_answered_ok_with_what_to_stop():
    async def body():
        async with serving() as house:
            worker = await house.registered("w1", "greet")
            reply = await worker.beat(status="busy", load=0.5)
            assert reply["status"] == "ok"
            assert reply["cancel_task_ids"] == []
            assert reply["worker_id"] == "w1"

    run(body())


def test_a_heartbeat_that_names_what_it_should_not_have_is_told_to_stop_it():
    async def body():
        async with serving() as house:
            worker = await house.registered("w1", "greet")
            reply = await worker.send("PATCH", "/workers/w1", json={"current_tasks": ["unknown-task"]})
            assert reply.json()["cancel_task_ids"] == ["unknown-task"]

    run(body())


def test_a_heartbeat_changes_the_skills_a_worker_is_given_tasks_for():
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            worker = await house.registered("w1", "other")
            await worker.nothing()
            await worker.beat(supported_skills=["other", "greet"])
            await worker.task()

    run(body())


def flat(**result: Any) -> dict[str, Any]:
    return result


def nested(**result: Any) -> dict[str, Any]:
    return {"result": result}


def both(**result: Any) -> dict[str, Any]:
    return {**result, "result": result}


@pytest.mark.parametrize("form", [flat, nested, both])
@pytest.mark.parametrize(
    ("result", "transition", "status"),
    [
        ({"status": "success", "data": {"a": 1}, "error": None}, "success_transition", "finished"),
        ({"data": {"a": 1}}, "success_transition", "finished"),
        ({"status": "partial", "data": {"a": 1}}, "partial_transition", "finished"),
        ({"status": "нет", "data": {"a": 1}}, "нет_transition", "finished"),
        ({"status": "failure", "error": {"code": "PERMANENT_ERROR", "message": "m"}}, "failure_handled", "failed"),
        ({"status": "failure", "error": {"code": "MY_CODE", "message": "m"}, "retry": 1}, None, None),
        ({"status": "unheard of", "data": {"a": 1}}, "unhandled_status_failure", "failed"),
        ({"status": "cancelled"}, "cancelled_handled", "cancelled"),
    ],
    ids=["success", "absent", "partial", "unicode", "failure", "retried", "unheard of", "cancelled"],
)
def test_results_are_read_flat_and_nested(form, result, transition, status):
    async def body():
        words = {"success": "finished", "failure": "failed", "partial": "finished", "нет": "finished"}
        async with serving(greet(transitions=words)) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            task = await worker.task()
            ids = {"job_id": job_id, "task_id": task["task_id"], "worker_id": "w1"}
            reply = await worker.send("POST", "/tasks/result", json={**ids, **form(**result)})
            assert reply.status_code == 200
            if transition is None:
                assert reply.json() == {"status": "result_accepted_success", "transition": "failure_handled"}
                assert (await house.job(job_id))["retry_count"] == 1
                return
            assert reply.json() == {"status": "result_accepted_success", "transition": transition}
            job = await house.ended(job_id)
            assert job["status"] == status
            assert job["state_history"] == ({"a": 1} if status == "finished" else {})

    run(body())


def test_data_named_like_a_result_is_data():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            data = {"status": "failure", "data": 1, "error": "no", "result": {"status": "x"}}
            await worker.answer(await worker.task(), data=data)
            job = await house.ended(job_id)
            assert (job["status"], job["result"]) == ("finished", data)

    run(body())


@pytest.mark.parametrize("error", ["boom", {"message": "boom"}, {"code": "TRANSIENT_ERROR", "message": "boom"}])
def test_errors_are_read_as_text_and_as_objects(error):
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            await worker.answer(await worker.task(), "failure", error=error)
            retried = [e for e in await house.history(job_id) if e["event_type"] == "worker_event:task_retry"]
            assert retried[0]["context_snapshot"]["error"]["message"] == "boom"
            assert retried[0]["context_snapshot"]["error"]["code"] == "TRANSIENT_ERROR"

    run(body())


@pytest.mark.parametrize(
    ("code", "transitions", "status", "state"),
    [
        ("PERMANENT_ERROR", {}, "quarantined", "start"),
        ("SECURITY_ERROR", {}, "quarantined", "start"),
        ("DEPENDENCY_ERROR", {}, "quarantined", "start"),
        ("CONTRACT_VIOLATION_ERROR", {}, "quarantined", "start"),
        ("INVALID_INPUT_ERROR", {}, "failed", "start"),
        ("INTEGRITY_MISMATCH_ERROR", {}, "failed", "start"),
        ("PERMANENT_ERROR", {"failure": "failed"}, "failed", "failed"),
        ("PERMANENT_ERROR", {"failure": "failed", "PERMANENT_ERROR": "finished"}, "finished", "finished"),
        ("INVALID_INPUT_ERROR", {"INVALID_INPUT_ERROR": "finished"}, "finished", "finished"),
    ],
)
def test_a_failure_without_retries_takes_the_transition_of_its_code_or_of_failure_or_ends(
    code, transitions, status, state
):
    async def body():
        async with serving(greet(transitions={"success": "finished", **transitions})) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            error = {"code": code, "message": "no", "details": {"why": "because"}}
            await worker.answer(await worker.task(), "failure", error=error)
            job = await house.ended(job_id)
            assert (job["status"], job["current_state"]) == (status, state)
            if status == "finished":
                assert job["error"] is None, "a job that finished has no error"
            else:
                assert {key: job["error"][key] for key in error} == error

    run(body())


def test_an_interrupted_task_is_handed_out_again_at_once_and_costs_no_retry():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet", incarnation="a")
            for attempt in range(1, 7):
                task = await worker.task()
                assert task["attempt"] == attempt
                await worker.answer(task, "failure", error={"code": "INTERRUPTED", "message": "deploy"})
            assert (await house.job(job_id))["retry_count"] == 0
            await worker.answer(await worker.task())
            assert (await house.ended(job_id))["status"] == "finished"

    run(body())


def test_a_retry_waits_at_least_as_long_as_the_worker_asks():
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            error = {"code": "RESOURCE_EXHAUSTED_ERROR", "message": "busy", "details": {"retry_after": 30}}
            await worker.answer(await worker.task(), "failure", error=error)
            house.clock.jump(27)
            await house.settled()
            await worker.nothing()
            house.clock.jump(4)
            await worker.task()

    run(body())


def test_a_failure_without_words_is_a_failure_all_the_same():
    async def body():
        async with serving(bare("greet")) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            error = {"code": "PERMANENT_ERROR", "message": None}
            await worker.answer(await worker.task(), "failure", error=error)
            job = await house.ended(job_id)
            assert (job["status"], job["error"]["message"]) == ("quarantined", "")

    run(body())
