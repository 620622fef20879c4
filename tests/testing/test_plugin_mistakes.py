"""What a test did wrong is told in one line, at the user's own line, and nothing hangs."""

from __future__ import annotations

import sys

import pytest

from tests.testing._sites import ALONE, IMPORTS, folder, run_apart, tried

pytest_plugins = "pytester"

OURS = ["*orchestrator_lite/*", "*avtomatika_client/*", "*avtomatika_worker/*", "*asyncio/*", "*Traceback*"]


def failed_with(result: pytest.RunResult, *lines: str) -> None:
    """One test has failed with these lines, and the output shows no code but the user's."""
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(lines)
    for line in OURS:
        result.stdout.no_fnmatch_line(line)


FORGOTTEN = {
    "a sleep": (
        """
async def test_it(orchestrator):
    asyncio.sleep(3)
""",
        "test_users.py:*: sleep() was not awaited, put `await` in front of it: asyncio.sleep(3)",
    ),
    "a call": (
        """
async def test_it(orchestrator):
    orchestrator.add(greet_flow)
    async with orchestrator.client() as client:
        client.jobs.submit("greet", {"name": "Ada"})
""",
        "test_users.py:9: submit() was not awaited, put `await` in front of it: client.jobs.submit(*)",
    ),
    "a call whose outcome is used": (
        """
async def test_it(orchestrator):
    orchestrator.add(greet_flow)
    async with orchestrator.client() as client:
        job = client.jobs.submit("greet", {"name": "Ada"})
        assert await job.result()
""",
        "test_users.py:9: submit() was not awaited, put `await` in front of it: job = client.jobs.submit(*)",
    ),
    "a result": (
        """
async def test_it(orchestrator):
    orchestrator.add(greet_flow)
    async with orchestrator.working(worker), orchestrator.client() as client:
        job = await client.jobs.submit("greet", {"name": "Ada"})
        assert job.result() == {"message": "Hello, Ada!"}
""",
        "test_users.py:10: result() was not awaited, put `await` in front of it: assert job.result() == *",
    ),
    "a job handed on": (
        """
async def test_it(orchestrator):
    orchestrator.add(greet_flow)
    async with orchestrator.client() as client:
        client.jobs.submit("greet").result()
""",
        "test_users.py:9: submit() was not awaited, put `await` in front of it: *",
    ),
    "time": (
        """
async def test_it(orchestrator):
    orchestrator.clock.advance(hours=1)
""",
        "test_users.py:7: advance() was not awaited, put `await` in front of it: orchestrator.clock.advance(hours=1)",
    ),
    "a function of the tests": (
        """
async def helps(): ...

async def test_it(orchestrator):
    helps()
""",
        "test_users.py:9: helps() was not awaited, put `await` in front of it: helps()",
    ),
    "a function called by a skill": (
        """
from avtomatika_worker import Worker, skill

async def helps(): ...

@skill(name="greet")
async def hasty(params: dict) -> dict:
    helps()
    return {}

async def test_it(orchestrator):
    orchestrator.add(greet_flow)
    async with orchestrator.working(Worker("w", skills=[hasty])), orchestrator.client() as client:
        job = await client.jobs.submit("greet", {"name": "Ada"})
        assert await job.result() == {}
""",
        "test_users.py:12: helps() was not awaited, put `await` in front of it: helps()",
    ),
    "a function called by a skill behind a real socket": (
        """
from avtomatika_worker import Worker, skill

async def helps(): ...

@skill(name="greet")
async def hasty(params: dict) -> dict:
    helps()
    return {}

def test_it(live_orchestrator):
    live_orchestrator.add(greet_flow)
    with live_orchestrator.working(Worker("w", skills=[hasty])), live_orchestrator.client() as client:
        assert client.jobs.submit("greet", {"name": "Ada"}).result() == {}
""",
        "test_users.py:12: helps() was not awaited, put `await` in front of it: helps()",
    ),
    "a call over a real socket": (
        """
from avtomatika_client import AsyncClient

async def test_it(live_orchestrator):
    async with AsyncClient(live_orchestrator.url) as client:
        client.status()
""",
        "test_users.py:10: status() was not awaited, put `await` in front of it: client.status()",
    ),
}


@pytest.mark.parametrize("what", FORGOTTEN)
def test_a_forgotten_await_fails_the_test_and_is_shown(pytester, what):
    tests, line = FORGOTTEN[what]
    failed_with(tried(pytester, tests), line)


