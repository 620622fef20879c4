"""Standard output: tables and views on a terminal, else one JSON document."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from avtomatika_client._cli._failures import plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from avtomatika_client.protocol._base import JSON

_BROKEN_PIPE = 141
# Only texts can hold them, and there a reader takes the escape for the character.
_OBEYED = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_COLOURS = {
    "finished": "green",
    "failed": "red",
    "error": "red",
    "quarantined": "red",
    "cancelled": "yellow",
    "running": "cyan",
}


def as_table(as_json: bool) -> bool:
    """Whether people are shown tables: on a terminal, unless JSON was asked for."""
    return not as_json and sys.stdout.isatty()


def document(value: JSON) -> None:
    """Write a JSON value."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    shown = _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    _write(f"{shown}\n", instead=lambda: f"{json.dumps(value, indent=2)}\n")


def one_line(value: JSON) -> None:
    """Write a JSON value on a line of its own."""
    text = json.dumps(value, ensure_ascii=False)
    _write(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n", instead=lambda: f"{json.dumps(value)}\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, whole: str, status: str | None = None) -> None:
    """Write a table.

    Args:
        columns: The headings.
        rows: The cells, as others wrote them.
        whole: The column that is never cut, because people copy it.
        status: The column whose words have colours.
    """
    from rich.table import Table

    shown = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        shown.add_column(name, no_wrap=name == whole, overflow="fold")
    for row in rows:
        shown.add_row(*(_cell(text, name == status) for name, text in zip(columns, row, strict=True)))
    _print(shown)


def view(fields: Sequence[tuple[str, str]]) -> None:
    """Write names and values, one below the other; what is empty is left out."""
    from rich.table import Table

    shown = Table.grid(padding=(0, 2, 0, 0))
    shown.add_column(style="bold", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, text in fields:
        if text:
            shown.add_row(name, _cell(text, name == "status"))
    _print(shown)


def line(text: str) -> None:
    """Write one line."""
    _write(plain(text) + "\n")


def note(text: str) -> None:
    """Say something beside the output, on standard error."""
    sys.stderr.write(plain(text) + "\n")


def _cell(text: str, coloured: bool) -> RenderableType:
    from rich.text import Text

    return Text(plain(text), style=_COLOURS.get(text, "") if coloured else "")


def _print(shown: RenderableType) -> None:
    terminal = console()
    with terminal.capture() as captured:
        terminal.print(shown)
    _write("\n".join(row.rstrip() for row in captured.get().splitlines()) + "\n")


def console(*, stderr: bool = False) -> Console:
    """A terminal of rich's that takes nothing for markup; with NO_COLOR it knows no styles."""
    from rich.console import Console

    plainly = bool(os.environ.get("NO_COLOR"))
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, color_system=None if plainly else "auto")


def _write(text: str, instead: Callable[[], str] | None = None) -> None:
    """Write a text; where the output's encoding lacks its letters `instead`, by default with Python's escapes."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except UnicodeEncodeError:
        _write(text.encode("ascii", "backslashreplace").decode() if instead is None else instead())
    except BrokenPipeError:
        # The interpreter flushes once more at its end, into a pipe that nobody reads.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(_BROKEN_PIPE) from None
