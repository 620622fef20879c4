"""The JSON object a job begins with: from the command line, a file or standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from avtomatika_client._cli._failures import USAGE, Stop

if TYPE_CHECKING:
    from avtomatika_client.protocol._base import JSON


def initial_data(given: str | None) -> dict[str, JSON]:
    """The object that was given: as it stands, as `@file`, as `-` for standard input; nothing is an empty one.

    Raises:
        Stop: It cannot be read, is no JSON, or no object.
    """
    if given is None:
        return {}
    source, text = _text(given)
    try:
        found = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise Stop(USAGE, _misread(source, text, error)) from None
    except ValueError as error:
        raise Stop(USAGE, f"{source} is no valid JSON: {error}.") from None
    except RecursionError:
        raise Stop(USAGE, f"{source} is nested too deeply.") from None
    if not isinstance(found, dict):
        raise Stop(USAGE, f"{source} must be a JSON object, such as {{}}, and is {_kind(found)}.")
    return found


def _text(given: str) -> tuple[str, str]:
    """Where the text is from, in words, and the text."""
    try:
        if given == "-":
            return "Standard input", sys.stdin.buffer.read().decode("utf-8-sig")
        if given.startswith("@"):
            return f"The file {given[1:]}", Path(given[1:]).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise Stop(USAGE, f"The file {given[1:]} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise Stop(USAGE, f"The input is no UTF-8 text (byte {error.start}).") from None
    except ValueError as error:
        raise Stop(USAGE, f"The file {given[1:]!r} cannot be read: {error}.") from None
    return "The job's data", given


def _misread(source: str, text: str, error: json.JSONDecodeError) -> str:
    where = f"line {error.lineno}, column {error.colno}"
    if not text.strip():
        return f"{source} is empty: a JSON object is wanted, such as {{}}."
    near = text[error.pos : error.pos + 20].splitlines()
    seen = f" at {near[0]!r}" if near and near[0].strip() else ""
    hint = "" if source != "The job's data" else ' In a shell it stands in single quotes: \'{"name": "Ada"}\'.'
    return f"{source} is no valid JSON: {error.msg}, {where}{seen}.{hint}"


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _kind(value: JSON) -> str:
    names = {list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
