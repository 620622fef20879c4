"""Nothing hangs: a test ends soon in every way not to end, says so in a line, and the next one is none the worse."""

from __future__ import annotations

import pytest

from orchestrator_lite.testing._time import clock as virtual_clock
from tests.testing._sites import IMPORTS, folder, tried

pytest_plugins = ["pytester"]

HELPERS = """
import threading, time
from avtomatika_worker import Worker, skill

async def spin(params: dict) -> dict:
    while True:
        await asyncio.sleep(0)

async def swallow(params: dict) -> dict:
    while True:
        try:
            await asyncio.Event().wait()
        except BaseException:
            pass

async def done(orchestrator, function):
    orchestrator.add(greet_flow)
    worker = Worker("w", skills=[skill(name="greet")(function)])
    async with orchestrator.working(worker), orchestrator.client() as client:
        job = await client.jobs.submit("greet", {"name": "Ada"})
        return await job.result()
"""

NEXT = """
async def test_next(orchestrator):
    orchestrator.add(greet_flow)
    async with orchestrator.working(worker), orchestrator.client() as client:
        job = await client.jobs.submit("greet", {"name": "Ada"})
        assert await job.result() == {"message": "Hello, Ada!"}
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("skill")] == []
"""

NOTHING = "*NeverEndsError: this wait never ends: no job, task or timer is left to bring it"
TOO_LONG = "*NeverEndsError: this wait never ends: nothing came of it in * real seconds*"
CAUGHT = "*NeverEndsError: this wait never ends: *; the test catches whatever is to end it"
HANGS = {
    "nothing is used before": ("    await asyncio.Event().wait()", NOTHING),
    "a test that spins": ("    await spin({})", TOO_LONG),
    "a task of it that spins": (
        "    spinning = asyncio.create_task(spin({}))\n    await asyncio.Event().wait()",
        TOO_LONG,
    ),
    "a skill that spins": ("    await done(orchestrator, spin)", TOO_LONG),
    "a skill that swallows its end": (
        "    await done(orchestrator, swallow)",
        "*NeverEndsError: this wait never ends: job *",
    ),
    "a test that swallows its end": ("    await swallow({})", CAUGHT),
    "a thread that does not end": ("    await asyncio.to_thread(time.sleep, 4)", TOO_LONG),
    "asking for ever": (
        "    async with orchestrator.client() as client:\n        while (await client.status()).status == 'ok': ...",
        TOO_LONG,
    ),
    "sleeping for ever": ("    while True:\n        await asyncio.sleep(0.1)", TOO_LONG),
    "errors are caught and it is tried again": (
        """    orchestrator.add(greet_flow)
    async with orchestrator.client() as client:
        job = await client.jobs.submit("greet", {"name": "Ada"}, dispatch_timeout=86400 * 3650)
        while True:
            try:
                await job.result()
            except Exception:
                pass""",
        TOO_LONG,
    ),
}


@pytest.mark.parametrize("what", HANGS)
def test_a_test_without_an_end_is_ended_and_the_next_one_runs(pytester, monkeypatch, what):
    monkeypatch.setattr(virtual_clock, "PATIENCE", 0.5)
    monkeypatch.setattr(virtual_clock, "AGAIN", 0.2)
    body, line = HANGS[what]
    result = tried(pytester, f"{HELPERS}\nasync def test_it(orchestrator):\n{body}\n{NEXT}")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines([f"E {line}"])
    assert result.duration < 10


def test_the_first_sleep_of_a_test_is_virtual_too(pytester):
    result = tried(
        pytester,
        """
async def test_it(orchestrator):
    await asyncio.sleep(86400)
    await orchestrator.clock.advance(hours=1)
    assert orchestrator.clock.elapsed >= 90000
""",
    )
    result.assert_outcomes(passed=1)


def test_threads_of_others_may_bring_what_is_waited_for(pytester):
    folder(
        pytester,
        IMPORTS
        + HELPERS
        + """
async def aside(params: dict) -> dict:
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def call():
        time.sleep(0.05)
        loop.call_soon_threadsafe(future.set_result, {"from": "a thread"})

    threading.Thread(target=call).start()
    return await future

async def test_it(orchestrator):
    assert await aside({}) == {"from": "a thread"}

async def test_a_server_of_its_own(orchestrator):
    from orchestrator_lite import Orchestrator
    async with Orchestrator([greet_flow], store="memory") as other, other.working(worker), other.client() as client:
        job = await client.jobs.submit("greet", {"name": "Ada"})
        assert await job.result() == {"message": "Hello, Ada!"}
""",
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error").assert_outcomes(passed=2)


def test_a_test_that_waits_for_real_things_again_and_again_has_patience_for_each(pytester, monkeypatch):
    monkeypatch.setattr(virtual_clock, "PATIENCE", 1.0)
    result = tried(
        pytester,
        """
import time
async def test_it(orchestrator):
    for _ in range(3):
        await asyncio.to_thread(time.sleep, 0.7)
""",
    )
    result.assert_outcomes(passed=1)