def test_a_forgotten_await_is_shown_where_warnings_are_errors_by_configuration(pytester):
    pytester.makeini("[pytest]\nfilterwarnings = error")
    failed_with(tried(pytester, FORGOTTEN["a call"][0]), FORGOTTEN["a call"][1])


def test_other_warnings_reach_pytest_as_ever(pytester):
    folder(
        pytester,
        IMPORTS
        + """
import warnings

async def test_it(orchestrator):
    warnings.warn("of the user", UserWarning)

async def test_recorded(orchestrator):
    with pytest.warns(UserWarning, match="expected"):
        warnings.warn("expected", UserWarning)
""",
    )
    options = ("-p", "no:cacheprovider", "-p", "no:asyncio")
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=2, warnings=1)
    pytester.runpytest_subprocess(*options, "-W", "error").assert_outcomes(passed=1, failed=1)


OPEN = """    async with orchestrator.client() as client:
        await client.status()
"""

SLIPS = {
    "with in place of async with": (
        "    with orchestrator.client() as client: ...",
        "E *MisuseError: write `async with orchestrator.client() as client:`, with `async` in front",
    ),
    "a client that was not entered": (
        '    await orchestrator.client().jobs.submit("greet")',
        "E *MisuseError: orchestrator.client() is not open: write `async with orchestrator.client() as client:` *",
    ),
    "a worker left running": (
        "    await orchestrator.working(worker).__aenter__()",
        "worker 'greeter' was still running when the test ended: use `async with orchestrator.working(worker):`",
    ),
    "a client left open": (
        "    await orchestrator.client().__aenter__()",
        "a client was still open when the test ended: use `async with orchestrator.client() as client:`",
    ),
    "a fault that did not strike": (
        '    orchestrator.faults.drop_response("POST /nowhere")',
        'drop_response("POST /nowhere"*',
    ),
    "time that goes back": (
        OPEN + "        await orchestrator.clock.advance(hours=-1)",
        "E *ClockError: time cannot be moved by -3600 s: it only goes forward",
    ),
    "a job nobody works on": (
        """    orchestrator.add(greet_flow)
    async with orchestrator.client() as client:
        job = await client.jobs.submit("greet", {"name": "Ada"})
        await job.result()""",
        "E *NeverEndsError: this wait never ends: job * waits in state 'start': no worker offers skill 'greet' *",
    ),
    "an event nobody sets": (
        OPEN + "        await asyncio.Event().wait()",
        "E *NeverEndsError: this wait never ends: no job, task or timer is left to bring it",
    ),
    "an error of the API": (
        '    async with orchestrator.client() as client:\n        await client.jobs.get("none")',
        "E *NotFoundError: GET /api/v1/jobs/none: 404 Not Found: Job not found",
    ),
}


@pytest.mark.parametrize("what", SLIPS)
def test_a_slip_is_told_in_one_line(pytester, what):
    body, line = SLIPS[what]
    failed_with(tried(pytester, f"\nasync def test_it(orchestrator):\n{body}\n"), line)


def test_a_wait_in_vain_is_ended_by_whoever_runs_the_test(pytester):
    body = SLIPS["an event nobody sets"][0]
    folder(pytester, f"{IMPORTS}\nasync def test_it(orchestrator):\n{body}\n")
    auto = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
    failed_with(run_apart(pytester, *auto), SLIPS["an event nobody sets"][1])


