"""An example of a job: what its start asks of the initial data, filled in from what the skills expect."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from textwrap import dedent
from typing import Any, Final

from orchestrator_lite.blueprint import CONTEXT_NAMES, Blueprint, StateHandler
from orchestrator_lite.dev.develop._orders import Served

_VALUES: Final[dict[str, Any]] = {"integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}, "null": None}


def served(blueprint: Blueprint) -> Served:
    """What a caller needs to know of a blueprint."""
    endpoint = blueprint.api_endpoint
    path = None if endpoint is None else f"/api/{blueprint.api_version or 'v1'}{endpoint}"
    start = blueprint.start_state or ""
    handlers = [*blueprint.conditionals.get(start, ()), *filter(None, [blueprint.defaults.get(start)])]
    return Served(blueprint.name, path, list(dict.fromkeys(key for one in handlers for key in _keys(one))))


def initial_data(keys: Iterable[str], inputs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Initial data with these keys; a key that a skill's input has too gets a value of its kind."""
    known = [schema.get("properties", {}) for schema in inputs]
    return {key: _value(key, next((one[key] for one in known if key in one), {})) for key in keys}


def _keys(handler: StateHandler) -> Iterator[str]:
    """`initial_data["key"]` in its source, and arguments that only the initial data can have."""
    yield from sorted(handler.required - CONTEXT_NAMES - {"context"})
    try:
        tree = ast.parse(dedent(inspect.getsource(handler.function)))
    except (OSError, TypeError, SyntaxError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and _named(node.value) == "initial_data":
            key = node.slice
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value


def _named(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def _value(key: str, schema: dict[str, Any]) -> Any:
    for choices in (schema.get("examples"), schema.get("enum")):
        if choices:
            return choices[0]
    if "default" in schema:
        return schema["default"]
    kind = schema.get("type") or next((one.get("type") for one in schema.get("anyOf", ())), None)
    return _VALUES.get(kind or "string", "Ada" if key.endswith("name") else "text")
