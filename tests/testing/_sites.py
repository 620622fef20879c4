"""A user's folder with tests in it, and pytest run there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

# pytester forgets what its own runs import, and an extension module that is imported twice is not itself any more
import httptools  # noqa: F401
import uvicorn.protocols.http.httptools_impl  # noqa: F401

import orchestrator_lite.testing._around.async_fixtures
import orchestrator_lite.testing._around.fixtures  # noqa: F401

if TYPE_CHECKING:
    import pytest

GREET = (Path(__file__).parents[2] / "examples" / "greet" / "greet.py").read_text(encoding="utf-8")

IMPORTS = """
import asyncio
import contextvars
import pytest
from greet import greet_flow, worker
"""

TOUR = """
from greet import greet_flow, worker

async def test_greets(orchestrator):                 # in-process server, virtual clock, fresh per test
    orchestrator.add(greet_flow)
    async with orchestrator.working(worker), orchestrator.client() as client:
        job = await client.jobs.submit("greet", {"name": "Ada"})
        assert await job.result() == {"message": "Hello, Ada!"}

async def test_times_out(orchestrator):
    orchestrator.add(greet_flow)
    async with orchestrator.client() as client:
        job = await client.jobs.submit("greet", {"name": "Ada"}, dispatch_timeout=3600)
        await orchestrator.clock.advance(hours=2)     # no real waiting
        assert (await job.refresh()).status == "failed"
"""

_OTHERS = ("hypothesispytest", "respx", "schemathesis")
QUIET = ("-p", "no:cacheprovider", *(word for name in _OTHERS for word in ("-p", f"no:{name}")), "-W", "error")
ALONE = (*QUIET, "-p", "no:asyncio")
"""Options of a user who has no other plugin for async tests."""


def folder(pytester: pytest.Pytester, tests: str) -> None:
    """The folder of a user with `greet.py` and one file of tests."""
    pytester.makepyfile(greet=GREET, test_users=tests)


def tried(pytester: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    """What comes of tests that are written after some imports."""
    folder(pytester, IMPORTS + tests)
    return pytester.runpytest_inprocess(*ALONE, "-p", "no:randomly", *options)


def run_apart(pytester: pytest.Pytester, *options: str, first: str = "") -> pytest.RunResult:
    """pytest in a process of its own; `first` is run before pytest is imported."""
    start = f"import sys; {first}\nimport pytest; sys.exit(pytest.main())"
    return pytester.run(sys.executable, "-c", start, *QUIET, *options, timeout=50)
