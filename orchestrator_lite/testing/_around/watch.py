"""One test with our fixtures: what is done around it, whoever runs it, and what it is told when it ends."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest

from orchestrator_lite.testing._around.awaits import Forgotten
from orchestrator_lite.testing._around.tracebacks import cut

if TYPE_CHECKING:
    from orchestrator_lite.testing._around.running import TestLoop
    from orchestrator_lite.testing._orchestrator import VirtualOrchestrator

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
        orchestrator: Its in-process server, if it asked for one and it has not ended.
    """

    def __init__(self, loop: TestLoop) -> None:
        self.orchestrator: VirtualOrchestrator | None = None
        self._loop = loop
        self._left: list[str] = []
        self._told = False

    def run(self, item: pytest.Function) -> None:
        """Run the test."""
        arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}  # noqa: SLF001 - pytest's own way
        self._loop.run(item.obj(**arguments))

    def watching(self, item: pytest.Function) -> Generator[None, object, object]:
        """Judge the test when it has run; a generator to be stepped over by a hook wrapper."""
        __tracebackhide__ = True
        forgotten = Forgotten(str(item.path))
        function = item.obj
        error, result = None, None
        with forgotten.watching():
            try:
                item.obj = self._attended(function, ends=not self._has_async_fixtures(item))
                result = yield
            except _PASSED_ON:
                self._told = True
                raise
            except BaseException as raised:
                error = raised
                forgotten.note_blamed(error)
            finally:
                item.obj = function
        left, self._left = self._left, []
        if error is None and not forgotten.lines:
            _fail(left)
            return result
        self._told = True
        _add(item, left)
        if forgotten.lines:
            _blame(forgotten.lines, error)
        _raise(error, item)

    def tear_down(self, item: pytest.Item) -> None:
        """End the in-process server if it still runs, and tell what the test left wrong."""
        orchestrator, self.orchestrator = self.orchestrator, None
        if orchestrator is not None:
            if self._loop.used:
                self._loop.run(self._ended(orchestrator))
            else:
                orchestrator.close()
                self._left = orchestrator.problems()
        self.report(item, self._left)

    def report(self, item: pytest.Item, left: list[str]) -> None:
        """Tell at the end of its fixture what a test left wrong."""
        if self._told:
            _add(item, left)
        else:
            _fail(left)

    def _has_async_fixtures(self, item: pytest.Function) -> bool:
        """Whether something may use the server after the test; then its own fixture ends it."""
        known = item._fixtureinfo.name2fixturedefs  # noqa: SLF001 - as every plugin that runs async fixtures
        return self._loop.used or any(inspect.isasyncgenfunction(found[-1].func) for found in known.values())

    def _attended(self, function: Callable[..., Any], *, ends: bool) -> Callable[..., Any]:
        """The test's function; with `ends`, the server ends with it, on the loop that both have run on."""
        orchestrator = self.orchestrator
        if orchestrator is None or not inspect.iscoroutinefunction(function):
            return function

        @functools.wraps(function)
        async def attended(*args: Any, **kwargs: Any) -> object:
            task = asyncio.current_task()
            orchestrator.attend(task)
            try:
                await orchestrator.ready()  # from here on no wait is a real one, whatever the test does first
                return await function(*args, **kwargs)
            except asyncio.CancelledError as cancelled:
                if orchestrator.failure is None or task is None:
                    raise
                task.uncancel()
                raise orchestrator.failure.with_traceback(cancelled.__traceback__) from None
            finally:
                if ends:
                    self.orchestrator = None
                    await self._ended(orchestrator)

        return attended

    async def _ended(self, orchestrator: VirtualOrchestrator) -> None:
        self._left = orchestrator.problems()
        await orchestrator.close_in_loop()


def _raise(error: BaseException | None, item: pytest.Item) -> NoReturn:
    __tracebackhide__ = True
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
