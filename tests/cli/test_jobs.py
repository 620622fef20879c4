"""Jobs by the command line, piped: JSON on standard output, exit codes for scripts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from avtomatika_client import AsyncClient
from tests._support.house import House, serving, until
from tests.cli._command import piped, started
from tests.conftest import run
from tests.server.flows import bare, greet

if TYPE_CHECKING:
    from tests.cli._command import Done

ADA = '{"name": "Ada"}'


async def waited(house: House, *words: str, status: str = "success", **result: Any) -> Done:
    """A command that waits for a job whose only task is answered so."""
    worker = await house.registered("w1", "greet")
    async with asyncio.TaskGroup() as group:
        command = group.create_task(piped(house, *words))
        await worker.answer(await worker.task(), status, **result)
    return command.result()


async def piped_into_nobody(house: House, *words: str) -> tuple[int, str]:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        async with started(house, *words, stdout=writing, stderr=asyncio.subprocess.PIPE) as process:
            _, err = await process.communicate()
            return process.returncode or 0, err.decode()
    finally:
        os.close(writing)


def test_submit_prints_the_new_jobs_id():
    async def body():
        async with serving(greet()) as house:
            done = await piped(house, "jobs", "submit", "greet", ADA)
            assert (done.code, done.err) == (0, "")
            assert (await house.job(done.json["id"]))["initial_data"] == {"name": "Ada"}

    run(body())


@pytest.mark.parametrize("value", [{"message": "Hello, Аda!"}, [1, 2.5], "text\x1b[31m\x9b", 5, None])
def test_submit_and_wait_prints_the_result_alone(value):
    async def body():
        async with serving(greet()) as house:
            done = await waited(house, "jobs", "submit", "greet", ADA, "--wait", data={"said": value})
            assert (done.code, done.err) == (0, "")
            assert done.json == {"said": value}
            assert "\x1b" not in done.out
            assert "\x9b" not in done.out

    run(body())


def test_a_locale_that_knows_ascii_alone_reads_and_writes_the_same_json():
    async def body():
        async with serving(greet()) as house:
            plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
            done = await piped(house, "jobs", "submit", "greet", '{"name": "Ада 🎉"}', **plain)
            assert (done.code, done.err) == (0, "")
            seen = await piped(house, "jobs", "get", done.json["id"], **plain, PYTHONIOENCODING="ascii")
            assert seen.json["initial_data"] == {"name": "Ада 🎉"}
            assert seen.out.isascii()

    run(body())


def test_a_job_that_fails_is_exit_code_1_one_line_and_the_job():
    async def body():
        async with serving(greet()) as house:
            error = {"code": "PERMANENT_ERROR", "message": "no\nsuch \x1b[31mpage"}
            words = ("jobs", "submit", "greet", ADA, "--wait")
            done = await waited(house, *words, status="failure", error=error)
            assert done.code == 1
            assert done.json["status"] == "failed"
            assert done.json["error"]["code"] == "PERMANENT_ERROR"
            assert done.said.endswith("is failed in state 'failed': PERMANENT_ERROR: no such \\x1b[31mpage")

    run(body())


def test_a_job_that_takes_longer_is_exit_code_5_and_goes_on():
    async def body():
        async with serving(greet()) as house:
            done = await piped(house, "jobs", "submit", "greet", ADA, "--wait", "--timeout", "0.2")
            assert done.code == 5
            assert f"job {done.json['id']} has not ended within 0.2 s" in done.said
            assert done.said.endswith(f"goes on; look at it: avtomatika jobs get {done.json['id']}")
            assert (await house.job(done.json["id"]))["status"] == "waiting_for_worker"

    run(body())


def test_an_interrupted_wait_is_exit_code_130_and_the_job_goes_on():
    async def body():
        async with serving(greet()) as house:
            pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
            async with started(house, "jobs", "submit", "greet", ADA, "--wait", **pipes) as process:
                (job_id,) = await waits(house)
                process.send_signal(signal.SIGINT)
                out, err = await process.communicate()
            assert process.returncode == 130
            assert job_id in out.decode()
            (line,) = err.decode().splitlines()
            assert line == f"avtomatika: interrupted; job {job_id} goes on; look at it: avtomatika jobs get {job_id}"
            assert (await house.job(job_id))["status"] == "waiting_for_worker"

    run(body())


async def waits(house: House) -> list[str]:
    """The jobs somebody waits for, once there are any."""
    watchers = house.lite._site.core._watchers
    await until(lambda: bool(watchers.jobs()))
    return watchers.jobs()


def test_wait_takes_up_a_job_again():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            done = await waited(house, "jobs", "wait", job_id, data={"a": 1})
            assert (done.code, done.json) == (0, {"a": 1})

    run(body())


def test_get_prints_the_whole_state():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet", {"name": "Ada"})
            done = await piped(house, "jobs", "get", job_id)
            assert done.code == 0
            assert (done.json["id"], done.json["initial_data"]) == (job_id, {"name": "Ada"})

    run(body())


def test_list_prints_an_array_newest_first_as_narrow_as_was_asked():
    async def body():
        async with serving(greet(), bare()) as house:
            made = sorted([await house.create("/jobs/greet") for _ in range(3)], reverse=True)
            other = await house.create("/jobs/bare")
            await house.cancel(made[0])

            async def ids(*words: str) -> list[str]:
                return [job["id"] for job in (await piped(house, "jobs", "list", *words)).json]

            assert sorted(await ids(), reverse=True) == sorted([*made, other], reverse=True)
            assert await ids("--blueprint", "greet", "--limit", "2") == made[:2]
            assert await ids("--status", "cancelled", "--all") == made[:1]
            assert await ids("--blueprint", "no-such") == []

    run(body())


def test_history_prints_the_events_oldest_first():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            done = await piped(house, "jobs", "history", job_id)
            assert [event["event_type"] for event in done.json] == await house.event_types(job_id)

    run(body())


def test_cancel_says_what_the_server_said():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            done = await piped(house, "jobs", "cancel", job_id)
            assert (done.code, done.json) == (0, {"id": job_id, "status": "cancellation_request_accepted"})
            assert (await house.ended(job_id))["status"] == "cancelled"

    run(body())


def test_cancel_and_wait_prints_the_ended_job():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            done = await piped(house, "jobs", "cancel", job_id, "--wait", "--timeout", "20")
            assert (done.code, done.json["status"]) == (0, "cancelled")

    run(body())


def test_cancelling_a_job_that_has_ended_is_exit_code_1():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            await worker.answer(await worker.task(), data={})
            await house.ended(job_id)
            for words in ((), ("--wait",)):
                done = await piped(house, "jobs", "cancel", job_id, *words)
                assert (done.code, done.out) == (1, "")
                assert done.said == f"avtomatika: job {job_id} has ended already: it is finished"

    run(body())


def test_cancelling_and_waiting_for_a_job_that_finishes_all_the_same_is_exit_code_1():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            async with asyncio.TaskGroup() as group:
                command = group.create_task(piped(house, "jobs", "cancel", job_id, "--wait"))
                await until(lambda: bool(house.lite._site.core._watchers.jobs()))
                await worker.answer(task, data={})
            assert (command.result().code, command.result().json["status"]) == (1, "finished")
            assert command.result().said.endswith("ended before it could be cancelled: it is finished")

    run(body())


def test_data_comes_from_a_file_or_standard_input(tmp_path):
    async def body():
        (tmp_path / "in.json").write_bytes('\ufeff{"name": "Ада"}'.encode())
        async with serving(greet()) as house:
            for words, stdin in ((("@in.json",), b""), (("-",), '{"name": "Ада"}'.encode()), ((), b"not read")):
                done = await piped(house, "jobs", "submit", "greet", *words, stdin=stdin, cwd=tmp_path)
                expected = {"name": "Ада"} if words else {}
                assert (await house.job(done.json["id"]))["initial_data"] == expected

    run(body())


def test_what_the_client_can_set_is_set():
    async def body():
        async with serving(greet()) as house:
            options = (
                "--dispatch-timeout",
                "60",
                "--result-timeout",
                "90.5",
                "--webhook-url",
                "https://hook.example/x",
            )
            done = await piped(house, "jobs", "submit", "x", "--endpoint", "/jobs/greet", *options)
            job = await house.job(done.json["id"])
            assert (job["dispatch_timeout"], job["result_timeout"]) == (60, 90.5)
            assert job["webhook_url"] == "https://hook.example/x"

    run(body())


def test_files_are_the_jobs_before_it_starts(tmp_path):
    async def body():
        (tmp_path / "a.txt").write_bytes(b"one")
        (tmp_path / "b.bin").write_bytes(b"two")
        async with serving(greet(), files=tmp_path / "kept") as house:
            words = ("jobs", "submit", "greet", "--file", "a.txt", "--file", "in/x=b.bin")
            done = await piped(house, *words, cwd=tmp_path)
            assert (done.code, done.err) == (0, "")
            async with AsyncClient(house.lite.url, client_token=house.lite.client_token) as client:
                job = await client.jobs.get(done.json["id"])
                assert sorted(file.name for file in await job.files.list()) == ["a.txt", "in/x"]
                assert job.status == "waiting_for_worker"

    run(body())


def test_a_reader_that_goes_away_is_no_error_to_speak_of():
    async def body():
        async with serving(greet()) as house:
            await house.create("/jobs/greet")
            done = await piped_into_nobody(house, "jobs", "list")
            assert done == (141, "")

    run(body())


def test_submit_takes_delay_priority_limit_and_key():
    async def body():
        async with serving(greet()) as house:
            words = ("--delay", "60", "--priority", "5", "--max-transitions", "7", "--idempotency-key", "order 17")
            ids = [(await piped(house, "jobs", "submit", "greet", ADA, *words)).json["id"] for _ in range(2)]
            assert ids[0] == ids[1]
            job = await house.job(ids[0])
            assert (job["status"], job["priority"], job["max_transitions"]) == ("pending", 5, 7)
            other = await piped(house, "jobs", "submit", "greet", *words)
            assert other.code != 0
            assert ids[0] in other.said

    run(body())


@pytest.mark.parametrize(
    "words",
    [
        ("--delay", "-1"),
        ("--delay", "soon"),
        ("--priority", "high"),
        ("--max-transitions", "101"),
        ("--idempotency-key", " k"),
        ("--idempotency-key", ""),
    ],
)
def test_what_cannot_be_sent_is_a_mistake_in_the_command(words):
    async def body():
        async with serving(greet()) as house:
            done = await piped(house, "jobs", "submit", "greet", ADA, *words)
            assert done.code == 2
            assert words[0] in done.err
            assert (await piped(house, "jobs", "list")).json == []

    run(body())


def test_a_list_is_narrowed_by_several_statuses_and_by_time():
    async def body():
        async with serving(greet()) as house:
            first, second = [await house.create("/jobs/greet") for _ in range(2)]
            await house.cancel(first)
            words = ("jobs", "list", "--status", "cancelled", "--status", "waiting_for_worker")
            assert [job["id"] for job in (await piped(house, *words)).json] == [second, first]
            assert (await piped(house, *words, "--created-before", "2020-01-01")).json == []
            later = await piped(house, *words, "--created-after", "2020-01-01T10:00")
            assert [job["id"] for job in later.json] == [second, first]
            assert (await piped(house, *words, "--created-after", "yesterday")).code == 2

    run(body())


def test_watch_prints_an_event_a_line_and_ends_with_the_job():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet", {"name": "Ada"})
            await worker.answer(await worker.task(), data=1)
            done = await piped(house, "jobs", "watch", job_id)
            assert done.code == 0
            events = [json.loads(line) for line in done.out.splitlines()]
            assert [event["type"] for event in events] == [*await house.event_types(job_id), "end"]
            rest = await piped(house, "jobs", "watch", job_id, "--after", events[-2]["id"])
            assert [json.loads(line) for line in rest.out.splitlines()] == events[-1:]

    run(body())


def test_watch_ends_when_its_time_is_up():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            done = await piped(house, "jobs", "watch", job_id, "--timeout", "0.5")
            assert done.code == 5, done
            assert done.err.splitlines() == [f"avtomatika: job {job_id} has not ended within 0.5 s and goes on"]
            assert (await piped(house, "jobs", "watch", "none")).code == 4

    run(body())


def test_explain_says_why_a_job_does_not_go_on():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            done = await piped(house, "jobs", "explain", job_id)
            assert done.code == 0
            assert done.json["reason"] == "no_worker"
            assert job_id in done.json["sentence"]

    run(body())
