"""job.events(), client.jobs.events() and job.explain(): told once, whatever breaks, and gone on with from anywhere."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from avtomatika_client import NotFoundError, NotSupportedByServerError, WaitTimeout
from avtomatika_worker import Context, Worker, skill
from orchestrator_lite import Blueprint
from tests.client._peer import DROP, STATUS, Answer, Seen, reply, text

EVENTS = "/api/v1/jobs/j1/events"
TELLS = reply({"status": "ok", "features": ["wait", "events", "explain"]})
JOB = "/api/v1/jobs/j1"
LIFE = [
    "job_created",
    "state_started",
    "task_dispatched",
    "task_finished",
    "state_finished",
    "state_started",
    "job_completed",
    "end",
]


def flow() -> Blueprint:
    made = Blueprint("steps", api_endpoint="/jobs/steps")

    @made.handler(is_start=True)
    async def start(initial_data, actions):
        actions.dispatch_task("steps", params=initial_data, transitions={"success": "finished"})

    @made.handler(is_end=True)
    async def finished(): ...

    return made


@skill
async def steps(number: int, ctx: Context) -> int:
    for step in range(number):
        await ctx.progress((step + 1) / number, f"step {step + 1}")
        await asyncio.sleep(1)  # noqa: TID251 - a user's own sleep, on the virtual clock
    return number


WORKER = Worker("stepper", skills=[steps])


async def test_events_come_as_they_happen_and_end_with_the_end(orchestrator):
    orchestrator.add(flow())
    async with orchestrator.working(WORKER), orchestrator.client() as client:
        job = await client.jobs.submit("steps", {"number": 4})
        events = [event async for event in job.events()]
        assert [event.progress for event in events if event.type == "progress"] == [0.25, 0.5, 0.75, 1.0]
        assert next(event.message for event in events if event.type == "progress") == "step 1"
        assert [event.type for event in events if event.type != "progress"] == LIFE
        assert events[-1].is_end
        assert events[-1].data["status"] == "finished"
        assert await job.result() == 4
        history = [event.event_id for event in await job.history()]
        assert [event.data["event_id"] for event in events if "event_id" in event.data] == history


async def test_whoever_goes_on_behind_an_event_misses_nothing(orchestrator):
    orchestrator.add(flow())
    async with orchestrator.working(WORKER), orchestrator.client() as client:
        job = await client.jobs.submit("steps", {"number": 1})
        whole = [event async for event in job.events()]
        durable = [event for event in whole if event.id is not None]
        for number, event in enumerate(durable):
            rest = [other async for other in job.events(after=event.id)]
            assert rest == durable[number + 1 :]


@pytest.mark.parametrize("times", [1, 3])
async def test_answers_that_are_lost_lose_and_repeat_nothing(orchestrator, times):
    orchestrator.add(flow())
    async with orchestrator.working(WORKER), orchestrator.client() as client:
        job = await client.jobs.submit("steps", {"number": 3})
        orchestrator.faults.drop_response("GET /api/v1/jobs/{job_id}/events", times=times)
        orchestrator.faults.status(503, "GET /api/v1/jobs/{job_id}/events", times=times)
        events = [event async for event in job.events(timeout=600)]
        history = [event.event_id for event in await job.history()]
        assert [event.data["event_id"] for event in events if "event_id" in event.data] == history
        assert sum(event.is_end for event in events) == 1


async def test_a_client_hears_of_all_its_jobs(orchestrator):
    orchestrator.add(flow())
    async with orchestrator.working(WORKER), orchestrator.client() as client:
        before = await client.jobs.submit("steps", {"number": 0})
        await before.result()
        ends: list[str] = []
        jobs: list[Any] = []
        async for event in client.jobs.events(after="0", timeout=60):
            if event.type == "job_completed":
                ends.append(event.job_id)
                if len(jobs) == 2:
                    break
                jobs.append(await client.jobs.submit("steps", {"number": 2}))
        assert ends == [before.id, *(job.id for job in jobs)]
        with pytest.raises(WaitTimeout):
            [event async for event in client.jobs.events(timeout=60)]


async def test_a_wait_for_events_ends_at_its_deadline(orchestrator):
    orchestrator.add(flow())
    async with orchestrator.client() as client:
        job = await client.jobs.submit("steps", {"number": 1})
        with pytest.raises(WaitTimeout, match="has not ended within 90 s"):
            [event async for event in job.events(timeout=90)]


async def test_explain_says_what_a_job_waits_for(orchestrator):
    orchestrator.add(flow())
    async with orchestrator.client() as client:
        job = await client.jobs.submit("steps", {"number": 1})
        why = await job.explain()
        assert why.reason == "no_worker"
        assert "no worker offers skill 'steps'" in why.sentence
        assert why.details["skill"] == "steps"
        with pytest.raises(NotFoundError):
            await client.jobs.handle("none").explain()


def told(*blocks: str) -> Answer:
    return Answer(200, "".join(f"{block}\n\n" for block in blocks).encode(), {"content-type": "text/event-stream"})


def row(number: int, kind: str = "state_started") -> str:
    return f'id: {number}\nevent: history\ndata: {{"event_type": "{kind}", "job_id": "j1", "n": {number}}}'


END = 'id: 9e\nevent: end\ndata: {"job_id": "j1", "status": "finished"}'


def test_the_place_goes_on_by_durable_events_alone(peer, face):
    half = 'event: progress\ndata: {"job_id": "j1", "progress": 0.5, "number": 77}'
    peer.on("GET", STATUS, TELLS)
    peer.on("GET", EVENTS, told("id: 0", row(3), row(5)), DROP, told(half), text("starting", 503), told(END))
    events = face.list(face.client(peer.url).jobs.handle("j1").events())
    assert [event.id for event in events] == ["3", "5", None, "9e"]
    queries = [seen.query for seen in peer.calls("GET", EVENTS)]
    assert [query.get("last_event_id") for query in queries] == [None, ["5"], ["5"], ["5"], ["5"]]
    assert [query.get("progress_after") for query in queries] == [None, None, None, ["77"], ["77"]]


def test_from_now_on_is_known_before_anything_can_be_lost(peer, face):
    all_events = "/api/v1/events"
    peer.on("GET", STATUS, TELLS)
    peer.on("GET", all_events, told("id: 7"), DROP, told(row(8)))
    events = face.client(peer.url).jobs.events()
    first = next(iter(events)) if face.kind == "sync" else face(anext(events))
    assert first.id == "8"
    queries = [seen.query for seen in peer.calls("GET", all_events)]
    assert [query.get("last_event_id") for query in queries] == [None, ["7"], ["7"]]
    assert float(queries[0]["wait"][0]) == 0
    assert float(queries[1]["wait"][0]) > 0
    if face.kind == "async":
        face(events.aclose())


def test_after_the_end_there_is_nothing(peer, face):
    peer.on("GET", STATUS, TELLS).on("GET", EVENTS, Answer(204, b""))
    assert face.list(face.client(peer.url).jobs.handle("j1").events(after="9e")) == []


def test_a_reader_is_not_given_more_than_it_asks_for(peer, face):
    peer.on("GET", STATUS, TELLS).on("GET", EVENTS, told(row(1)), told(row(2)), told(END))
    events = face.client(peer.url).jobs.handle("j1").events()
    first = next(iter(events)) if face.kind == "sync" else face(anext(events))
    assert first.data["n"] == 1
    assert len(peer.calls("GET", EVENTS)) == 1
    if face.kind == "async":
        face(events.aclose())


def test_an_unreadable_answer_is_an_error(peer, face):
    peer.on("GET", STATUS, TELLS).on("GET", EVENTS, told("event: history\ndata: {"))
    with pytest.raises(Exception, match="cannot be read"):
        face.list(face.client(peer.url).jobs.handle("j1").events())


def test_a_server_that_ends_its_answers_early_is_not_hammered(peer, face):
    peer.on("GET", STATUS, TELLS).on("GET", EVENTS, told("id: 1"))
    with pytest.raises(WaitTimeout):
        face.list(face.client(peer.url).jobs.handle("j1").events(timeout=1.5))
    assert len(peer.calls("GET", EVENTS)) <= 3


def test_a_server_that_tells_nothing_is_looked_at(peer, face):
    looks = iter(
        [
            {"id": "j1", "status": "waiting_for_worker", "current_state": "start"},
            {"id": "j1", "status": "waiting_for_worker", "current_state": "start", "progress": 0.5},
            {"id": "j1", "status": "waiting_for_worker", "current_state": "start", "progress": 0.5},
            {"id": "j1", "status": "finished", "current_state": "finished"},
        ]
    )

    def look(_: Seen) -> Answer:
        return reply(next(looks))

    peer.on("GET", JOB, look)
    events = face.list(face.client(peer.url).jobs.handle("j1").events(timeout=20))
    assert [event.type for event in events] == ["state_changed", "progress", "state_changed", "end"]
    assert events[1].progress == 0.5
    assert events[-1].data["status"] == "finished"


def test_what_a_server_does_not_offer_is_said(peer, face):
    client = face.client(peer.url)
    with pytest.raises(NotSupportedByServerError):
        face.list(client.jobs.events())
    with pytest.raises(NotSupportedByServerError):
        face(client.jobs.handle("j1").explain())
    assert peer.asked == []
