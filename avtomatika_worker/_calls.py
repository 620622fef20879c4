"""What a running task asks of its orchestrator for itself: other skills, and that it be remembered."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote
from uuid import uuid4

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from avtomatika_client._calls._flow import Flow, Reply, Request, Sleep
from avtomatika_client._calls._retry import Retry
from avtomatika_client._calls._session import Budget, Session, call, parse
from avtomatika_client._calls._waiting import GRACE, Outage
from avtomatika_client.errors import APIConnectionError, APIStatusError
from avtomatika_client.protocol._base import JSON
from avtomatika_client.protocol.skills import CallAccepted, CallState, TaskCall
from avtomatika_worker._bridge import Bridge, check_loop
from avtomatika_worker._files import Depot
from avtomatika_worker._lending import Lending
from avtomatika_worker.errors import CallFailedError, CallRefusedError, NotSupportedError

if TYPE_CHECKING:
    from avtomatika_worker._running import Execution

T = TypeVar("T")

logger = logging.getLogger(__name__)

LARGEST_CHECKPOINT: Final = 1024 * 1024
"""Bytes of a checkpoint."""

LARGEST_EVENT: Final = 64 * 1024 - 512
"""Bytes of an event with what goes around it."""

TELLING: Final = 10.0
"""Seconds an event has to be told; then it is left out."""

HOLD: Final = 25.0
"""Seconds the server is asked to hold a wait."""

AT_ONCE: Final = 32
"""Waits of one worker that are on their way at once; beyond them each has its turn."""

TURN: Final = 5.0
"""Seconds within which every wait has its turn then."""

FAREWELL: Final = 2.0
"""Seconds to tell the server of calls nobody waits for."""

_KIND: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_PROGRESS: Final = frozenset({"progress", "progress_update"})
_QUICK: Final = 0.2
_ONCE: Final = Retry(retries=0)
_REFUSALS: Final = frozenset({400, 403, 404, 409, 413})


class Operator:
    """The way to one orchestrator for the calls of all its tasks."""

    def __init__(self, depot: Depot) -> None:
        self.depot = depot
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waits = 0

    def check(self, what: str, *, offered: bool) -> None:
        """Refuse what the orchestrator does not offer.

        Raises:
            NotSupportedError: It does not.
        """
        if not offered:
            raise NotSupportedError(f"{self.depot.peer().target.url} does not offer {what}")

    async def send(self, flow: Callable[[Session], Flow[T]]) -> T:
        """Make one exchange, for as long as it takes.

        Raises:
            CallRefusedError: The orchestrator does not take it.
        """
        try:
            return await self.depot.exchange(flow)
        except APIStatusError as error:
            if error.status in _REFUSALS:
                raise CallRefusedError(error.message) from error
            raise

    async def ended(self, path: str, budget: Budget) -> CallState | None:
        """Wait for a call's end; None when the time was up first."""
        self._waits += 1
        try:
            while not budget.is_over:
                async with self._places:
                    hold = HOLD if self._waits <= AT_ONCE else TURN * AT_ONCE / self._waits
                    state = await self.send(partial(_look, path=path, hold=budget.at_most(hold)))
                if state.is_final:
                    return state
            return None
        finally:
            self._waits -= 1


