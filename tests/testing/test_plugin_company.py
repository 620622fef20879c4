"""Async tests that use our fixtures run without marker and configuration, whatever else is installed."""

from __future__ import annotations

import pytest

from tests.testing._sites import TOUR, folder, run_apart

pytest_plugins = "pytester"

SCOPE = ("-o", "asyncio_default_fixture_loop_scope=function")
PYTEST_ASYNCIO = {
    "absent": ("-p", "no:asyncio"),
    "strict": (*SCOPE, "-o", "asyncio_mode=strict"),
    "auto": (*SCOPE, "-o", "asyncio_mode=auto"),
}
NO_TRIO = "sys.modules['trio'] = None"
ABSENT = PYTEST_ASYNCIO["absent"]


@pytest.mark.parametrize("trio", ["", NO_TRIO], ids=["with trio", "without trio"])
@pytest.mark.parametrize("mode", PYTEST_ASYNCIO)
def test_the_tour_runs(pytester, mode, trio):
    folder(pytester, TOUR)
    run_apart(pytester, *PYTEST_ASYNCIO[mode], first=trio).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    "options", [("-p", "no:anyio"), ("-n", "2"), ("-p", "no:randomly"), ("--timeout=20",), ("-o", "anyio_mode=strict")]
)
def test_the_tour_runs_beside_other_plugins(pytester, options):
    folder(pytester, TOUR)
    run_apart(pytester, *ABSENT, *options).assert_outcomes(passed=2)


def test_the_tour_runs_where_uvloop_is_the_policy(pytester):
    pytest.importorskip("uvloop")
    folder(pytester, TOUR)
    policy = "import asyncio, uvloop; asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())"
    run_apart(pytester, *ABSENT, first=policy).assert_outcomes(passed=2)


def test_the_tour_runs_by_those_who_mark_it_for_another_plugin(pytester):
    folder(pytester, f"import pytest\npytestmark = pytest.mark.asyncio\n{TOUR}")
    run_apart(pytester, *PYTEST_ASYNCIO["strict"]).assert_outcomes(passed=2)


def test_a_loop_that_cannot_follow_a_virtual_clock_is_named(pytester):
    pytest.importorskip("uvloop")
    folder(pytester, TOUR)
    pytester.makeconftest("""
        import pytest
        @pytest.fixture
        def anyio_backend():
            return "asyncio", {"use_uvloop": True}
    """)
    result = run_apart(pytester, *ABSENT, "--anyio-mode=auto")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["E *ClockError: virtual time needs asyncio's own selector loop, not uvloop.Loop*"])


def test_trio_is_refused_in_one_line(pytester):
    folder(pytester, TOUR)
    result = run_apart(pytester, *ABSENT, "--anyio-mode=auto")
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["`orchestrator` needs asyncio, and this test runs on trio: *"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_other_peoples_async_tests_are_left_alone(pytester):
    folder(pytester, "async def test_not_ours(): ...\nasync def test_nor_this(tmp_path): ...")
    result = run_apart(pytester, *ABSENT)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["async def functions are not natively supported."])


def test_a_fixture_of_the_same_name_is_left_alone(pytester):
    folder(
        pytester,
        """
import pytest
@pytest.fixture
def orchestrator(): return 7
def test_sync(orchestrator): assert orchestrator == 7
async def test_async(orchestrator): ...
""",
    )
    run_apart(pytester, *ABSENT).assert_outcomes(passed=1, failed=1)


def test_the_plugin_loads_nothing_until_a_fixture_is_used(pytester):
    pytester.makepyfile(
        """
import sys
def test_loaded():
    ours = {name for name in sys.modules if name.startswith(("avtomatika_", "orchestrator_lite"))}
    assert ours <= {"avtomatika_client", "avtomatika_client._clash", "avtomatika_client._version", "orchestrator_lite",
                    "orchestrator_lite.testing", "orchestrator_lite.testing._plugin"}, ours
    assert not {"fastapi", "uvicorn", "httpx", "pydantic"} & set(sys.modules)
"""
    )
    run_apart(pytester, *ABSENT).assert_outcomes(passed=1)


@pytest.mark.parametrize("fixture", ["orchestrator", "live_orchestrator"])
def test_a_missing_extra_is_named_in_one_line(pytester, fixture):
    pytester.makepyfile(f"async def test_it({fixture}): ...")
    result = run_apart(pytester, *ABSENT, first="sys.modules['fastapi'] = None")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"`{fixture}` needs fastapi, which is not installed: pip install 'avtomatika-sdk*'"])
