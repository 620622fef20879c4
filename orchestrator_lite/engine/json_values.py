"""JSON values as handlers and workers leave them: checked, and copied so that nobody shares a mutable one."""

from __future__ import annotations

import math
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from avtomatika_client.protocol.errors import AvtomatikaError


class NotJSONError(AvtomatikaError):
    """A value that JSON cannot hold; the message names where it lies."""


DEEPEST = 100
"""Levels a value may be nested: what is written must be read again, and the reader stops at 200."""

LONGEST_INT = 10_000
"""Bits of an integer, for the same reason."""


def copied(value: Any, path: str = "", depth: int = 0) -> Any:
    """A private copy of `value` made of plain JSON types.

    Models, dataclasses, dates and the like are written as pydantic would write them.

    Args:
        value: The value.
        path: Where it lies, for the error.
        depth: How many levels it lies deep already.

    Raises:
        NotJSONError: A value (its path is named) that has no JSON form, NaN and infinities among them.
    """
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _text(value, path)
    if value is None or kind is bool:
        return value
    if kind is int:
        return _integer(value, path)
    if kind is float:
        if not math.isfinite(value):
            raise _refused(path, f"{value} is no JSON number")
        return value
    if depth >= DEEPEST:
        raise _refused(path[:200], f"nested deeper than {DEEPEST} levels")
    if kind is dict:
        return {
            _key(key, path): copied(item, f"{path}.{key}" if path else str(key), depth + 1)
            for key, item in value.items()
        }
    if kind is list or kind is tuple:
        return [copied(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    return _converted(value, path, depth)


def _refused(path: str, why: str) -> NotJSONError:
    return NotJSONError(f"{path or 'value'}: {why}")


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _refused(path, "a text with half a surrogate pair has no JSON form") from error
    return value


def _integer(value: int, path: str) -> int:
    if value.bit_length() > LONGEST_INT:
        raise _refused(path, f"an integer of more than {LONGEST_INT} bits is no JSON number")
    return value


def _key(key: object, path: str) -> str:
    if isinstance(key, str):
        return key if key.isascii() else _text(key, path)
    if isinstance(key, int):
        return str(_integer(key, path))
    raise _refused(path, f"a key of type {type(key).__name__} is no JSON key")


def _converted(value: object, path: str, depth: int) -> Any:
    why = f"{type(value).__name__} has no JSON form"
    try:
        plain = to_jsonable_python(value, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise _refused(path, why) from error
    if type(plain) is type(value):
        raise _refused(path, why)
    return copied(plain, path, depth)
