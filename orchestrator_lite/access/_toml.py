"""Reads the official configuration's files of tables; what is wrong is told with file, line, table and field."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, NoReturn

from orchestrator_lite.access._errors import AccessError

_HEADER = re.compile(r"""\s*\[\s*("(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[A-Za-z0-9_-]+))\s*\]""")
LONGEST_TOKEN = 4096


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a file.

    Attributes:
        name: What stands in its brackets.
        fields: What stands below.
    """

    name: str
    fields: dict[str, Any]
    _wrong: Callable[[str, str | None, str], NoReturn]

    def wrong(self, field: str | None, what: str) -> NoReturn:
        """Refuse this table: file, line, table and field come first.

        Raises:
            AccessError: Always.
        """
        self._wrong(self.name, field, what)

    def token(self) -> str:
        """The field `token`, which must be there and fit into a header.

        Raises:
            AccessError: It does not; the message never tells it.
        """
        token = self.fields.get("token")
        if token is None:
            self.wrong("token", "is missing")
        if not isinstance(token, str) or not _sendable(token):
            self.wrong("token", "must be a text of printable ASCII characters without spaces around it")
        return token


def read_tables(path: Path) -> list[Table]:
    """The tables of a TOML file.

    Raises:
        AccessError: It cannot be read, is no TOML, or holds something else than tables.
    """
    try:
        text = path.read_text(encoding="utf-8")
        found = tomllib.loads(text)
    except OSError as error:
        raise AccessError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # tells the line; what stands there may be a token, so the cause is left out
        raise AccessError(f"{path}: is no TOML: {_place(error)}") from None
    return list(_tables(path, text, found))


def json_value(value: Any) -> Any:
    """A value of TOML as JSON has it: dates and times as text.

    Raises:
        ValueError: It has no JSON form (nan, infinity).
    """
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [json_value(item) for item in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


def _tables(path: Path, text: str, found: dict[str, Any]) -> Iterator[Table]:
    def wrong(table: str, field: str | None, what: str) -> NoReturn:
        line = _line_of(text, table, field)
        place = f"{path}:{line}" if line else str(path)
        raise AccessError(f"{place}: [{table}]{f' {field}:' if field else ''} {what}")

    for name, fields in found.items():
        if not isinstance(fields, dict):
            wrong(name, None, f"must be a table: [{name}], and its fields below")
        yield Table(name, fields, wrong)


def _line_of(text: str, table: str, field: str | None) -> int | None:
    """Where a table begins, or a field of it; None where it is written in a way that is not looked for."""
    assigned = re.compile(rf"""\s*["']?{re.escape(field)}["']?\s*=""") if field else None
    begun = None
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header is not None:
            if begun is not None:
                return begun
            begun = number if table in header.group("double", "single", "bare") else None
        elif begun is not None and assigned is not None and assigned.match(line):
            return number
    return begun


def _place(error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    found = re.search(r"\(at ([^()]*)\)$", str(error))
    return f"at {found[1]}" if found else "it cannot be parsed"


def _sendable(token: str) -> bool:
    return (
        bool(token)
        and len(token) <= LONGEST_TOKEN
        and token.isascii()
        and token.isprintable()
        and token == token.strip()
    )
