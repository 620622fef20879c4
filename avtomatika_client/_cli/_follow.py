"""Waiting for a job, with what it says of its progress shown on a terminal meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from avtomatika_client._cli._failures import plain
from avtomatika_client._cli._show import console
from avtomatika_client.errors import APIConnectionError, ServerError, WaitTimeout
from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from rich.console import Console

    from avtomatika_client._resources._handle import JobHandle
    from avtomatika_client.protocol.jobs import Job

_LOOKS = (0.1, 0.2, 0.5)
"""Seconds between two looks at the job's progress; the last one for ever. Its end is known at once."""

_LOOK_TIMEOUT = 5.0

Shown: TypeAlias = Callable[["Job | None", str], None]
"""Shows a job's state, if any is known, and words beside it."""


def follow(job: JobHandle, timeout: float | None, clock: Clock = SYSTEM_CLOCK) -> None:
    """Wait until a job has ended.

    Args:
        job: The job; its state is read whatever happens, as far as the server tells it.
        timeout: Seconds; None: as long as it takes.
        clock: Whose seconds these are.

    Raises:
        WaitTimeout: The time was up.
    """
    terminal = console(stderr=True)
    if sys.stderr.isatty() and not terminal.is_dumb_terminal:
        _watch(job, timeout, clock, terminal)
    else:
        job.wait(timeout)


def _watch(job: JobHandle, timeout: float | None, clock: Clock, terminal: Console) -> None:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    words = TextColumn("{task.fields[words]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
    state = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
    columns = (SpinnerColumn(), state, BarColumn(bar_width=24), TimeElapsedColumn(), words)
    with Progress(*columns, console=terminal, transient=True) as progress:
        bar = progress.add_task("submitted", total=None, words="")

        def show(known: Job | None, said: str) -> None:
            if known is None:
                progress.update(bar, words=said)
                return
            done = known.progress
            percent = "" if done is None else f"{done:.0%} "
            progress.update(
                bar,
                description=plain(known.end_status),
                total=None if done is None else 1.0,
                completed=done or 0.0,
                words=plain(f"{percent}{said}"),
            )

        _look_again_and_again(job, timeout, clock, show)


def _look_again_and_again(job: JobHandle, timeout: float | None, clock: Clock, show: Shown) -> None:
    end = None if timeout is None else clock.monotonic() + timeout
    looks = iter(_LOOKS)
    while True:
        pause = next(looks, _LOOKS[-1])
        left = None if end is None else max(0.0, end - clock.monotonic())
        try:
            job.wait(pause if left is None else min(pause, left))
        except WaitTimeout:
            if left is not None and left <= pause:
                raise
        else:
            return
        try:
            known = job.refresh(timeout=_LOOK_TIMEOUT).state
        except (APIConnectionError, ServerError):
            show(None, "no answer, trying again")
        else:
            show(known, (known and known.progress_message) or "")
