"""The pytest plugin (entry point `pytest11`); it imports nothing but pytest until a fixture is used."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from orchestrator_lite.settings import Settings
    from orchestrator_lite.testing._around.background import Background
    from orchestrator_lite.testing._around.running import TestLoop
    from orchestrator_lite.testing._around.watch import Watch
    from orchestrator_lite.testing._live import LiveOrchestrator
    from orchestrator_lite.testing._orchestrator import VirtualOrchestrator

NAMES = frozenset({"orchestrator", "live_orchestrator"})
WATCH: pytest.StashKey[Watch] = pytest.StashKey()
"""On a test that has been given one of our fixtures: what is known of it."""
BACKGROUND: pytest.StashKey[Background] = pytest.StashKey()
"""On a session that has used `live_orchestrator`: the thread all its servers run in."""


@pytest.fixture(scope="session")
def orchestrator_settings() -> Settings | None:
    """Override this fixture, or parametrise it, to give the servers of your tests other settings."""
    return None


@pytest.fixture
def orchestrator(
    request: pytest.FixtureRequest, orchestrator_settings: Settings | None, _orchestrator_loop: TestLoop
) -> Iterator[VirtualOrchestrator]:
    """A server in this process with a virtual clock, fresh for each test; for `async def` tests."""
    with _extras(request):
        from orchestrator_lite.testing._around import fixtures
    yield from fixtures.virtual(request, orchestrator_settings, _orchestrator_loop)


@pytest.fixture
def live_orchestrator(
    request: pytest.FixtureRequest, orchestrator_settings: Settings | None, _orchestrator_loop: TestLoop
) -> Iterator[LiveOrchestrator]:
    """A server on a free port, its state fresh for each test."""
    with _extras(request):
        from orchestrator_lite.testing._around import fixtures
    yield from fixtures.live(request, orchestrator_settings, _orchestrator_loop)


@pytest.fixture(name="_orchestrator_loop")
def loop_of_test() -> Iterator[TestLoop]:
    """The event loop of a test that nobody else runs; it is made when it is first needed."""
    from orchestrator_lite.testing._around.running import TestLoop

    with TestLoop() as loop:
        yield loop


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test that uses our fixtures, unless somebody else does."""
    watch = pyfuncitem.stash.get(WATCH, None)
    if watch is None or "anyio_backend" in pyfuncitem.funcargs or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    watch.run(pyfuncitem)
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """See to it that what a test did wrong is its failure, in one line."""
    __tracebackhide__ = True
    watch = item.stash.get(WATCH, None)
    if watch is None or not isinstance(item, pytest.Function):
        return (yield)
    return (yield from watch.watching(item))


@pytest.hookimpl(wrapper=True, trylast=True)  # those who run async fixtures themselves have taken theirs by now
def pytest_fixture_setup(fixturedef: Any, request: pytest.FixtureRequest) -> Generator[None, object, object]:
    """Run async fixtures of tests that we run."""
    function = fixturedef.func
    if not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)) or not _is_ours(request):
        return (yield)
    from orchestrator_lite.testing._around.async_fixtures import in_step

    fixturedef.func = in_step(function, request, request.getfixturevalue("_orchestrator_loop"))
    try:
        return (yield)
    finally:
        fixturedef.func = function


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the thread of the servers."""
    if (background := config.stash.get(BACKGROUND, None)) is not None:
        background.stop()


def _is_ours(request: pytest.FixtureRequest) -> bool:
    """Whether an async fixture belongs to an async test that uses our fixtures and that nobody else runs."""
    item = request.node
    return (
        request.scope == "function"
        and not NAMES.isdisjoint(request.fixturenames)
        and "anyio_backend" not in request.fixturenames
        and inspect.iscoroutinefunction(getattr(item, "obj", None))
        and not (item.get_closest_marker("asyncio") and request.config.pluginmanager.has_plugin("asyncio"))
    )


@contextmanager
def _extras(request: pytest.FixtureRequest) -> Iterator[None]:
    """Says in one line what is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in {"avtomatika_client", "avtomatika_worker", "orchestrator_lite"}:
            raise
        pytest.fail(
            f"`{request.fixturename}` needs {missing}, which is not installed: pip install 'avtomatika-sdk[all]'",
            pytrace=False,
        )