def test_a_failure_in_a_group_shows_no_line_of_ours(pytester):
    result = tried(
        pytester,
        """
async def test_it(orchestrator):
    async with orchestrator.client() as client, asyncio.TaskGroup() as group:
        group.create_task(client.jobs.get("none"))
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*NotFoundError: GET /api/v1/jobs/none: 404 Not Found: Job not found"])
    result.stdout.no_fnmatch_line("*avtomatika_client/*")


@pytest.mark.parametrize("option", ["--full-trace", "--tb=native"])
def test_a_full_trace_is_full(pytester, option):
    body = SLIPS["an error of the API"][0]
    result = tried(pytester, f"\nasync def test_it(orchestrator):\n{body}\n", option)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*avtomatika_client*_jobs.py*"])


def test_what_a_failed_test_left_wrong_is_only_added(pytester):
    result = tried(
        pytester,
        """
async def test_it(orchestrator):
    orchestrator.faults.drop_response("POST /nowhere")
    assert 1 == 2
""",
    )
    failed_with(result, "E *assert 1 == 2", "*Captured orchestrator call*", 'drop_response("POST /nowhere"*')


def test_a_closed_orchestrator_says_whose_it_was(pytester):
    result = tried(
        pytester,
        """
KEPT = []

async def test_first(orchestrator):
    KEPT.append(orchestrator)

async def test_second():
    ...

async def test_third(orchestrator):
    async with KEPT[0].client() as client: ...
""",
        "-k",
        "first or third",
    )
    result.assert_outcomes(passed=1, failed=1, deselected=1)
    result.stdout.fnmatch_lines(["E *ClosedError: this orchestrator ended with test_first: *"])


def test_a_sync_test_is_pointed_to_the_live_server(pytester):
    result = tried(pytester, "\ndef test_it(orchestrator): ...\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["`orchestrator` is for `async def` tests*`live_orchestrator`*"])
    result.stdout.no_fnmatch_line("*_plugin.py*")


def test_skips_and_expected_failures_are_what_they_were(pytester):
    result = tried(
        pytester,
        """
async def test_skips(orchestrator):
    orchestrator.faults.drop_response("POST /nowhere")
    pytest.skip("not today")

async def test_expects(orchestrator):
    orchestrator.faults.drop_response("POST /nowhere")
    pytest.xfail("known")

@pytest.mark.xfail(strict=True)
async def test_marked(orchestrator):
    assert False

async def test_raises(orchestrator):
    with pytest.raises(ZeroDivisionError):
        1 / 0
""",
    )
    result.assert_outcomes(skipped=1, xfailed=2, passed=1)


def test_one_subtest_does_not_end_the_others(pytester):
    pytest.importorskip("_pytest.subtests")
    result = tried(
        pytester,
        """
SEEN = []

async def test_it(orchestrator, subtests):
    async with orchestrator.client() as client:
        for n in range(3):
            with subtests.test(n=n):
                await client.status()
                SEEN.append(n)
                assert n != 1

def test_all_ran():
    assert SEEN == [0, 1, 2]
""",
    )
    result.stdout.fnmatch_lines(["*n=1*", "SUBFAILED*", "*2 failed, 1 passed*"])


def test_ctrl_c_ends_the_test_and_the_session_at_once(pytester):
    folder(
        pytester,
        IMPORTS
        + """
import os, signal

async def test_interrupted(orchestrator):
    async with orchestrator.working(worker), orchestrator.client() as client:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            print("cleaned up")

async def test_never_begun(orchestrator):
    print("begun")
""",
    )
    result = run_apart(pytester, "-p", "no:asyncio", "-p", "no:randomly", "-s")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*cleaned up*", "*KeyboardInterrupt*"])
    result.stdout.no_fnmatch_line("*begun*")


def test_a_test_that_takes_too_long_is_ended_by_pytest_timeout(pytester):
    pytest.importorskip("pytest_timeout")
    folder(
        pytester,
        IMPORTS
        + """
async def test_it(orchestrator):
    async with orchestrator.working(worker), orchestrator.client():
        while True:
            await asyncio.sleep(1)
""",
    )
    result = run_apart(pytester, "-p", "no:asyncio", "--timeout=6")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["> *await asyncio.sleep(1)", "E *Failed: Timeout (>6.0s) from pytest-timeout."])


def test_pdb_opens_at_the_users_line(pytester):
    folder(pytester, IMPORTS + "\nasync def test_it(orchestrator):\n    here = 41\n    assert here == 42\n")
    command = [sys.executable, "-m", "pytest", "-s", "--pdb", *ALONE]
    result = pytester.run(*command, stdin=b"p here + 1000\nq\n", timeout=50)
    result.stdout.fnmatch_lines(["*entering PDB*", "*1041*"])


def test_a_breakpoint_in_a_test_stops_there(pytester):
    tests = """
async def test_it(orchestrator):
    async with orchestrator.client() as client:
        here = 41
        breakpoint()
        await client.status()
"""
    folder(pytester, IMPORTS + tests)
    command = [sys.executable, "-m", "pytest", "-s", *ALONE]
    result = pytester.run(*command, stdin=b"p here + 1000\nc\n", timeout=50)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*1041*"])
