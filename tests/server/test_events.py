"""Server-sent events: of a job and of a client, gone on with from any of them, nothing lost and nothing twice."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator_lite import Blueprint
from orchestrator_lite.api._events import KEEPALIVE
from orchestrator_lite.engine.state import Client
from tests._support.house import PATIENCE, House, RawWorker, serving, soon, until
from tests._support.sse import Reading, Sent, events_of, read
from tests.conftest import run
from tests.server.flows import bare, greet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def stream(
    house: House, path: str, *, reading: Reading | None = None, headers: dict[str, str] | None = None, **params: Any
) -> AsyncIterator[AsyncIterator[Sent]]:
    sent = {**house.client_headers, **(headers or {})}
    async with house.http.stream("GET", f"/api/v1{path}", params=params, headers=sent) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield events_of(response, reading)


async def listens(house: House, count: int = 1) -> None:
    feed = house.lite._site.core.feed
    await until(lambda: sum(map(len, [*feed._jobs.values(), *feed._clients.values()])) == count)


async def progress(worker: RawWorker, task: dict[str, Any], *values: float) -> None:
    async with worker.socket() as socket:
        for value in values:
            frame = {"event": "progress", "task_id": task["task_id"], "progress": value, "message": f"at {value}"}
            await socket.send(json.dumps(frame))
        lease = worker.house.lite._site.core.lease
        await until(lambda: lease(task["task_id"]).progress == values[-1])


async def lived(house: House, worker: RawWorker) -> str:
    """A job that has ended."""
    job_id = await house.create("/jobs/greet")
    await worker.answer(await worker.task())
    await house.ended(job_id)
    return job_id


def test_a_stream_tells_the_history_and_ends_with_the_end():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            seen: list[Sent] = []
            async with stream(house, f"/jobs/{job_id}/events") as events:
                async for event in events:
                    seen.append(event)
                    if event.type == "task_dispatched":
                        task = await worker.task()
                        await progress(worker, task, 0.5)
                    if event.type == "progress":
                        await worker.answer(task)
            types = [event.type for event in seen]
            assert [kind for kind in types if kind != "progress"] == await _types(house, job_id)
            assert types.count("progress") == 1
            assert types[-1] == "end"
            assert seen[-1].data["status"] == "finished"
            told = [event.data for event in seen if event.name == "history"]
            assert told == await house.history(job_id)

    run(body())


async def _types(house: House, job_id: str) -> list[str]:
    return [*(await house.event_types(job_id)), "end"]


def test_only_what_is_durable_has_an_id_and_ids_grow():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            await progress(worker, task, 0.25)
            async with stream(house, f"/jobs/{job_id}/events") as events:
                async for event in events:
                    if event.type == "progress":
                        assert event.id is None
                        assert event.data["progress"] == 0.25
                        assert event.data["message"] == "at 0.25"
                        await worker.answer(task)
                    elif event.type != "end":
                        assert event.id is not None
                        assert event.id.isdigit()

    run(body())


def test_from_every_place_the_stream_goes_on_without_loss_or_repetition():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await lived(house, worker)
            async with stream(house, f"/jobs/{job_id}/events") as events:
                whole = [event async for event in events]
            for number, event in enumerate(whole[:-1]):
                for how in ({"headers": {"Last-Event-ID": event.id}}, {"last_event_id": event.id}):
                    async with stream(house, f"/jobs/{job_id}/events", **how) as events:
                        rest = [item async for item in events]
                    assert [(item.id, item.data) for item in rest] == [
                        (item.id, item.data) for item in whole[number + 1 :]
                    ]
            reply = await house.api("GET", f"/jobs/{job_id}/events", headers={"Last-Event-ID": whole[-1].id})
            assert reply.status_code == 204

    run(body())


def test_progress_is_latest_wins_for_whoever_reads_late():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            await progress(worker, task, *(number / 1000 for number in range(1000)))
            reply = await house.api("GET", f"/jobs/{job_id}/events", params={"wait": 0})
            told = [event.data["progress"] for event in read(reply.text) if event.name == "progress"]
            assert told == [0.999]

    run(body())


def test_with_wait_the_answer_ends_with_the_first_news_and_can_be_gone_on_with():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            reading, params, seen = Reading(), {}, []
            while not seen or seen[-1].type != "end":
                asking = asyncio.create_task(
                    house.api("GET", f"/jobs/{job_id}/events", params={"wait": PATIENCE, **params})
                )
                if len(seen) == 3:
                    await listens(house)
                    task = await worker.task()
                    await progress(worker, task, 0.5)
                elif seen and seen[-1].type == "progress":
                    await listens(house)
                    await worker.answer(task)
                reply = await soon(asking)
                assert reply.status_code == 200
                seen += [event for line in reply.text.split("\n") if (event := reading.line(line)) is not None]
                params = {"last_event_id": reading.last_id}
                numbers = [event.data["number"] for event in seen if event.name == "progress"]
                if numbers:
                    params["progress_after"] = numbers[-1]
            types = [event.type for event in seen]
            assert types.count("progress") == 1
            assert [kind for kind in types if kind != "progress"] == await _types(house, job_id)

    run(body())


def test_without_news_the_answer_tells_where_it_stands():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            reply = await house.api("GET", "/events", params={"wait": 0})
            reading = Reading()
            assert [reading.line(line) for line in reply.text.split("\n") if reading.line(line)] == []
            place = reading.last_id
            await house.cancel(job_id)
            reply = await house.api("GET", "/events", params={"wait": 0, "last_event_id": place})
            assert [event.type for event in read(reply.text)][-1] == "job_completed"

    run(body())


def test_a_client_hears_of_all_its_jobs_and_of_nobody_elses():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            core = house.lite._site.core
            flow = core.blueprints.named("greet")
            earlier = await lived(house, worker)
            ends: list[str] = []
            jobs: set[str] = set()
            async with stream(house, "/events") as events:
                await listens(house)
                theirs = await core.create(flow, Client(name="somebody else"), {"initial_data": {}})
                task = await worker.task()
                await progress(worker, task, 0.5)
                await worker.answer(task)
                mine = [await lived(house, worker), await lived(house, worker)]
                async for event in events:
                    jobs.add(event.data["job_id"])
                    if event.type == "job_completed":
                        ends.append(event.data["job_id"])
                    if len(ends) == 2:
                        break
            assert ends == mine
            assert jobs == set(mine)
            assert theirs.id not in jobs
            assert earlier not in jobs
            await listens(house, 0)

    run(body())


def test_from_start_tells_a_client_everything():
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            ids = [await lived(house, worker) for _ in range(3)]
            reply = await house.api("GET", "/events", params={"wait": 0, "from": "start"})
            events = read(reply.text)
            assert [event.data["job_id"] for event in events if event.type == "job_completed"] == ids
            middle = next(event for event in events if event.type == "job_completed")
            again = await house.api("GET", "/events", params={"wait": 0}, headers={"Last-Event-ID": middle.id})
            assert [e.data["job_id"] for e in read(again.text) if e.type == "job_completed"] == ids[1:]

    run(body())


def test_a_quiet_stream_is_kept_alive_and_ends_with_the_server():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            reading = Reading()

            async def watched() -> list[str]:
                async with stream(house, f"/jobs/{job_id}/events", reading=reading) as events:
                    return [event.type async for event in events]

            watching = asyncio.create_task(watched())
            await until(lambda: reading.last_id is not None)
            await listens(house)
            await until(lambda: house.clock.jump(KEEPALIVE + 1) or reading.comments > 0)
            house.lite._site.core.let_go()
            assert "end" not in await soon(watching)

    run(body())


def test_a_reader_that_hangs_up_leaves_nothing_behind():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            for path in (f"/jobs/{job_id}/events", "/events"):
                async with stream(house, path):
                    await listens(house)
                await listens(house, 0)

    run(body())


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"last_event_id": "x"}, "Last-Event-ID"),
        ({"last_event_id": "9" * 30}, "Last-Event-ID"),
        ({"from": "yesterday"}, "from"),
        ({"wait": "nan"}, "wait"),
        ({"wait": "-1"}, "wait"),
        ({"progress_after": "-1"}, "progress_after"),
    ],
)
def test_bad_queries_are_refused_by_the_field(params, field):
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            for path in (f"/jobs/{job_id}/events", "/events"):
                reply = await house.api("GET", path, params=params)
                assert reply.status_code == 400
                assert reply.json()["error"].startswith(field)

    run(body())


def test_a_place_of_another_store_begins_again():
    async def body():
        async with serving(greet()) as house:
            job_id = await lived(house, await house.registered("w1", "greet"))
            whole = await _types(house, job_id)
            for path, types in ((f"/jobs/{job_id}/events", whole), ("/events", whole[:-1])):
                reply = await house.api("GET", path, params={"wait": 1, "last_event_id": "4711"})
                assert [event.type for event in read(reply.text)] == types

    run(body())


def test_a_job_that_was_revived_after_its_end_goes_on_being_told():
    flow = Blueprint("bare", api_endpoint="/jobs/bare")

    @flow.handler(is_start=True)
    async def start(initial_data, actions):
        actions.dispatch_task("greet", {}, {"success": "finished"})

    @flow.handler(is_end=True)
    async def finished(): ...

    async def body():
        async with serving(flow) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/bare")
            await worker.answer(await worker.task(), status="failure", error={"code": "PERMANENT_ERROR"})
            assert (await house.ended(job_id))["status"] == "quarantined"
            path = f"/jobs/{job_id}/events"
            end = read((await house.api("GET", path, params={"wait": 1})).text)[-1]
            assert end.name == "end"
            assert (await house.api("GET", path, headers={"Last-Event-ID": end.id})).status_code == 204
            assert (await house.api("POST", f"/jobs/{job_id}/retry")).status_code == 200
            await worker.answer(await worker.task())
            await house.ended(job_id)
            async with stream(house, path, headers={"Last-Event-ID": end.id}) as events:
                second = [event async for event in events]
            assert second[-1].data["status"] == "finished"
            assert second[-1].id != end.id
            assert (await house.api("GET", path, headers={"Last-Event-ID": second[-1].id})).status_code == 204

    run(body())


def test_a_job_that_is_not_there_is_404():
    async def body():
        async with serving(greet()) as house:
            for path in ("events", "explain"):
                assert (await house.api("GET", f"/jobs/none/{path}")).status_code == 404

    run(body())


@pytest.mark.parametrize("portion", [1, 2, 3, 4, 7])
def test_histories_of_any_length_come_whole(monkeypatch, portion):
    monkeypatch.setattr("orchestrator_lite.runtime.following.PORTION", portion)

    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            types = await house.event_types(job_id)
            for path in (f"/jobs/{job_id}/events", "/events"):
                asked = house.api("GET", path, params={"wait": PATIENCE, "from": "start"})
                reply = await soon(asyncio.create_task(asked))
                assert [event.type for event in read(reply.text)] == types

    run(body())


def test_a_reader_that_takes_nothing_costs_little_and_holds_up_no_stop(monkeypatch):
    monkeypatch.setattr("orchestrator_lite.runtime.following.PORTION", 2)

    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            for number in range(200):
                said = {"event_id": str(number), "event_type": "thought", "task_id": task["task_id"]}
                await worker.send("POST", "/events", json={**said, "worker_id": "w1", "payload": "x" * 60_000})
            url = house.http.base_url
            _, writer = await asyncio.open_connection(url.host, url.port, limit=1024)
            lines = {"Host": url.netloc.decode(), **house.client_headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            writer.write(f"GET /api/v1/jobs/{job_id}/events HTTP/1.1\r\n{head}\r\n".encode())
            await writer.drain()
            await listens(house)
            await house.settled()
            house.lite._site.core.let_go()
            await listens(house, 0)
            writer.close()

    run(body())


async def told(house: House, job_id: str, **params: Any) -> list[Sent]:
    reply = await house.api("GET", f"/jobs/{job_id}/events", params=params)
    assert (reply.status_code == 204) == (not reply.content)
    return read(reply.text)


def test_a_job_that_left_its_quarantine_is_told_of_behind_its_first_end():
    async def body():
        async with serving(bare()) as house:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/bare")
            await worker.answer(await worker.task(), "failure", error={"code": "PERMANENT_ERROR", "message": "no"})
            first = await told(house, job_id)
            assert (first[-1].name, first[-1].data["status"]) == ("end", "quarantined")
            assert await told(house, job_id, last_event_id=first[-1].id) == []
            assert (await house.api("POST", f"/jobs/{job_id}/retry")).status_code == 200
            await worker.answer(await worker.task())
            second = await told(house, job_id, last_event_id=first[-1].id)
            assert (second[0].type, second[-1].data["status"]) == ("worker_event:retried", "finished")
            whole = await told(house, job_id)
            assert [event.id for event in whole] == [event.id for event in [*first[:-1], *second]]
            assert await told(house, job_id, last_event_id=second[-1].id) == []

    run(body())