class TaskCalls:
    """The calls and checkpoints of one task."""

    def __init__(self, operator: Operator, execution: Execution, lending: Lending) -> None:
        """Made by the worker for each task.

        Args:
            operator: The way to the orchestrator.
            execution: The task.
            lending: Its places.
        """
        self._operator = operator
        self._execution = execution
        self._lending = lending
        self._farewells: set[asyncio.Task[None]] = set()
        self.bridge = Bridge(execution.cancellation)
        self.last_checkpoint: JSON = execution.task.checkpoint

    async def call(self, skill: str, params: Mapping[str, JSON] | BaseModel | None, options: dict[str, Any]) -> JSON:
        """What a skill returns; see `Context.call`."""
        check_loop("ctx.blocking.call")
        operator, clock = self._operator, self._operator.depot.clock
        operator.check("calls of skills by tasks", offered=operator.depot.peer().dialect.calls)
        body = _body(skill, params, self._execution.task.attempt, options)
        timeout = options["result_timeout"]
        job_id = await operator.send(lambda session: _begin(session, self._path, body))
        path = f"{self._path}/{quote(job_id, safe='')}"
        try:
            async with self._lending.waiting():
                state = await operator.ended(path, Budget(clock, None if timeout is None else timeout + GRACE))
        except asyncio.CancelledError:
            if not self._execution.cancellation.requested:
                self._give_up(path)
            raise
        return _result(skill, job_id, state)

    async def checkpoint(self, value: object) -> None:
        """Keep a value for the next attempt; see `Context.checkpoint`."""
        check_loop("ctx.blocking.checkpoint")
        operator, task = self._operator, self._execution.task
        operator.check("checkpoints", offered=operator.depot.peer().dialect.checkpoints)
        try:
            content = to_json(value, by_alias=True, inf_nan_mode="null")
        except (PydanticSerializationError, ValueError, RecursionError) as error:
            raise ValueError(f"a checkpoint is a JSON value: {error}") from error
        if len(content) > LARGEST_CHECKPOINT:
            raise ValueError(f"a checkpoint may have {LARGEST_CHECKPOINT} bytes as JSON; this one has {len(content)}")
        path = f"/_worker/tasks/{quote(task.task_id, safe='')}/checkpoint?attempt={task.attempt}"
        await operator.send(lambda session: _put(session, path, content))
        self.last_checkpoint = to_jsonable_python(value, by_alias=True)

    async def event(self, kind: str, payload: object) -> None:
        """Tell something; see `Context.event`."""
        check_loop("ctx.blocking.event")
        if not _KIND.fullmatch(kind) or kind in _PROGRESS:
            raise ValueError(f"an event's type is made of letters, digits and _.:/- and is not progress: {kind!r}")
        task, peer = self._execution.task, self._operator.depot.peer()
        body = {
            "event_id": uuid4().hex,
            "worker_id": peer.worker_id,
            "origin_worker_id": peer.worker_id,
            "event_type": kind,
            "origin_task_id": task.task_id,
            "target_task_id": task.task_id,
            "target_job_id": task.job_id,
            "attempt": task.attempt,
        }
        try:
            content = to_json({**body, "payload": payload}, by_alias=True)
        except (PydanticSerializationError, ValueError, RecursionError) as error:
            raise ValueError(f"what an event tells is a JSON value: {error}") from error
        if len(content) > LARGEST_EVENT:
            raise ValueError(f"an event may have {LARGEST_EVENT} bytes as JSON; this one has {len(content)}")
        if not peer.dialect.events:
            logger.debug("%s takes no events of skills", peer.target.url)
            return
        try:
            await self._operator.depot.exchange(lambda session: _tell(session, content))
        except (APIConnectionError, APIStatusError) as error:
            logger.warning("An event of task %r could not be told: %r", task.task_id, error)

    async def close(self) -> None:
        """The task has its result: end what still waits."""
        self._lending.over()
        await self.bridge.close()
        if self._farewells:
            await self._operator.depot.clock.wait_any(self._farewells, FAREWELL)

    @property
    def _path(self) -> str:
        return f"/_worker/tasks/{quote(self._execution.task.task_id, safe='')}/calls"

    def _give_up(self, path: str) -> None:
        """Have a call cancelled that nobody waits for, though its task goes on."""
        task = asyncio.create_task(self._say_farewell(path))
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)

    async def _say_farewell(self, path: str) -> None:
        try:
            await self._operator.depot.exchange(lambda session: _delete(session, path))
        except (APIConnectionError, APIStatusError):
            return  # the server cancels it with the task's attempt


def _body(skill: str, params: Mapping[str, JSON] | BaseModel | None, attempt: int, options: dict[str, Any]) -> bytes:
    plain = params.model_dump(mode="json", by_alias=True) if isinstance(params, BaseModel) else dict(params or {})
    given = to_jsonable_python(plain, by_alias=True)
    body = TaskCall(skill=skill, params=given, attempt=attempt, key=uuid4().hex, **options)
    # NaN and its kin are refused here: null would be a lie.
    return json.dumps(body.model_dump(exclude_none=True), allow_nan=False).encode()


def _result(skill: str, job_id: str, state: CallState | None) -> JSON:
    if state is None:
        message = f"The call of skill {skill!r} did not end in time."
        raise CallFailedError(message, skill=skill, job_id=job_id, status="unknown", error=None)
    if state.status == "finished":
        return state.result
    said = state.error.get("message") if isinstance(state.error, dict) else None
    message = f"The call of skill {skill!r} is {state.status}" + (f": {said}" if said else "")
    raise CallFailedError(message, skill=skill, job_id=job_id, status=str(state.status), error=state.error)


def _begin(session: Session, path: str, body: bytes) -> Flow[str]:
    request = session.request("POST", path, content=body)
    reply = yield from _patient(session, request)
    return parse(CallAccepted.model_validate_json, reply, request).job_id


def _look(session: Session, path: str, hold: float) -> Flow[CallState]:
    """Ask where a call stands, and wait for its end where the server holds the answer."""
    request = session.request("GET", f"{path}?wait={hold:.3f}", long=True)
    asked = session.clock.monotonic()
    reply = yield from _patient(session, request, hold)
    state = parse(CallState.model_validate_json, reply, request)
    if not state.is_final and session.clock.monotonic() - asked < min(_QUICK, hold):
        yield Sleep(_QUICK, upkeep=True)
    return state


def _tell(session: Session, content: bytes) -> Flow[None]:
    budget = session.budget(TELLING)
    yield from call(session, session.request("POST", "/_worker/events", content=content), budget, safe=True)


def _put(session: Session, path: str, content: bytes) -> Flow[None]:
    yield from _patient(session, session.request("PUT", path, content=content))


def _delete(session: Session, path: str) -> Flow[None]:
    yield from call(session, session.request("DELETE", path), session.budget(FAREWELL), safe=True)


def _patient(session: Session, request: Request, hold: float = 0.0) -> Flow[Reply]:
    """Exchange a request that may be sent twice; lost connections and restarts of the server are outlasted."""
    outage, once = Outage(), replace(session, retry=_ONCE)
    while True:
        try:
            return (yield from call(once, request, session.budget(hold + GRACE), safe=True))
        except (APIConnectionError, APIStatusError) as error:
            pause = outage.bear(error)
        yield Sleep(pause, upkeep=True)
