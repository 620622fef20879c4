"""The demo's progress bar: parts counted of all files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from types import TracebackType


class Bar:
    """Drawn on standard error, and only if that is a terminal (`visible`)."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self.visible = console.is_terminal
        self._progress = Progress(
            TextColumn("counting words"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("parts"),
            TimeElapsedColumn(),
            console=console,
            disable=not self.visible,
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, done: int, total: int | None) -> None:
        """So many parts are counted, of so many as far as that is known."""
        self._progress.update(self._task, completed=done, total=total)
