"""What a job begins with: a JSON object from the command line, a file or standard input; and files."""

from __future__ import annotations

import json
import os
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


def files(given: list[str]) -> dict[str, Path]:
    """The files that were given, by their names within the job: `NAME=PATH`, or `PATH` under its own name.

    Raises:
        Stop: One cannot be read, or two have the same name.
    """
    found: dict[str, Path] = {}
    for one in given:
        name, is_named, path = one.partition("=")
        file = Path(path if is_named else one)
        name = name if is_named else file.name
        if name in found:
            raise Stop(USAGE, f"Two files are named {name!r}: write --file NAME=PATH to name one otherwise.")
        try:
            file.open("rb").close()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise Stop(USAGE, f"The file {str(file)!r} cannot be read: {why}.") from None
        found[name] = file
    return found


def _text(given: str) -> tuple[str, str]:
    """Where the text is from, in words, and the text."""
    try:
        if given == "@":
            raise Stop(USAGE, "The name of a file is wanted after the @.")
        if given == "-":
            return "Standard input", sys.stdin.buffer.read().decode("utf-8-sig")
        if given.startswith("@"):
            return f"The file {given[1:]}", Path(given[1:]).read_bytes().decode("utf-8-sig")
        # JSON is UTF-8 whatever the locale; what the locale could not read are surrogates by now.
        return "The job's data", os.fsencode(given).decode("utf-8")
    except OSError as error:
        raise Stop(USAGE, f"The file {given[1:]} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise Stop(USAGE, f"The input is no UTF-8 text (byte {error.start}).") from None
    except ValueError as error:
        raise Stop(USAGE, f"The file {given[1:]!r} cannot be read: {error}.") from None


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
