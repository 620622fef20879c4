"""Waiting for a job, with what it says of its progress shown on a terminal meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from avtomatika_client._calls._session import Budget
from avtomatika_client._calls.events import Events
from avtomatika_client._cli._failures import plain
from avtomatika_client._cli._show import console
from avtomatika_client._resources._events import each_event
from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from rich.console import Console

    from avtomatika_client._resources._handle import JobHandle
    from avtomatika_client.protocol._base import JSON
    from avtomatika_client.protocol.watching import JobEvent

Shown: TypeAlias = Callable[["dict[str, JSON]", str], None]
"""Shows a job's status and progress, where anything is known, and words beside it."""


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

        def show(known: dict[str, JSON], said: str) -> None:
            if not known:
                progress.update(bar, words=said)
                return
            done = known.get("progress")
            percent = "" if done is None else f"{done:.0%} "
            progress.update(
                bar,
                description=plain(str(known.get("status", "submitted"))),
                total=None if done is None else 1.0,
                completed=done or 0.0,
                words=plain(f"{percent}{said}"),
            )

        _read_along(job, timeout, clock, show)


def _read_along(job: JobHandle, timeout: float | None, clock: Clock, show: Shown) -> None:
    budget, caller = Budget(clock, timeout), job._caller  # noqa: SLF001
    known: dict[str, JSON] = {}

    def silent() -> None:
        show({}, "no answer, trying again")

    for event in each_event(caller, Events(caller.session, job._ref, budget, on_outage=silent)):  # noqa: SLF001
        known = {**known, **_told(event)}
        show(known, str(known.get("message") or ""))
    job.wait(budget.left)


def _told(event: JobEvent) -> dict[str, JSON]:
    """What an event says of the job's state and progress; a task that has ended has none any more."""
    if event.type == "progress":
        return {"progress": event.progress, "message": event.message}
    snapshot = event.data.get("context_snapshot")
    status = (snapshot if isinstance(snapshot, dict) else event.data).get("status")
    told = {} if status is None else {"status": str(status)}
    return {**told, "progress": None, "message": None} if event.type == "task_finished" else told
