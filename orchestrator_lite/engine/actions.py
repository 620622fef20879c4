"""What a handler wants done: it records one action, the engine folds it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite.engine._limits import MAX_DEPTH
from orchestrator_lite.engine.json_values import copied
from orchestrator_lite.engine.lanes import SEPARATOR
from orchestrator_lite.engine.matching import STRATEGIES, version_test
from orchestrator_lite.engine.state import TaskSpec


class ActionError(AvtomatikaError):
    """A handler asked for something that cannot be done; it fails the job."""


@dataclass(frozen=True, slots=True)
class GoTo:
    """Enter another state."""

    state: str


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Have one task done."""

    spec: TaskSpec


@dataclass(frozen=True, slots=True)
class DispatchParallel:
    """Have tasks done side by side; the state `aggregate_into` is entered when all have ended."""

    specs: tuple[TaskSpec, ...]
    aggregate_into: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBlueprint:
    """Have another blueprint's job run as a child, and wait for it."""

    blueprint: str
    start_state: str
    initial_data: dict[str, Any]
    transitions: dict[str, str]
    dispatch_timeout: float | None = None
    result_timeout: float | None = None


@dataclass(frozen=True, slots=True)
class AwaitApproval:
    """Wait until somebody decides; `timeout` in seconds, None: as long as the job may take."""

    integration: str
    message: str
    transitions: dict[str, str]
    token: str = field(repr=False)
    timeout: float | None = None


Action: TypeAlias = GoTo | Dispatch | DispatchParallel | RunBlueprint | AwaitApproval


