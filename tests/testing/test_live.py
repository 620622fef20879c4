"""`live_orchestrator`: a real server for each test, and nothing of it outlives the test."""

from __future__ import annotations

import asyncio
import threading

import pytest

from avtomatika_client import AsyncClient, Client, NotFoundError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_worker import Worker, skill
from orchestrator_lite import Blueprint
from orchestrator_lite.blueprint import BlueprintError
from orchestrator_lite.testing import BlockedError, ClosedError, LiveOrchestrator, MisuseError
from orchestrator_lite.testing._around.background import Background


def flow(skill_name: str) -> Blueprint:
    blueprint = Blueprint("work", api_endpoint="/jobs/work")

    @blueprint.handler(is_start=True)
    async def start(actions):
        actions.dispatch_task(skill_name, params={}, transitions={"success": "finished", "failure": "failed"})

    @blueprint.handler(is_end=True)
    async def finished(): ...

    @blueprint.handler(is_end=True)
    async def failed(): ...

    return blueprint


@skill
async def answer() -> int:
    return 42


begun = threading.Event()
released = threading.Event()


@skill
async def endless() -> None:
    begun.set()
    await asyncio.Event().wait()


@skill
async def blocking() -> None:
    begun.set()
    released.wait(20)


@pytest.fixture(autouse=True)
def _not_begun():
    begun.clear()
    released.clear()
    yield
    released.set()


@pytest.fixture
def background():
    background = Background()
    yield background
    background.stop()


@pytest.fixture
def live(background):
    live = LiveOrchestrator(background)
    yield live
    live.close()


def seconds_to_close(live: LiveOrchestrator) -> float:
    before = SYSTEM_CLOCK.monotonic()
    live.close()
    return SYSTEM_CLOCK.monotonic() - before


def test_jobs_run_over_real_sockets(live_orchestrator):
    live_orchestrator.add(flow("answer"))
    with live_orchestrator.working(Worker("w", skills=[answer])), live_orchestrator.client() as client:
        assert client.jobs.submit("work").result(timeout=10) == 42


async def test_an_async_test_may_use_it_too(live_orchestrator):
    live_orchestrator.add(flow("answer"))
    async with (
        live_orchestrator.working(Worker("w", skills=[answer])),
        AsyncClient(live_orchestrator.url, client_token=live_orchestrator.client_token) as client,
    ):
        job = await client.jobs.submit("work")
        assert await job.result(timeout=10) == 42


async def test_both_servers_in_one_test(orchestrator, live_orchestrator):
    async with orchestrator.client() as inside:
        await inside.status()
    with live_orchestrator.client() as outside:
        outside.status()


def test_a_wrong_blueprint_is_the_callers_error(live_orchestrator):
    with pytest.raises(BlueprintError, match="has no start state"):
        live_orchestrator.add(Blueprint("empty"))


def test_errors_of_the_api_are_the_clients(live_orchestrator):
    with live_orchestrator.client() as client, pytest.raises(NotFoundError):
        client.jobs.get("none")


def test_starting_and_stopping_takes_no_ticks(live, background):
    before = SYSTEM_CLOCK.monotonic()
    for _ in range(10):
        with Client(live.url, client_token=live.client_token) as client:
            client.status()
        live.close()
        live = LiveOrchestrator(background)
    live.close()
    assert SYSTEM_CLOCK.monotonic() - before < 3.0  # with ticks it is 3 s without any request


def test_open_connections_do_not_hold_it_up(live):
    client = Client(live.url, client_token=live.client_token)
    client.status()
    assert seconds_to_close(live) < 2.0
    client.close()


def test_a_client_left_waiting_does_not_hold_it_up(live):
    live.add(flow("nobody's"))
    client = live.client()
    job = client.jobs.submit("work")
    waiting = threading.Thread(target=lambda: _quietly(lambda: job.result(timeout=2)), daemon=True)
    waiting.start()
    assert seconds_to_close(live) < 3.0
    waiting.join(20)
    assert not waiting.is_alive()


def test_an_unfinished_task_ends_with_its_worker(live):
    live.add(flow("endless"))
    with live.client() as client:
        with live.working(Worker("w", skills=[endless])):
            client.jobs.submit("work")
            assert begun.wait(10)
            before = SYSTEM_CLOCK.monotonic()
        assert SYSTEM_CLOCK.monotonic() - before < 4.0


def test_a_worker_left_running_is_ended_and_told(live):
    live.working(Worker("w", skills=[answer])).__enter__()
    assert live.close() == [
        "worker 'w' was still running when the test ended: use `with live_orchestrator.working(worker):`"
    ]


def test_code_that_blocks_the_loop_is_named_and_does_not_hang_the_session():
    background = Background()
    live = LiveOrchestrator(background)
    live.add(flow("blocking"))
    crew = live.working(Worker("w", skills=[blocking])).__enter__()
    with live.client() as client:
        client.jobs.submit("work")
        assert begun.wait(10)
    with pytest.raises(BlockedError, match=r"test_live\.py:\d+: blocking\(\) has blocked the event loop"):
        crew.end()
    assert background.is_blocked
    assert seconds_to_close(live) < 1.0
    background.stop()
    released.set()
    background._thread.join(20)
    assert not background._thread.is_alive()


def test_a_closed_one_says_so(live):
    live.close()
    for use in (lambda: live.add(flow("answer")), live.client, lambda: live.working(Worker("w", skills=[answer]))):
        with pytest.raises(ClosedError, match="let each test ask for `live_orchestrator`"):
            use()


@pytest.mark.parametrize("workers", [(), (answer,)])
def test_working_needs_workers(live, workers):
    with pytest.raises(MisuseError, match=r"live_orchestrator\.working\(\)"):
        live.working(*workers)


def _quietly(call):
    try:
        call()
    except Exception:
        return
