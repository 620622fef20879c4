"""Users' own fixtures around ours, sync and async, and the settings of the servers."""

from __future__ import annotations

import pytest

from tests.testing._sites import IMPORTS, folder, run_apart, tried

pytest_plugins = "pytester"

AROUND = """
ASYNC = contextvars.ContextVar("ASYNC", default=0)
SYNC = contextvars.ContextVar("SYNC", default=0)

@pytest.fixture
def served(orchestrator):
    orchestrator.add(greet_flow)
    return orchestrator

@pytest.fixture
async def loop():
    ASYNC.set(ASYNC.get() + 1)
    async with asyncio.timeout(100):
        yield asyncio.get_running_loop()

@pytest.fixture
def variable():
    token = SYNC.set(7)
    yield
    SYNC.reset(token)

@pytest.fixture
async def client(served):
    async with served.working(worker), served.client() as client:
        yield client

@pytest.mark.parametrize("n", range(2))
async def test_works(loop, client, variable, n):
    assert asyncio.get_running_loop() is loop
    assert (ASYNC.get(), SYNC.get()) == (1, 7)
    job = await client.jobs.submit("greet", {"name": "Ada"})
    assert await job.result() == {"message": "Hello, Ada!"}

class TestMethods:
    @pytest.fixture
    async def itself(self, served):
        return self

    async def test_is_bound(self, itself):
        assert itself is self

async def test_live(live_orchestrator, loop):
    assert asyncio.get_running_loop() is loop

def test_leaves_nothing_behind():
    assert (ASYNC.get(), SYNC.get()) == (0, 0)
"""

AUTO = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")


def test_async_fixtures_run_on_the_loop_of_their_test(pytester):
    tried(pytester, AROUND).assert_outcomes(passed=5)


def test_async_fixtures_of_pytest_asyncio_share_their_loop_with_ours(pytester):
    folder(pytester, IMPORTS + AROUND)
    run_apart(pytester, *AUTO).assert_outcomes(passed=5)


@pytest.mark.parametrize("options", [("-p", "no:asyncio"), AUTO], ids=["ours", "pytest-asyncio"])
def test_a_wait_in_vain_ends_where_a_fixture_has_begun(pytester, options):
    folder(
        pytester,
        IMPORTS
        + """
@pytest.fixture
async def client(orchestrator):
    async with orchestrator.client() as client:
        await client.status()
        yield client

async def test_waits(client):
    await asyncio.Event().wait()
""",
    )
    result = run_apart(pytester, *options)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["> *await asyncio.Event().wait()", "E *NeverEndsError: this wait never ends: *"])


def test_what_is_left_wrong_is_told_though_a_fixture_still_uses_the_server(pytester):
    result = tried(
        pytester,
        """
@pytest.fixture
async def client(orchestrator):
    async with orchestrator.client() as client:
        yield client

async def test_leaves(client, orchestrator):
    orchestrator.faults.drop_request("POST /nowhere")
""",
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(['drop_request("POST /nowhere"*'])


def test_an_async_fixture_that_yields_twice_is_told_so(pytester):
    result = tried(
        pytester,
        """
@pytest.fixture
async def twice(orchestrator):
    yield 1
    yield 2

async def test_it(twice): ...
""",
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["fixture `twice` yields more than once"])


def test_each_test_has_a_state_of_its_own(pytester):
    result = tried(
        pytester,
        """
@pytest.mark.parametrize("n", range(3))
async def test_it(orchestrator, n):
    orchestrator.add(greet_flow)
    async with orchestrator.client() as client:
        assert len((await client.jobs.list().first_page()).items) == 0
        await client.jobs.submit("greet", {"name": "Ada"})

@pytest.mark.parametrize("n", range(3))
def test_live(live_orchestrator, n):
    live_orchestrator.add(greet_flow)
    with live_orchestrator.client() as client:
        assert len(client.jobs.list().first_page().items) == 0
        client.jobs.submit("greet", {"name": "Ada"})
""",
    )
    result.assert_outcomes(passed=6)


def test_settings_come_from_a_fixture_to_override_or_parametrise(pytester):
    result = tried(
        pytester,
        """
from orchestrator_lite import Settings

@pytest.fixture
def orchestrator_settings():
    return Settings(client_token="the-clients", worker_token="the-workers", max_body=1000)

async def test_inside(orchestrator):
    assert (orchestrator.client_token, orchestrator.settings.max_body) == ("the-clients", 1000)
    orchestrator.add(greet_flow)
    async with orchestrator.working(worker), orchestrator.client() as client:
        job = await client.jobs.submit("greet", {"name": "Ada"})
        assert await job.result() == {"message": "Hello, Ada!"}

def test_live(live_orchestrator):
    assert live_orchestrator.worker_token == "the-workers"
    with live_orchestrator.client() as client:
        client.workers.list()

@pytest.mark.parametrize("orchestrator_settings", [Settings(max_body=n) for n in (100, 200)])
async def test_parametrised(orchestrator, orchestrator_settings):
    assert orchestrator.settings is orchestrator_settings
""",
    )
    result.assert_outcomes(passed=4)


def test_the_environment_of_the_tests_is_not_their_servers(pytester, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_LITE_CLIENT_TOKEN", "of the machine")
    monkeypatch.setenv("AVTOMATIKA_URL", "http://elsewhere.invalid")
    monkeypatch.setenv("AVTOMATIKA_CLIENT_TOKEN", "of the machine")
    result = tried(
        pytester,
        """
async def test_inside(orchestrator):
    assert orchestrator.client_token == "dev-client-token"
    async with orchestrator.client() as client:
        await client.workers.list()

def test_live(live_orchestrator):
    with live_orchestrator.client() as client:
        client.workers.list()
""",
    )
    result.assert_outcomes(passed=2)


def test_a_fresh_orchestrator_costs_next_to_nothing(pytester):
    result = tried(
        pytester,
        """
from avtomatika_client.protocol.clock import SYSTEM_CLOCK

TIMES = [SYSTEM_CLOCK.monotonic()]

@pytest.mark.parametrize("n", range(40))
async def test_it(orchestrator, n):
    await orchestrator.ready()
    TIMES.append(SYSTEM_CLOCK.monotonic())

def test_quick():
    between = sorted(later - earlier for earlier, later in zip(TIMES[1:], TIMES[2:]))
    assert between[len(between) // 4] < 0.02, between  # pytest's own part included
""",
    )
    result.assert_outcomes(passed=41)
