"""What stands behind the fixtures `orchestrator` and `live_orchestrator`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator_lite.testing._around.background import Background
from orchestrator_lite.testing._around.watch import Watch
from orchestrator_lite.testing._live import LiveOrchestrator
from orchestrator_lite.testing._orchestrator import VirtualOrchestrator
from orchestrator_lite.testing._plugin import BACKGROUND, WATCH

if TYPE_CHECKING:
    from orchestrator_lite.settings import Settings
    from orchestrator_lite.testing._around.running import TestLoop


def virtual(request: pytest.FixtureRequest, settings: Settings | None, loop: TestLoop) -> Iterator[VirtualOrchestrator]:
    """The in-process server of one test."""
    _needs_asyncio(request)
    watch = _watch(request, loop)
    watch.orchestrator = orchestrator = VirtualOrchestrator(settings=settings, owner=request.node.name)
    orchestrator.on_stuck = loop.abandon
    yield orchestrator
    watch.tear_down(request.node)


def live(request: pytest.FixtureRequest, settings: Settings | None, loop: TestLoop) -> Iterator[LiveOrchestrator]:
    """The server of one test behind a real socket."""
    watch = _watch(request, loop)
    orchestrator = LiveOrchestrator(_background(request.config), settings=settings)
    yield orchestrator
    watch.report(request.node, orchestrator.close())


def _watch(request: pytest.FixtureRequest, loop: TestLoop) -> Watch:
    stash: pytest.Stash = request.node.stash
    if WATCH not in stash:
        stash[WATCH] = Watch(loop)
    return stash[WATCH]


def _background(config: pytest.Config) -> Background:
    """The session's thread for servers; another one when a test has left it blocked."""
    background = config.stash.get(BACKGROUND, None)
    if background is None or background.is_blocked:
        config.stash[BACKGROUND] = background = Background()
    return background


def _needs_asyncio(request: pytest.FixtureRequest) -> None:
    """Say in one line why this test cannot have a virtual clock."""
    name = request.node.name
    if not _is_async(request):
        pytest.fail(
            f"`orchestrator` is for `async def` tests, its clock is their event loop's: write `async def {name}(…)`, "
            "or use `live_orchestrator` in a plain `def`",
            pytrace=False,
        )
    if "anyio_backend" in request.fixturenames:
        backend: Any = request.getfixturevalue("anyio_backend")
        used = backend if isinstance(backend, str) else backend[0]
        if used != "asyncio":
            pytest.fail(
                f"`orchestrator` needs asyncio, and this test runs on {used}: let the fixture `anyio_backend` return "
                "'asyncio'",
                pytrace=False,
            )


def _is_async(request: pytest.FixtureRequest) -> bool:
    function = getattr(request.node, "obj", None)
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    return inspect.iscoroutinefunction(inspect.unwrap(inner) if callable(inner) else inner)
