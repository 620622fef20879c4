"""Options and helpers of the whole suite."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

pytest_plugins = ["tests._support.gate"]

T = TypeVar("T")


def run(coroutine: Coroutine[object, object, T]) -> T:
    """Run the body of an async test."""
    return asyncio.run(coroutine)
