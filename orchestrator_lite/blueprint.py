"""Blueprints: the state machines that jobs run, in the words of the official dialect.

The same file runs on the official orchestrator with only its import changed.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from fast_filter import F as F, FastF

from avtomatika_client.protocol.errors import AvtomatikaError
from avtomatika_client.protocol.jobs import FINAL_STATUSES
from orchestrator_lite import _blueprint_check
from orchestrator_lite.engine.actions import ActionFactory
from orchestrator_lite.engine.conditions import Evaluate, compile_condition
from orchestrator_lite.engine.json_values import NotJSONError, copied
from orchestrator_lite.engine.state import Client

if TYPE_CHECKING:
    from orchestrator_lite.files import TaskFiles

Handler = TypeVar("Handler", bound=Callable[..., Any])


class BlueprintError(AvtomatikaError):
    """A blueprint that cannot run; the message begins with file and line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """What a handler may ask for, by argument name or whole as `context`.

    Attributes:
        job_id: The job's id.
        current_state: The state whose handler runs.
        initial_data: What the job was created with; a private copy.
        state_history: What earlier states and workers left; changes made to it are kept.
        client: Who the job belongs to.
        actions: Where the handler says what comes next.
        tracing_context: W3C trace headers of the job's creation.
        aggregation_results: Results of parallel branches: {task_id: {"status", "data", "error"}}.
        webhook_url: Where the job's end is reported.
        task_files: The job's files, and a local folder that goes when the handler has ended.
        data_stores: The blueprint's data stores, each with `await get(key)` and `await set(key, value)`.
    """

    job_id: str
    current_state: str
    initial_data: dict[str, Any]
    state_history: dict[str, Any]
    client: Client
    actions: ActionFactory
    tracing_context: dict[str, Any]
    aggregation_results: dict[str, Any]
    webhook_url: str | None
    task_files: TaskFiles
    data_stores: Any = None


