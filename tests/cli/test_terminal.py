"""The command on a terminal: tables, live progress, colours, Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

from tests._support.house import serving, until
from tests.cli._command import shown, terminal
from tests.client._peer import STATUS, Peer, reply
from tests.conftest import run
from tests.server.flows import greet

if TYPE_CHECKING:
    from tests._support.house import House

ADA = '{"name": "Ada"}'


async def says(house: House, worker_id: str, task_id: str, progress: float, message: str) -> None:
    """A worker tells its progress."""
    async with house.worker(worker_id).socket() as socket:
        await socket.send(
            json.dumps({"event": "progress", "task_id": task_id, "progress": progress, "message": message})
        )
        leases = house.lite._site.core._leases
        await until(lambda: leases.get(task_id).message == message)


def test_waiting_shows_state_percent_and_message_and_then_the_result():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            async with terminal(house, "jobs", "submit", "greet", ADA, "--wait") as screen:
                task = await worker.task()
                await says(house, "w1", task["task_id"], 0.5, "half way")
                await screen.shows("50% half way")
                await worker.answer(task, data={"message": "Hello, Ada!"})
                done = await screen.ended()
            assert done.code == 0
            assert "waiting_for_worker" in done.out
            assert done.out.endswith('{\n  "message": "Hello, Ada!"\n}\n')

    run(body())


def test_progress_goes_to_the_terminal_while_the_result_goes_elsewhere():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            reading, writing = os.pipe()
            async with terminal(house, "jobs", "submit", "greet", ADA, "--wait", stdout=writing) as screen:
                task = await worker.task()
                await says(house, "w1", task["task_id"], 0.25, "reading")
                await screen.shows("25% reading")
                await worker.answer(task, data={"a": 1})
                done = await screen.ended()
            os.close(writing)
            with os.fdopen(reading) as result:
                assert json.load(result) == {"a": 1}
            assert done.code == 0
            assert '"a"' not in done.out

    run(body())


def test_what_a_worker_says_cannot_steer_the_terminal():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            async with terminal(house, "jobs", "submit", "greet", ADA, "--wait") as screen:
                task = await worker.task()
                await says(house, "w1", task["task_id"], 0.5, "[red]\x1b]0;title\x07 here")
                await screen.shows(r"50% \[red\]\\x1b\]0;title\\x07 here")
                await worker.answer(
                    task, "failure", error={"code": "PERMANENT_ERROR", "message": "\x1b[2J\x1b]0;x\x07"}
                )
                done = await screen.ended()
            assert done.code == 1
            assert "\x1b]0;" not in screen.raw
            assert "\x1b[2J" not in screen.raw

    run(body())


def test_ctrl_c_while_waiting_names_the_job_and_how_to_look_at_it():
    async def body():
        async with serving(greet()) as house:
            async with terminal(house, "jobs", "submit", "greet", ADA, "--wait") as screen:
                await screen.shows("waiting_for_worker")
                screen.press(b"\x03")
                done = await screen.ended()
            (job,) = (await house.api("GET", "/jobs")).json()
            assert done.code == 130
            assert done.out.rstrip().endswith(f"goes on; look at it: avtomatika jobs get {job['id']}")
            assert "Traceback" not in done.out
            assert job["status"] == "waiting_for_worker"

    run(body())


def test_a_time_that_is_up_ends_the_progress_too():
    async def body():
        async with serving(greet()) as house:
            done = await shown(house, "jobs", "submit", "greet", ADA, "--wait", "--timeout", "0.3")
            assert done.code == 5
            assert "has not ended within 0.3 s (it is waiting_for_worker) and goes on" in done.out

    run(body())


def test_submit_says_the_id_and_how_to_wait():
    async def body():
        async with serving(greet()) as house:
            done = await shown(house, "jobs", "submit", "greet", ADA)
            (job,) = (await house.api("GET", "/jobs")).json()
            assert (done.code, done.out) == (0, f"{job['id']}\nWait for it: avtomatika jobs wait {job['id']}\n")

    run(body())


def test_lists_are_tables():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            await worker.answer(await worker.task(), data={})
            await house.ended(job_id)
            jobs = (await shown(house, "jobs", "list")).out.splitlines()
            assert jobs[0].split() == ["id", "blueprint", "status", "created", "ended"]
            assert jobs[1].split()[:3] == [job_id, "greet", "finished"]
            workers = (await shown(house, "workers")).out.splitlines()
            assert workers[0].split() == ["id", "type", "status", "skills", "tasks", "last", "seen"]
            assert workers[1].split()[0] == "w1"
            events = (await shown(house, "jobs", "history", job_id)).out.splitlines()
            assert events[0].split() == ["time", "event", "state", "worker", "attempt"]
            assert [event.split()[2] for event in events[1:]] == await house.event_types(job_id)
            (finished,) = [event.split() for event in events if "task_finished" in event]
            assert finished[4:] == ["w1", "1"]

    run(body())


def test_a_job_and_the_server_are_views():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet", {"name": "Ada"})
            done = await shown(house, "jobs", "get", job_id)
            fields = dict(row.split(maxsplit=1) for row in done.out.splitlines())
            assert (fields["id"], fields["status"], fields["blueprint"]) == (job_id, "waiting_for_worker", "greet")
            assert fields["input"] == '{"name": "Ada"}'
            status = dict(row.split(maxsplit=1) for row in (await shown(house, "status")).out.splitlines())
            assert (status["url"], status["status"]) == (house.lite.url, "ok")

    run(body())


def test_empty_lists_say_so():
    async def body():
        async with serving(greet()) as house:
            assert (await shown(house, "jobs", "list")).out == "No jobs.\n"
            assert (await shown(house, "workers")).out == "No workers.\n"

    run(body())


def test_a_list_that_goes_on_says_so():
    async def body():
        async with serving(greet()) as house:
            for _ in range(3):
                await house.create("/jobs/greet")
            some = (await shown(house, "jobs", "list", "--limit", "2")).out.splitlines()
            assert (len(some), some[-1]) == (4, "These are the newest 2; --limit N shows more, --all shows all.")
            assert len((await shown(house, "jobs", "list", "--limit", "3")).out.splitlines()) == 4

    run(body())


def test_json_is_json_on_a_terminal_too_wherever_it_was_asked_for():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            for words in (("--json", "jobs", "list"), ("jobs", "list", "--json")):
                (job,) = (await shown(house, *words)).json
                assert job["id"] == job_id

    run(body())


def test_no_color_leaves_no_colour():
    async def body():
        async with serving(greet()) as house:
            await house.cancel(await house.create("/jobs/greet"))
            for more, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
                async with terminal(house, "jobs", "list", **more) as screen:
                    await screen.ended()
                    assert ("\x1b[" in screen.raw) is coloured

    run(body())


def test_a_terminal_that_can_do_nothing_gets_plain_lines():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            async with asyncio.TaskGroup() as group:
                words = ("jobs", "submit", "greet", ADA, "--wait")
                async with terminal(house, *words, TERM="dumb") as screen:
                    ended = group.create_task(screen.ended())
                    await worker.answer(await worker.task(), data={"a": 1})
                    await ended
                    assert screen.raw.replace("\r", "") == '{\n  "a": 1\n}\n'

    run(body())


def test_a_server_that_goes_away_meanwhile_is_outlasted():
    async def body(peer: Peer):
        job = {"id": "j1", "status": "running", "progress": 0.5, "progress_message": "half way"}
        peer.on("GET", "/api/v1/jobs/j1", reply(job))
        async with terminal(None, "jobs", "wait", "j1", "--url", peer.url) as screen:
            await screen.shows("50% half way")
            await asyncio.to_thread(peer.stop)
            await screen.shows("no answer, trying again")
            peer.on("GET", "/api/v1/jobs/j1", reply({**job, "status": "finished", "result": 5}))
            await asyncio.to_thread(peer.start)
            done = await screen.ended()
        assert done.code == 0
        assert done.out.endswith("\n5\n") or done.out.endswith(" 5\n")

    with Peer() as peer:
        peer.on("GET", STATUS, reply({"status": "ok"}))
        run(body(peer))
