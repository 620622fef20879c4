"""Waits of one client share requests where the server offers it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from avtomatika_client import NotFoundError, PermissionDeniedError, WaitTimeout
from avtomatika_worker import Worker, skill
from orchestrator_lite import Blueprint
from tests.client._peer import STATUS, Answer, Peer, Seen, reply
from tests.conftest import run

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY = reply({"status": "ok", "features": ["wait", "wait_many"]})
WAIT = "/api/v1/jobs:wait"
NAMES = [f"j{number}" for number in range(40)]


def nap_flow() -> Blueprint:
    flow = Blueprint("nap", api_endpoint="/jobs/nap")

    @flow.handler(is_start=True)
    async def start(initial_data, actions):
        actions.dispatch_task("nap", params=initial_data, transitions={"success": "finished"})

    @flow.handler(is_end=True)
    async def finished(): ...

    return flow


@skill
async def nap(seconds: float) -> float:
    await asyncio.sleep(seconds)  # noqa: TID251 - a user's own sleep, on the virtual clock
    return seconds


SLEEPER = Worker("sleeper", skills=[nap], max_concurrent_tasks=200)


@contextmanager
def counting(client: Any) -> Iterator[Counter[str]]:
    """How often the client asks, by method and kind of path."""
    transport = client._caller.link.transport()
    asked: Counter[str] = Counter()
    send = transport.send

    async def counted(request: Any, *, timeout: float | None) -> Any:
        kind = re.sub("[0-9a-f]{8}-[^/?]*", "*", request.url)
        asked[f"{request.method} {kind}"] += 1
        return await send(request, timeout=timeout)

    transport.send = counted
    try:
        yield asked
    finally:
        del transport.send


async def test_a_hundred_jobs_of_a_hundred_seconds_cost_a_handful_of_requests(orchestrator):
    orchestrator.add(nap_flow())
    async with orchestrator.working(SLEEPER), orchestrator.client() as client:
        jobs = [await client.jobs.submit("nap", {"seconds": 100}) for _ in range(100)]
        with counting(client) as asked:
            assert await asyncio.gather(*(job.result() for job in jobs)) == [100] * 100
        assert asked.total() <= 25, asked
        jobs = [await client.jobs.submit("nap", {"seconds": 100}) for _ in range(100)]
        with counting(client) as asked:
            assert len([job async for job in client.jobs.as_completed(jobs)]) == 100
        assert asked.total() <= 25, asked


async def test_jobs_that_end_one_after_another_come_one_after_another(orchestrator):
    orchestrator.add(nap_flow())
    async with orchestrator.working(SLEEPER), orchestrator.client() as client:
        jobs = [await client.jobs.submit("nap", {"seconds": 30 - number}) for number in range(30)]
        with counting(client) as asked:
            order = [await job.result() async for job in client.jobs.as_completed(jobs)]
        assert order == sorted(order)
        assert asked.total() <= 60, asked


async def test_whoever_stops_waiting_leaves_the_others_waiting(orchestrator):
    orchestrator.add(nap_flow())
    async with orchestrator.working(SLEEPER), orchestrator.client() as client:
        jobs = [await client.jobs.submit("nap", {"seconds": 50}) for _ in range(10)]
        waits = [asyncio.create_task(job.result()) for job in jobs]
        await orchestrator.clock.advance(seconds=10)
        for wait in waits[:5]:
            wait.cancel()
        with pytest.raises(WaitTimeout):
            await jobs[0].result(timeout=5)
        assert await asyncio.gather(*waits[5:]) == [50] * 5
        assert len(client._caller.session.facts.board) == 0


async def test_waits_that_begin_one_after_another_are_noticed_at_once_and_become_one_request_again(orchestrator):
    orchestrator.add(nap_flow())
    async with orchestrator.working(SLEEPER), orchestrator.client() as client:
        waits = []
        for _ in range(100):
            job = await client.jobs.submit("nap", {"seconds": 1000})
            waits.append(asyncio.create_task(job.result()))
            await orchestrator.clock.advance(seconds=0.02)
        job = await client.jobs.submit("nap", {"seconds": 1})
        begun = orchestrator.clock.now()
        assert await job.result() == 1
        assert orchestrator.clock.now() - begun < 1.5
        await orchestrator.clock.advance(seconds=26)
        with counting(client) as asked:
            await orchestrator.clock.advance(seconds=250)
        assert asked.total() <= 25, asked
        assert await asyncio.gather(*waits) == [1000] * 100


def ended(seen: Seen) -> Answer:
    return reply({"jobs": [{"id": name, "status": "finished", "result": name} for name in seen.json["ids"]]})


def together(face: Any, client: Any, names: list[str], timeout: float | None = None) -> list[Any]:
    """The outcomes of waits that go on at the same time, in threads or tasks."""

    async def gathered() -> list[Any]:
        waits = (client.jobs.handle(name).result(timeout) for name in names)
        return await asyncio.gather(*waits, return_exceptions=True)

    if face.kind == "async":
        return face(gathered())
    found: dict[str, Any] = {}

    def wait(name: str) -> None:
        try:
            found[name] = client.jobs.handle(name).result(timeout)
        except Exception as error:
            found[name] = error

    threads = [threading.Thread(target=wait, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[name] for name in names]


def script(peer: Peer, *answers: Any) -> None:
    peer.on("GET", STATUS, MANY).on("POST", WAIT, *answers)
    for name in NAMES:
        peer.on("GET", f"/api/v1/jobs/{name}", reply({"id": name, "status": "finished", "result": name}))


def test_threads_and_tasks_that_wait_at_once_share_requests(peer, face):
    script(peer, ended)
    assert together(face, face.client(peer.url), NAMES) == NAMES
    assert len(peer.asked) <= 20


def test_a_leader_that_cannot_be_answered_is_outlasted(peer, face):
    script(peer, Answer(drop=True), Answer(503, b"starting"), ended)
    assert together(face, face.client(peer.url), NAMES, 20) == NAMES


def test_a_refusal_reaches_everybody(peer, face):
    script(peer, reply({"error": "no"}, 403))
    for name in NAMES:
        peer.on("GET", f"/api/v1/jobs/{name}", reply({"error": "no"}, 403))
    outcomes = together(face, face.client(peer.url), NAMES[:5])
    assert all(isinstance(outcome, PermissionDeniedError) for outcome in outcomes)


def test_a_job_that_is_not_there_raises_for_its_own_wait_only(peer, face):
    def some(seen: Seen) -> Answer:
        known = [name for name in seen.json["ids"] if name != "j3"]
        jobs = [{"id": name, "status": "finished", "result": name} for name in known]
        return reply({"jobs": jobs, "unknown": ["j3"] if "j3" in seen.json["ids"] else []})

    script(peer, some)
    peer.on("GET", "/api/v1/jobs/j3", reply({"error": "Job not found"}, 404))
    outcomes = together(face, face.client(peer.url), NAMES[:6])
    assert isinstance(outcomes[3], NotFoundError)
    assert [outcome for outcome in outcomes if isinstance(outcome, str)] == ["j0", "j1", "j2", "j4", "j5"]


def test_each_wait_ends_at_its_own_deadline(peer, face):
    never = reply({"jobs": []})
    script(peer, never)
    for name in NAMES:
        peer.on("GET", f"/api/v1/jobs/{name}", reply({"id": name, "status": "running"}))
    outcomes = together(face, face.client(peer.url), NAMES[:5], 0.5)
    assert all(isinstance(outcome, WaitTimeout) for outcome in outcomes)


def test_what_has_ended_together_comes_by_one_request(peer, face):
    script(peer, ended)
    client = face.client(peer.url)
    done = face.list(client.jobs.as_completed([client.jobs.handle(name) for name in NAMES]))
    assert [job.id for job in done] == NAMES
    assert len(peer.asked) <= 2


def test_more_jobs_than_a_request_names_are_asked_for_in_turn(peer, face):
    names = [f"k{number}" for number in range(2500)]

    def last(seen: Seen) -> Answer:
        assert len(seen.json["ids"]) <= 1000
        return ended(seen) if len(peer.calls("POST", WAIT)) > 3 else reply({"jobs": []})

    script(peer, last)
    client = face.client(peer.url)
    done = face.list(client.jobs.as_completed([client.jobs.handle(name) for name in names], timeout=30))
    assert sorted(job.id for job in done) == sorted(names)


def test_another_thread_wakes_a_task():
    from avtomatika_client._calls._board import Wake
    from avtomatika_client._calls._flow import Park
    from avtomatika_client._drivers import run_async
    from avtomatika_client.protocol.clock import SYSTEM_CLOCK

    async def body():
        wake = Wake()

        def flow():
            yield Park(wake, 20.0)
            return "woken"

        waiting = asyncio.create_task(run_async(flow(), None, SYSTEM_CLOCK))
        await asyncio.to_thread(wake.set)
        began = SYSTEM_CLOCK.monotonic()
        assert await waiting == "woken"
        assert SYSTEM_CLOCK.monotonic() - began < 10

    run(body())
