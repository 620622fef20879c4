"""Cuts tracebacks down to the user's own lines."""

from __future__ import annotations

from types import TracebackType
from typing import Final

import pytest

from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite.testing._places import is_asyncio, is_ours, is_python

_TOLD: Final = (AvtomatikaError, pytest.fail.Exception)
"""Errors whose message says it all."""


def cut(error: BaseException, config: pytest.Config) -> None:
    """Leave the user's lines in the traceback of a failure; `--full-trace` and `--tb=native` leave everything.

    What we raise is meant for the line that called us, so nothing below it is shown. The lines of ours in which
    another error came up remain: they are where a mistake of ours would be.
    """
    if not (config.getoption("fulltrace", False) or config.getoption("tbstyle", "auto") == "native"):
        _cut(error, set())


def _cut(error: BaseException, seen: set[int], *, in_group: bool = False) -> None:
    if id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = _rebuilt(_kept(error, in_group=in_group))
    for other in (error.__cause__, error.__context__):
        if other is not None:
            _cut(other, seen)
    if isinstance(error, AvtomatikaError) and not any(map(_has_user_lines, (error.__cause__, error.__context__))):
        error.__cause__ = None
        error.__suppress_context__ = True
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            _cut(each, seen, in_group=True)


def _kept(error: BaseException, *, in_group: bool) -> list[TracebackType]:
    entries = _entries(error.__traceback__)
    last = max((at for at, entry in enumerate(entries) if _is_users(entry)), default=-1)
    tail = [] if isinstance(error, _TOLD) and (last >= 0 or in_group) else entries[last + 1 :]
    return [
        *(entry for entry in entries[: last + 1] if not is_ours(_file(entry)) and not is_asyncio(_file(entry))),
        *(entry for entry in tail if not is_asyncio(_file(entry))),
    ]


def _rebuilt(entries: list[TracebackType]) -> TracebackType | None:
    below = None
    for entry in reversed(entries):
        below = TracebackType(below, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return below


def _entries(trace: TracebackType | None) -> list[TracebackType]:
    entries = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    return entries


def _file(entry: TracebackType) -> str:
    return entry.tb_frame.f_code.co_filename


def _is_users(entry: TracebackType) -> bool:
    return not (is_ours(_file(entry)) or is_python(_file(entry)))


def _has_user_lines(error: BaseException | None) -> bool:
    return error is not None and any(map(_is_users, _entries(error.__traceback__)))
