"""JSON values as handlers and workers leave them: checked, and copied so that nobody shares a mutable one."""

from __future__ import annotations

import math
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from avtomatika_client.protocol.errors import AvtomatikaError


class NotJSONError(AvtomatikaError):
    """A value that JSON cannot hold; the message names where it lies."""


_PLAIN = frozenset({str, int, bool, type(None)})


def copied(value: Any, path: str = "") -> Any:
    """A private copy of `value` made of plain JSON types.

    Models, dataclasses, dates and the like are written as pydantic would write them.

    Raises:
        NotJSONError: A value (its path is named) that has no JSON form, NaN and infinities among them.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {_key(key, path): copied(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [copied(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if kind is float:
        if not math.isfinite(value):
            raise NotJSONError(f"{path or 'value'}: {value} is no JSON number")
        return value
    return _converted(value, path)


def _key(key: object, path: str) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, int):
        return str(key)
    raise NotJSONError(f"{path or 'value'}: a key of type {type(key).__name__} is no JSON key")


def _converted(value: object, path: str) -> Any:
    try:
        plain = to_jsonable_python(value, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise NotJSONError(f"{path or 'value'}: {type(value).__name__} has no JSON form") from error
    if type(plain) is type(value):
        raise NotJSONError(f"{path or 'value'}: {type(value).__name__} has no JSON form")
    return copied(plain, path)
