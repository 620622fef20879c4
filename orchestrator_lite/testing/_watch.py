"""One test with our fixtures: who runs it, and what it is told when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TYPE_CHECKING, Final, NoReturn

import pytest

from orchestrator_lite.testing._awaits import Forgotten
from orchestrator_lite.testing._traceback import cut

if TYPE_CHECKING:
    from orchestrator_lite.testing._orchestrator import VirtualOrchestrator
    from orchestrator_lite.testing._running import TestLoop

_PASSED_ON: Final = (
    KeyboardInterrupt,
    SystemExit,
    GeneratorExit,
    pytest.exit.Exception,
    pytest.skip.Exception,
    pytest.xfail.Exception,
)


class Watch:
    """What is known of one test.

    Args:
        loop: The loop it runs on if we run it.

    Attributes:
        orchestrator: Its in-process server, if it asked for one.
    """

    def __init__(self, loop: TestLoop) -> None:
        self.orchestrator: VirtualOrchestrator | None = None
        self._told = False
        self._loop = loop
        self._runs = False
        self._has_async_fixtures = False

    def run(self, item: pytest.Function) -> None:
        """Run the test."""
        self._runs, self._has_async_fixtures = True, self._loop.used
        arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}  # noqa: SLF001 - pytest's own way
        self._loop.run(item.obj(**arguments))

    def watching(self, item: pytest.Function) -> Generator[None, object, object]:
        """Judge the test when it has run; a generator to be stepped over by a hook wrapper."""
        forgotten = Forgotten(str(item.path))
        error, result = None, None
        with forgotten.watching():
            try:
                result = yield
            except _PASSED_ON:
                self._told = True
                raise
            except BaseException as raised:
                error = self._cause(raised)
                forgotten.note_blamed(error)
        # with async fixtures set up the server is still in use: its own fixture ends it
        left = self.ended() if self._runs and not self._has_async_fixtures else []
        if error is None and not forgotten.lines:
            _fail(left)
            return result
        self._told = True
        _add(item, left)
        if forgotten.lines:
            _blame(forgotten.lines, error)
        _raise(error, item)

    def ended(self) -> list[str]:
        """End the in-process server; what the test left wrong, one line each."""
        orchestrator, self.orchestrator = self.orchestrator, None
        if orchestrator is None:
            return []
        left = orchestrator.problems()
        if self._loop.used:
            self._loop.run(orchestrator.close_in_loop())
        orchestrator.close()
        return left

    def report(self, item: pytest.Item, left: list[str]) -> None:
        """Tell at the end of its fixture what a test left wrong."""
        if self._told:
            _add(item, left)
        else:
            _fail(left)

    def _cause(self, error: BaseException) -> BaseException:
        """What is behind the cancellation of a test that waits in vain."""
        failure = None if self.orchestrator is None else self.orchestrator.failure
        if failure is None or not isinstance(error, asyncio.CancelledError):
            return error
        failure.__suppress_context__ = True
        return failure.with_traceback(error.__traceback__)


def _raise(error: BaseException | None, item: pytest.Item) -> NoReturn:
    assert error is not None  # noqa: S101 - else there were lines
    cut(error, item.config)
    raise error


def _blame(lines: list[str], error: BaseException | None) -> NoReturn:
    """The missing `await` is the cause, whatever came of it."""
    consequence = "" if error is None else f"{type(error).__name__}: {error}".partition("\n")[0]
    pytest.fail("\n".join([*lines, *([f"what came of it: {consequence}"] if consequence else [])]), pytrace=False)


def _fail(lines: list[str]) -> None:
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def _add(item: pytest.Item, lines: list[str]) -> None:
    if lines:
        item.add_report_section("call", "orchestrator", "\n".join(lines))
