"""`@skill`: a function becomes something a worker offers."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cached_property, update_wrapper
from typing import Any, Generic, Literal, ParamSpec, TypeVar, overload

from avtomatika_worker._hints import read_signature, where
from avtomatika_worker._plan import Plan, Schema, compile_plan
from avtomatika_worker.errors import SkillDefinitionError

P = ParamSpec("P")
R = TypeVar("R")

Executor = Literal["async", "thread"]


class Skill(Generic[P, R]):
    """A function a worker offers; calling it calls the function.

    Attributes:
        name: What tasks call it.
        version: Published with it.
        timeout: Seconds one run may take; None: as long as the task's deadline allows.
        max_concurrent: How many may run at once in one worker; None: as many as the worker has slots.
        retry_on: When given, these exceptions are transient and all others permanent.
        executor: `async` on the worker's loop, `thread` in its threads.
        function: The function itself.
    """

    def __init__(
        self,
        function: Callable[P, R],
        plan: Plan,
        *,
        name: str,
        version: str | None,
        timeout: float | None,
        max_concurrent: int | None,
        retry_on: tuple[type[BaseException], ...],
        executor: Executor,
    ) -> None:
        self.function = function
        self.plan = plan
        self.name = name
        self.version = version
        self.timeout = timeout
        self.max_concurrent = max_concurrent
        self.retry_on = retry_on
        self.executor: Executor = executor
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<skill {self.name!r} {where(self.function)}>"

    @property
    def input_schema(self) -> Schema | None:
        """JSON schema of the task's params."""
        return self.plan.input_schema

    @property
    def output_schema(self) -> Schema | None:
        """JSON schema of the data it returns."""
        return self.plan.output_schema

    @cached_property
    def published(self) -> dict[str, Any]:
        """What registration says of it (`spec/avtomatika.md` §6.1)."""
        described = {
            "name": self.name,
            "type": self.name,
            "version": self.version,
            "description": inspect.getdoc(self.function),
            "input_schema": self.input_schema,
            "output_schema": self.output_schema,
        }
        return {key: value for key, value in described.items() if value is not None}


@overload
def skill(function: Callable[P, R], /) -> Skill[P, R]: ...


@overload
def skill(
    *,
    name: str | None = None,
    version: str | None = None,
    timeout: float | None = None,
    max_concurrent: int | None = None,
    retry_on: tuple[type[BaseException], ...] | type[BaseException] = (),
    executor: Executor | Literal["process"] | None = None,
) -> Callable[[Callable[P, R]], Skill[P, R]]: ...


def skill(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    timeout: float | None = None,
    max_concurrent: int | None = None,
    retry_on: tuple[type[BaseException], ...] | type[BaseException] = (),
    executor: str | None = None,
) -> Any:
    """Make a function a skill: hints are resolved, parameters planned and mistakes found here, at import.

    The function takes its params as one pydantic model, dataclass, TypedDict or dict, or as keyword arguments; a
    parameter hinted `Context` gets the task's context. What it returns is the task's data.

    Args:
        function: The function, where the decorator is used without arguments.
        name: What tasks call it; the function's name.
        version: Published at registration.
        timeout: Seconds one run may take.
        max_concurrent: How many may run at once in one worker.
        retry_on: Exceptions after which another try may help; every other one is then permanent. Without it
            everything unexpected is transient.
        executor: `async` for async functions, `thread` for plain ones (the defaults).

    Raises:
        SkillDefinitionError: The function cannot be a skill; the message names it, its file and line.
    """
    if function is not None and not callable(function):
        raise SkillDefinitionError(f"@skill({function!r}) names nothing: write @skill(name={function!r}).")
    caller = sys._getframe(1)  # noqa: SLF001
    module_level = caller.f_locals is caller.f_globals

    def decorate(inner: Callable[..., Any]) -> Skill[..., Any]:
        local_names = {} if module_level else dict(caller.f_locals)
        _check_kind(inner)
        plan = compile_plan(inner, read_signature(inner, local_names))
        return Skill(
            inner,
            plan,
            name=_checked_name(inner, name),
            version=version,
            timeout=_positive(inner, "timeout", timeout),
            max_concurrent=_positive(inner, "max_concurrent", max_concurrent),
            retry_on=_exceptions(inner, retry_on),
            executor=_executor(inner, executor),
        )

    return decorate if function is None else decorate(function)


N = TypeVar("N", int, float)


def _check_kind(function: Any) -> None:
    if isinstance(function, Skill):
        raise SkillDefinitionError(f"{function!r} is already a skill.")
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        raise SkillDefinitionError(f"@skill takes a function, not {function!r}.")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise SkillDefinitionError(f"Skill {where(function)} yields; a skill returns its data once.")


def _checked_name(function: Callable[..., Any], name: str | None) -> str:
    if name is None:
        return function.__name__
    given: object = name
    if not isinstance(given, str) or not given.strip():
        raise SkillDefinitionError(f"Skill {where(function)}: name={name!r} is no name.")
    return name


def _positive(function: Callable[..., Any], option: str, value: N | None) -> N | None:
    given: object = value
    if value is None or (isinstance(given, (int, float)) and not isinstance(given, bool) and value > 0):
        return value
    raise SkillDefinitionError(f"Skill {where(function)}: {option}={value!r} must be a number above 0.")


def _exceptions(function: Callable[..., Any], retry_on: Any) -> tuple[type[BaseException], ...]:
    kinds = (retry_on,) if isinstance(retry_on, type) else tuple(retry_on)
    if all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        return kinds
    raise SkillDefinitionError(f"Skill {where(function)}: retry_on={retry_on!r} must be exception classes.")


def _executor(function: Callable[..., Any], executor: str | None) -> Executor:
    natural: Executor = "async" if inspect.iscoroutinefunction(function) else "thread"
    if executor in (None, natural):
        return natural
    if executor == "process":
        raise SkillDefinitionError(f"Skill {where(function)}: executor='process' is not available yet.")
    kind = "an async function runs" if natural == "async" else "a plain function cannot run"
    raise SkillDefinitionError(f"Skill {where(function)}: executor={executor!r}, but {kind} on the worker's loop.")
