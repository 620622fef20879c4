"""Async fixtures of tests that we run: in the loop and the task of their test."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator_lite.testing._around.running import TestLoop


def in_step(function: Callable[..., Any], request: pytest.FixtureRequest, loop: TestLoop) -> Callable[..., Any]:
    """The sync fixture function that stands for an async one until it has been set up."""
    bound = _bound(function, request.instance)
    if inspect.isasyncgenfunction(bound):
        return lambda **arguments: _generated(bound(**arguments), request, loop)
    return lambda **arguments: loop.run(bound(**arguments))


def _bound(function: Callable[..., Any], instance: object) -> Callable[..., Any]:
    """A fixture that is a method, bound to the instance its test runs on."""
    if inspect.ismethod(function) and type(function.__self__) is type(instance):
        method: Callable[..., Any] = function.__func__.__get__(instance)
        return method
    return function


def _generated(generator: Any, request: pytest.FixtureRequest, loop: TestLoop) -> object:
    def finish() -> None:
        if loop.run(_next(generator)) is not _END:
            pytest.fail(f"fixture `{request.fixturename}` yields more than once", pytrace=False)

    value = loop.run(_next(generator))
    if value is _END:
        pytest.fail(f"fixture `{request.fixturename}` did not yield a value", pytrace=False)
    request.addfinalizer(finish)
    return value


_END = object()


async def _next(generator: Any) -> object:
    return await anext(generator, _END)
