"""Reads handlers' source for the states they lead to, so that a transition to nowhere is found before a job runs."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from textwrap import dedent
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from orchestrator_lite.blueprint import Blueprint, StateHandler

_READ: WeakKeyDictionary[Callable[..., Any], tuple[tuple[str, str], ...]] = WeakKeyDictionary()

_WITH_TRANSITIONS = {"dispatch_task": 2, "await_human_approval": 2, "run_blueprint": 2}
"""Actions that take `transitions`, and its place among the positional arguments."""


def dangling(blueprint: Blueprint) -> Iterator[str]:
    """A sentence, file and line first, for each transition to a state that has no handler."""
    states = blueprint.states
    for handler in _handlers(blueprint):
        for target, line in targets(handler):
            if target not in states:
                yield (
                    f"{handler.file}:{line}: blueprint {blueprint.name!r}: state {handler.state!r} leads to"
                    f" {target!r}, which has no handler"
                )


def targets(handler: StateHandler) -> Iterator[tuple[str, int]]:
    """The states a handler names in its source, with their lines; computed names are checked when it runs."""
    for node in ast.walk(_tree(handler)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_actions(node.func.value):
            for found in _named(node.func.attr, node):
                if isinstance(found, ast.Constant) and isinstance(found.value, str):
                    yield found.value, handler.line + found.lineno - 1


def ways(blueprint: Blueprint) -> Iterator[tuple[str, str, str]]:
    """State, next state and what leads there, as far as the handlers' source names them."""
    for handler in _handlers(blueprint):
        for label, target in _ways_of(handler):
            yield handler.state, target, label


def _ways_of(handler: StateHandler) -> tuple[tuple[str, str], ...]:
    """What leads where, read once: to parse a handler's source takes half a millisecond."""
    known = _READ.get(handler.function)
    if known is None:
        calls = (node for node in ast.walk(_tree(handler)) if isinstance(node, ast.Call))
        named = ((node.func, node) for node in calls if isinstance(node.func, ast.Attribute))
        found = (_labelled(func.attr, node) for func, node in named if _is_actions(func.value))
        known = _READ[handler.function] = tuple(way for ways in found for way in ways)
    return known


def _labelled(action: str, call: ast.Call) -> Iterator[tuple[str, str]]:
    if action in _WITH_TRANSITIONS:
        for argument in _argument(call, "transitions", _WITH_TRANSITIONS[action]):
            if isinstance(argument, ast.Dict):
                for key, value in zip(argument.keys, argument.values, strict=True):
                    if (target := _text(value)) is not None:
                        yield _about(action, call) + (_text(key) or "…"), target
        return
    for found in _named(action, call):
        if (target := _text(found)) is not None:
            yield ("all done" if action == "dispatch_parallel" else ""), target


def _about(action: str, call: ast.Call) -> str:
    """What is done on the way: the skill, the blueprint, or that people are asked."""
    if action == "await_human_approval":
        return "decided: "
    name = next((_text(item) for key in ("task_type", "blueprint_name") for item in _argument(call, key, 0)), None)
    return f"{name}: " if name else ""


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _handlers(blueprint: Blueprint) -> Iterator[StateHandler]:
    yield from blueprint.defaults.values()
    for group in blueprint.conditionals.values():
        yield from group
    yield from blueprint.aggregators.values()


def _tree(handler: StateHandler) -> ast.AST:
    try:
        return ast.parse(dedent(inspect.getsource(handler.function)))
    except (OSError, TypeError, SyntaxError):
        return ast.Module(body=[], type_ignores=[])


def _is_actions(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id == "actions") or (
        isinstance(node, ast.Attribute) and node.attr == "actions"
    )


def _named(action: str, call: ast.Call) -> Iterator[ast.expr]:
    if action in {"go_to", "transition_to"}:
        yield from _argument(call, "state", 0)
    elif action == "dispatch_parallel":
        yield from _argument(call, "aggregate_into", 1)
    elif action in _WITH_TRANSITIONS:
        for argument in _argument(call, "transitions", _WITH_TRANSITIONS[action]):
            if isinstance(argument, ast.Dict):
                yield from argument.values


def _argument(call: ast.Call, name: str, place: int) -> Iterator[ast.expr]:
    if len(call.args) > place:
        yield call.args[place]
    yield from (keyword.value for keyword in call.keywords if keyword.arg == name)