class ActionFactory:
    """The `actions` a handler is given; exactly one action may be recorded in a run.

    Attributes:
        idempotency_key: The same for every run of this handler in this step of the job: handlers run at least once,
            and calls to the outside can carry it so that they count once.
    """

    def __init__(
        self,
        idempotency_key: str,
        states: frozenset[str],
        *,
        start_state_of: Callable[[str], str | None] = lambda _: None,
        depth: int = 0,
    ) -> None:
        self.idempotency_key = idempotency_key
        self._states = states
        self._start_state_of = start_state_of
        self._depth = depth
        self._recorded: Action | None = None
        self._updates: dict[str, Any] = {}
        self._said: list[tuple[str, dict[str, Any]]] = []

    @property
    def recorded(self) -> Action | None:
        """The action recorded so far."""
        return self._recorded

    @property
    def updates(self) -> dict[str, Any]:
        """What is to be changed in the job's `initial_data`."""
        return self._updates

    def update_context(self, updates: Mapping[str, Any]) -> None:
        """Change keys of the job's `initial_data`, for this job's later handlers (from release 1.0b30).

        This is no action: a handler may do it besides, and more than once.

        Raises:
            NotJSONError: A value has no JSON form.
        """
        self._updates.update(_params(updates, "update_context"))

    @property
    def said(self) -> list[tuple[str, dict[str, Any]]]:
        """The events to be told: kind and payload."""
        return self._said

    def send_event(
        self,
        event_type: str,
        payload: Mapping[str, Any],
        security: object = None,  # noqa: ARG002 - the official signature
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell of something in the job's history and to those who follow its events (from release 1.0b30).

        This is no action: a handler may do it besides, and more than once.

        Args:
            event_type: Its kind, any word; shown as `worker_event:<kind>`.
            payload: What is told.
            security: Taken and not used; the official orchestrator passes it on.
            metadata: Told with the payload.

        Raises:
            NotJSONError: A value has no JSON form.
            ActionError: The payload is no object.
        """
        told: dict[str, Any] = {"payload": _params(payload, "payload")}
        if metadata is not None:
            told["metadata"] = _params(metadata, "metadata")
        kind: str = copied(str(event_type), "event_type")
        self._said.append((kind, told))

    def go_to(self, state: str) -> None:
        """Enter `state` next.

        Raises:
            ActionError: Another action was recorded, or the blueprint has no such state.
        """
        self._record(GoTo(self._known(state, "go_to")))

    transition_to = go_to

    def dispatch_task(
        self,
        task_type: str,
        params: Mapping[str, Any] | None = None,
        transitions: Mapping[str, str] | None = None,
        *,
        dispatch_strategy: str = "default",
        resource_requirements: Mapping[str, Any] | None = None,
        timeout_seconds: float | None = None,
        dispatch_timeout_seconds: float | None = None,
        result_timeout_seconds: float | None = None,
        max_cost: float | None = None,
        priority: float = 0.0,
        skill_version: str | None = None,
        skill_type: str | None = None,
        resource_hint: str | None = None,
    ) -> None:
        """Have a worker run a skill; its status decides by `transitions` which state comes next.

        Args:
            task_type: The skill's name.
            params: The skill's input.
            transitions: Status (`success`, `failure`, an error code, or any word a worker returns) to state.
            dispatch_strategy: Which of several idle workers gets it: `default` (those with the skill warm first, then
                the cheapest, then the most reliable), `round_robin`, `least_connections`, `cheapest`, `best_value`
                (cost by reputation) or `overflow` (the cheapest with fewer than three tasks).
            resource_requirements: What the worker must have: `resources` (`properties`, `devices`), or their keys at
                once; `installed_artifacts`, `installed_models`, `installed_software`, `extra_requirements`, `skill`.
                Numbers mean at least, lists mean one of.
            timeout_seconds: Seconds the task may run.
            dispatch_timeout_seconds: Seconds it may wait in the queue; default: the job's `dispatch_timeout`.
            result_timeout_seconds: Seconds from its dispatch within which its result must come.
            max_cost: The most a worker may charge.
            priority: Higher goes first.
            skill_version: A version, such as `2.1`, or a range, such as `>=2,<3`.
            skill_type: The type the skill must have been published with.
            resource_hint: Handed to the worker as `params["resource_hint"]`.

        Raises:
            ActionError: Another action was recorded, a transition leads nowhere, an option is malformed, or `params`
                is no JSON object.
        """
        if resource_hint is not None:
            params = {**(params or {}), "resource_hint": resource_hint}
        options = {
            "dispatch_strategy": dispatch_strategy,
            "resource_requirements": resource_requirements,
            "timeout_seconds": timeout_seconds,
            "dispatch_timeout_seconds": dispatch_timeout_seconds,
            "result_timeout_seconds": result_timeout_seconds,
            "max_cost": max_cost,
            "priority": priority,
            "skill_version": skill_version,
            "skill_type": skill_type,
        }
        self._record(Dispatch(_spec(task_type, params, self._transitions(transitions or {}), options)))

    def dispatch_parallel(self, tasks: Sequence[Mapping[str, Any]], aggregate_into: str) -> None:
        """Have workers run several skills side by side, then enter `aggregate_into`.

        Args:
            tasks: One object a task: `type` (or `task_type`), `params`, and the options of `dispatch_task`.
            aggregate_into: The aggregator's state; it reads `aggregation_results` as {task_id: {status, data, error}}.

        Raises:
            ActionError: Another action was recorded, the state is unknown, or a task is malformed.
        """
        specs = tuple(_branch(index, task) for index, task in enumerate(tasks))
        self._record(DispatchParallel(specs, self._known(aggregate_into, "dispatch_parallel")))

    def run_blueprint(
        self,
        blueprint_name: str,
        initial_data: Mapping[str, Any],
        transitions: Mapping[str, str],
        dispatch_timeout: float | None = None,
        result_timeout: float | None = None,
    ) -> None:
        """Run another blueprint's job as a child and wait for its end; its outcome decides which state comes next.

        Its result is treated as a task's data; all that is known of its end lies in `state_history` under
        `sub_job_<id>_result`. Cancelling this job cancels the child (releases from 1.0b14 have the same action).

        Args:
            blueprint_name: A blueprint of this server.
            initial_data: What the child is created with.
            transitions: `success`, `failure`, `cancelled` or the error code of the child to state.
            dispatch_timeout: Seconds a task of the child may wait in the queue.
            result_timeout: Seconds from its creation within which the child must end.

        Raises:
            ActionError: Another action was recorded, there is no such blueprint, a transition leads nowhere, or jobs
                are nested too deep.
        """
        start_state = self._start_state_of(str(blueprint_name))
        if start_state is None:
            raise ActionError(f"run_blueprint: there is no blueprint {blueprint_name!r}")
        if self._depth >= MAX_DEPTH:
            raise ActionError(f"run_blueprint: jobs may be nested {MAX_DEPTH} deep")
        for key, seconds in (("dispatch_timeout", dispatch_timeout), ("result_timeout", result_timeout)):
            if seconds is not None:
                _check_seconds(key, seconds)
        action = RunBlueprint(
            blueprint=blueprint_name,
            start_state=start_state,
            initial_data=_params(initial_data, "initial_data"),
            transitions=self._transitions(transitions),
            dispatch_timeout=dispatch_timeout,
            result_timeout=result_timeout,
        )
        self._record(action)

    def await_human_approval(
        self, integration: str, message: str, transitions: Mapping[str, str], *, timeout_seconds: float | None = None
    ) -> str:
        """Pause until somebody decides, by `POST /_public/webhooks/approval/{job_id}` or `job.approve("approved")`.

        Args:
            integration: Where people are asked, such as `slack`; shown with the job.
            message: What they are asked; shown with the job.
            transitions: Decision (`approved`, `rejected`, any word) to state.
            timeout_seconds: Seconds after which the transition `timeout` is taken, or the job fails without one;
                default: as long as the job may take.

        Returns:
            A token that lets its bearer decide once: put it into the link that people are sent.

        Raises:
            ActionError: Another action was recorded, a transition leads nowhere, or there is none.
        """
        chosen = self._transitions(transitions)
        if not chosen:
            raise ActionError("await_human_approval: transitions name no decision")
        if timeout_seconds is not None:
            _check_number("timeout_seconds", timeout_seconds)
        token = secrets.token_urlsafe(32)
        where, what = copied(str(integration), "integration"), copied(str(message), "message")
        self._record(AwaitApproval(where, what, chosen, token, timeout_seconds))
        return token

    def _record(self, action: Action) -> None:
        if self._recorded is not None:
            first, second = type(self._recorded).__name__, type(action).__name__
            raise ActionError(f"a handler may ask for one action; it asked for {first} and then {second}")
        self._recorded = action

    def _known(self, state: str, where: str) -> str:
        if state not in self._states:
            raise ActionError(f"{where}: there is no state {state!r}")
        return state

    def _transitions(self, transitions: Mapping[str, str]) -> dict[str, str]:
        if not isinstance(transitions, Mapping):
            raise ActionError(f"transitions: expected an object, got {type(transitions).__name__}")
        plain = {str(status): self._known(state, f"transitions[{status!r}]") for status, state in transitions.items()}
        copied(plain, "transitions")
        return plain


_SECONDS = ("timeout_seconds", "dispatch_timeout_seconds", "result_timeout_seconds")
_NUMBERS = (*_SECONDS, "max_cost", "priority")
_LARGEST = 10**15
"""Beyond every time, cost and priority; keeps them within what stores and dates can hold."""

_TEXTS = ("dispatch_strategy", "skill_version", "skill_type")
_OPTIONS = frozenset({"resource_requirements", *_TEXTS, *_NUMBERS})


def _branch(index: int, task: Mapping[str, Any]) -> TaskSpec:
    if not isinstance(task, Mapping):
        raise ActionError(f"tasks[{index}]: expected an object, got {type(task).__name__}")
    try:
        return _spec(task.get("type", task.get("task_type")), task.get("params"), {}, task)
    except AvtomatikaError as error:
        raise ActionError(f"tasks[{index}]: {error}") from error


def _spec(name: object, params: object, transitions: dict[str, str], options: Mapping[str, Any]) -> TaskSpec:
    """A task that can be stored and queued, whatever the handler gave."""
    given = {key: copied(options[key], key) for key in _OPTIONS if options.get(key) is not None}
    for key in _NUMBERS:
        _check_number(key, given.get(key, 1))
    for key in _TEXTS:
        if not isinstance(given.get(key, ""), str):
            raise ActionError(f"{key}: expected a text, got {given[key]!r}")
    if not isinstance(given.get("resource_requirements", {}), dict):
        raise ActionError(f"resource_requirements: expected an object, got {given['resource_requirements']!r}")
    if given.get("dispatch_strategy", "default") not in STRATEGIES:
        known = ", ".join(sorted(STRATEGIES))
        raise ActionError(f"dispatch_strategy: {given['dispatch_strategy']!r} is not one of {known}")
    if "skill_version" in given:
        _check_version(given["skill_version"])
    return TaskSpec(type=_skill_name(name), params=_params(params), transitions=transitions, **given)


def _check_number(key: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ActionError(f"{key}: expected a number, got {value!r}")
    if not abs(value) < _LARGEST or (key in _SECONDS and value <= 0):
        raise ActionError(f"{key}: {value} is out of range")


def _check_seconds(key: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LARGEST:
        raise ActionError(f"{key}: expected a number of seconds above 0, got {value!r}")


def _check_version(text: str) -> None:
    try:
        version_test(text)
    except ValueError as error:
        raise ActionError(f"skill_version: {error}") from error


def _skill_name(name: object) -> str:
    if not isinstance(name, str) or not name or SEPARATOR in name:
        raise ActionError(f"a task's type must be a skill's name, got {name!r}")
    plain: str = copied(str(name), "type")
    return plain


def _params(params: object, name: str = "params") -> dict[str, Any]:
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        raise ActionError(f"{name}: expected an object, got {type(params).__name__}")
    plain: dict[str, Any] = copied(dict(params), name)
    return plain
