"""The older form of a condition: `.when("context.initial_data.type == 'urgent'")`.

A small allow-list over Python's syntax: comparisons, `and`/`or`/`not`, constants, lists, and paths that start at
`context`. Dots and brackets both look up keys; what is missing is None.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Evaluate: TypeAlias = Callable[[object], Any]

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


def compile_condition(text: str) -> Evaluate:
    """A function of the context that says whether `text` holds.

    Raises:
        ValueError: The text is no condition; the message says what is not allowed.
    """
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ValueError(f"condition {text!r}: {error}") from error
    return _compiled(tree.body, text)


def _compiled(node: ast.expr, text: str) -> Evaluate:
    match node:
        case ast.Constant(value):
            return lambda _: value
        case ast.Name(id="context"):
            return lambda context: context
        case ast.Attribute(value=base, attr=name) if not name.startswith("_"):
            return _path(_compiled(base, text), lambda _: name)
        case ast.Subscript(value=base, slice=key):
            return _path(_compiled(base, text), _compiled(key, text))
        case ast.List(elts) | ast.Tuple(elts):
            items = [_compiled(item, text) for item in elts]
            return lambda context: [item(context) for item in items]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _compiled(operand, text)
            return lambda context: not inner(context)
        case ast.BoolOp(op=op, values=values):
            return _boolean(op, [_compiled(value, text) for value in values])
        case ast.Compare(left=left, ops=ops, comparators=others):
            return _comparison([_compiled(item, text) for item in (left, *others)], ops)
        case _:
            raise ValueError(f"condition {text!r}: {ast.unparse(node)!r} is not allowed")


def _path(base: Evaluate, key: Evaluate) -> Evaluate:
    def look_up(context: object) -> object:
        return _item(base(context), key(context))

    return look_up


def _item(holder: object, key: object) -> object:
    if isinstance(holder, Mapping):
        return holder.get(key)
    if isinstance(holder, list) and isinstance(key, int):
        return holder[key] if -len(holder) <= key < len(holder) else None
    if isinstance(key, str) and not isinstance(holder, str | int | float | bool | list | None):
        return getattr(holder, key, None)
    return None


def _boolean(op: ast.boolop, parts: list[Evaluate]) -> Evaluate:
    if isinstance(op, ast.And):
        return lambda context: all(part(context) for part in parts)
    return lambda context: any(part(context) for part in parts)


def _comparison(parts: list[Evaluate], ops: list[ast.cmpop]) -> Evaluate:
    compares = [_COMPARISONS[type(op)] for op in ops]

    def compare(context: object) -> bool:
        values = [part(context) for part in parts]
        return all(test(left, right) for test, left, right in zip(compares, values, values[1:], strict=False))

    return compare
