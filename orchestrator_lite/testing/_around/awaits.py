"""Finds the `await` that a test has forgotten.

Python warns of a coroutine that was never awaited when it is thrown away, through a function of the module `warnings`
that no filter stands before; while a test runs that function is ours, and what does not concern us is handed on to it.
"""

from __future__ import annotations

import inspect
import linecache
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import path
from types import CoroutineType
from typing import Any, Final, TypeAlias, TypeGuard

from orchestrator_lite.testing._places import is_asyncio, is_ours, is_python

DEPTH: Final = 4
"""Frames Python remembers of a coroutine's making: the first that is not ours is the test's."""
SHOWN: Final = 100
"""Characters shown of the line."""
_HOOK: Final = "_warn_unawaited_coroutine"

_Coroutine: TypeAlias = "CoroutineType[Any, Any, Any]"


class Forgotten:
    """The coroutines that a test called and did not await.

    Args:
        module: The test's file.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self.lines: list[str] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take down what is thrown away until the end of the block."""
        hand_on = getattr(warnings, _HOOK, None)
        depth = sys.get_coroutine_origin_tracking_depth()
        if hand_on is None:
            yield
            return

        def thrown_away(coroutine: _Coroutine) -> None:
            if not self.note(coroutine):
                hand_on(coroutine)

        sys.set_coroutine_origin_tracking_depth(max(depth, DEPTH))
        setattr(warnings, _HOOK, thrown_away)
        try:
            yield
        finally:
            setattr(warnings, _HOOK, hand_on)
            sys.set_coroutine_origin_tracking_depth(depth)

    def note(self, coroutine: object) -> bool:
        """Take a coroutine down if it is one that the test should have awaited."""
        if not isinstance(coroutine, CoroutineType):
            return False
        place = self._place(coroutine)
        if place is None:
            return False
        file, line, name = *place, coroutine.__name__
        source = linecache.getline(file, line).strip()
        source = source if len(source) <= SHOWN else f"{source[:SHOWN]}…"
        told = f"{_short(file)}:{line}: {name}() was not awaited, put `await` in front of it: {source}"
        if told not in self.lines:
            self.lines.append(told)
        return True

    def note_blamed(self, error: BaseException) -> None:
        """Take down coroutines that a failure is about: `'coroutine' object has no attribute …` and its like."""
        if "coroutine" not in str(error):
            return
        blamed = [getattr(error, "obj", None)]
        trace = error.__traceback__
        while trace is not None:
            if not is_ours(trace.tb_frame.f_code.co_filename):
                blamed.extend(trace.tb_frame.f_locals.values())
            trace = trace.tb_next
        for each in blamed:
            if _is_fresh(each) and self.note(each):
                each.close()

    def _place(self, coroutine: _Coroutine) -> tuple[str, int] | None:
        """Where the test called it; None: it was not the test."""
        written, origin = coroutine.cr_code.co_filename, coroutine.cr_origin or ()
        called_there = bool(origin) and origin[0][0] == self._module
        if not is_ours(written) and written != self._module and not called_there:
            return None
        for file, line, _ in origin:
            if not is_ours(file):
                return None if is_asyncio(file) or is_python(file) else (file, line)
        return None


def _is_fresh(each: object) -> TypeGuard[_Coroutine]:
    return isinstance(each, CoroutineType) and inspect.getcoroutinestate(each) == inspect.CORO_CREATED


def _short(file: str) -> str:
    try:
        near = path.relpath(file)
    except ValueError:  # another drive
        return file
    return file if near.startswith("..") else near