CONTEXT_NAMES = frozenset(JobContext.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class StateHandler:
    """A handler as it was declared.

    Attributes:
        state: Its state.
        function: The function.
        parameters: Its parameters' names; those with a default may be missing.
        required: Parameters without a default.
        condition: Whether it is the one to run, or None for the state's default.
        file: Where it stands.
        line: Where it stands, from 1.
    """

    state: str
    function: Callable[..., Any]
    parameters: tuple[str, ...]
    required: frozenset[str]
    condition: Evaluate | None
    file: str
    line: int

    def arguments(self, context: JobContext) -> dict[str, Any]:
        """What to call the function with: job fields by name, else keys of state_history, else of initial_data.

        Raises:
            BlueprintError: A parameter without a default that none of these has.
        """
        given: dict[str, Any] = {}
        for name in self.parameters:
            if name == "context":
                given[name] = context
            elif name in CONTEXT_NAMES:
                given[name] = getattr(context, name)
            elif name in context.state_history:
                given[name] = context.state_history[name]
            elif name in context.initial_data:
                given[name] = context.initial_data[name]
            elif name in self.required:
                where = f"{self.file}:{self.line}"
                raise BlueprintError(f"{where}: handler of {self.state!r}: nothing to inject for argument {name!r}")
        return given

    def applies(self, context: JobContext) -> bool:
        """Whether its condition holds; one that raises does not hold (as officially)."""
        try:
            return self.condition is not None and bool(self.condition(context))
        except Exception:
            return False


class Blueprint:
    """A state machine: handlers by state, one of them the start.

    Args:
        name: Unique among the blueprints of a server.
        api_endpoint: Path under which jobs are created, such as `/jobs/greet`; None: not over HTTP.
        api_version: Such as `v1`; None: served under `/api/v1` and, as the official server does, under `/api`.
        data_stores: Values that all its jobs share, by the store's name: see `add_data_store`.
    """

    def __init__(
        self,
        name: str,
        api_endpoint: str | None = None,
        api_version: str | None = None,
        data_stores: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.name = name
        self.data_stores: dict[str, dict[str, Any]] = {}
        self.api_endpoint = api_endpoint
        self.api_version = api_version
        self.start_state: str | None = None
        self.end_states: dict[str, str | None] = {}
        self.defaults: dict[str, StateHandler] = {}
        self.conditionals: dict[str, list[StateHandler]] = {}
        self.aggregators: dict[str, StateHandler] = {}
        frame = sys._getframe(1)  # noqa: SLF001 - errors name the line a blueprint is made on
        self.file, self.line = frame.f_code.co_filename, frame.f_lineno
        for store, initial in (data_stores or {}).items():
            self.add_data_store(store, initial)

    def add_data_store(self, name: str, initial_data: Mapping[str, Any] | None = None) -> None:
        """Declare values that all jobs of this blueprint share and that outlive them.

        A handler that asks for `data_stores` finds them there: `await data_stores.cache.get("key")` and
        `await data_stores.cache.set("key", 1)`.

        Args:
            name: Its name, a Python identifier.
            initial_data: Values that hold until they are set.

        Raises:
            BlueprintError: The name is taken or no identifier, or a value has no JSON form.
        """
        where = f"{self.file}:{self.line}: blueprint {self.name!r}: data store {name!r}"
        if name in self.data_stores or not name.isidentifier():
            raise BlueprintError(f"{where} {'exists already' if name in self.data_stores else 'is no identifier'}")
        try:
            self.data_stores[name] = copied(dict(initial_data or {}))
        except NotJSONError as error:
            raise BlueprintError(f"{where}: {error}") from error

    def __repr__(self) -> str:
        return f"Blueprint({self.name!r})"

    @overload
    def handler(self, state: Handler, /) -> Handler: ...
    @overload
    def handler(
        self,
        state: str | FastF | None = None,
        condition: FastF | None = None,
        *,
        is_start: bool = False,
        is_end: bool = False,
        status: str | None = None,
    ) -> Callable[[Handler], Handler]: ...
    def handler(
        self,
        state: Any = None,
        condition: FastF | None = None,
        *,
        is_start: bool = False,
        is_end: bool = False,
        status: str | None = None,
    ) -> Any:
        """Declare a state's handler, bare or with arguments.

        Args:
            state: The state's name, default the function's; or a condition in its place.
            condition: `F.initial_data["type"] == "urgent"`: run this one only when it holds; conditional handlers are
                asked in the order of their declaration, before the state's default.
            is_start: The state jobs begin in.
            is_end: The job ends here unless the handler asks for an action; what it returns is the job's result.
            status: The final status of an end state; default: `failed`, `error`, `cancelled` and `quarantined` mean
                themselves, every other name `finished`.

        Raises:
            BlueprintError: A second default handler for the state, a second start, a status that is not final.
        """
        if isinstance(state, FastF):
            state, condition = None, state
        if callable(state) and not isinstance(state, str):
            return self._declare(state, None, None, is_start=is_start, is_end=is_end, status=status)
        check = None if condition is None else condition.resolve

        def decorate(function: Handler) -> Handler:
            return self._declare(function, state, check, is_start=is_start, is_end=is_end, status=status)

        return decorate

    def handler_for(self, state: str, is_start: bool = False, is_end: bool = False) -> HandlerFor:
        """The older form: `@bp.handler_for("state")`, or `@bp.handler_for("state").when("context.… == 1")`."""
        return HandlerFor(self, state, is_start, is_end)

    @overload
    def aggregator(self, state: Handler, /) -> Handler: ...
    @overload
    def aggregator(self, state: str | None = None) -> Callable[[Handler], Handler]: ...
    def aggregator(self, state: Any = None) -> Any:
        """Declare the handler that runs when all branches of a `dispatch_parallel` have ended, bare or with a name.

        What it returns, if anything, is left under its state's name in `state_history`.
        """
        if callable(state) and not isinstance(state, str):
            return self._aggregate(state, None)
        return lambda function: self._aggregate(function, state)

    aggregator_for = aggregator

    @property
    def states(self) -> frozenset[str]:
        """Every state that has a handler."""
        return frozenset(self.defaults) | frozenset(self.conditionals) | frozenset(self.aggregators)

    def pick(self, context: JobContext, *, aggregated: bool) -> StateHandler:
        """The handler to run for a context.

        Args:
            context: The job as its handler will see it.
            aggregated: Whether the state was entered by the end of parallel branches.

        Raises:
            BlueprintError: No condition holds and the state has no default.
        """
        state = context.current_state
        if aggregated and state in self.aggregators:
            return self.aggregators[state]
        for handler in self.conditionals.get(state, ()):
            if handler.applies(context):
                return handler
        chosen = self.defaults.get(state) or self.aggregators.get(state)
        if chosen is None:
            raise BlueprintError(
                f"{self.file}:{self.line}: blueprint {self.name!r}: no condition of state {state!r} holds and it has"
                " no default handler"
            )
        return chosen

    def validate(self) -> None:
        """Check what can be checked before a job runs.

        Raises:
            BlueprintError: No start, a transition to a state that has no handler, or a name that is no text; file and
                line come first.
        """
        for name in (self.name, *self.states):
            if any("\ud800" <= letter <= "\udfff" for letter in name):  # what no store and no wire can hold
                raise BlueprintError(f"{self.file}:{self.line}: blueprint {self.name!r}: {name!r} is no text")
        if self.start_state is None:
            raise BlueprintError(f"{self.file}:{self.line}: blueprint {self.name!r} has no start state")
        for problem in _blueprint_check.dangling(self):
            raise BlueprintError(problem)

    def _declare(
        self,
        function: Handler,
        state: str | None,
        check: Evaluate | None,
        *,
        is_start: bool,
        is_end: bool,
        status: str | None = None,
    ) -> Handler:
        made = _made(function, state, check)
        if check is not None:
            self.conditionals.setdefault(made.state, []).append(made)
        elif made.state in self.defaults:
            raise self._error(made, f"state {made.state!r} has a handler already")
        else:
            self.defaults[made.state] = made
        if is_start:
            if self.start_state not in {None, made.state}:
                raise self._error(made, f"{self.start_state!r} is the start state already")
            self.start_state = made.state
        if status is not None and status not in FINAL_STATUSES:
            raise self._error(made, f"status {status!r} is not one of {', '.join(sorted(FINAL_STATUSES))}")
        if is_end:
            self.end_states[made.state] = status
        return function

    def _aggregate(self, function: Handler, state: str | None) -> Handler:
        made = _made(function, state, None)
        if made.state in self.aggregators:
            raise self._error(made, f"state {made.state!r} has an aggregator already")
        self.aggregators[made.state] = made
        return function

    def _error(self, handler: StateHandler, problem: str) -> BlueprintError:
        return BlueprintError(f"{handler.file}:{handler.line}: blueprint {self.name!r}: {problem}")


StateMachineBlueprint = Blueprint
"""The older name."""


class HandlerFor:
    """The older form of a declaration: a decorator that may be given a condition first."""

    def __init__(self, blueprint: Blueprint, state: str, is_start: bool, is_end: bool) -> None:
        self._blueprint = blueprint
        self._state = state
        self._is_start = is_start
        self._is_end = is_end
        self._condition: Evaluate | None = None

    def when(self, condition: str) -> HandlerFor:
        """Run this handler only when `condition` holds, such as `context.initial_data.type == 'urgent'`.

        Raises:
            BlueprintError: The text is no condition; file and line come first.
        """
        frame = sys._getframe(1)  # noqa: SLF001 - the error names the line of the decorator
        try:
            self._condition = compile_condition(condition)
        except ValueError as error:
            raise BlueprintError(f"{frame.f_code.co_filename}:{frame.f_lineno}: {error}") from error
        return self

    def __call__(self, function: Handler) -> Handler:
        """Declare `function` as the handler."""
        declare = self._blueprint._declare  # noqa: SLF001 - the other half of the same declaration
        return declare(function, self._state, self._condition, is_start=self._is_start, is_end=self._is_end)


def _made(function: Callable[..., Any], state: str | None, check: Evaluate | None) -> StateHandler:
    parameters = inspect.signature(function).parameters.values()
    named = [item for item in parameters if item.kind not in {item.VAR_POSITIONAL, item.VAR_KEYWORD}]
    code = inspect.unwrap(function).__code__
    return StateHandler(
        state=state or function.__name__,
        function=function,
        parameters=tuple(item.name for item in named),
        required=frozenset(item.name for item in named if item.default is item.empty),
        condition=check,
        file=code.co_filename,
        line=code.co_firstlineno,
    )
