"""The first half of a step: a user's handler, awaited on a private copy, becomes an event like any other."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.errors import AvtomatikaError
from avtomatika_client.protocol.ids import new_id
from orchestrator_lite.blueprint import Blueprint, JobContext
from orchestrator_lite.engine.actions import ActionFactory, RunBlueprint
from orchestrator_lite.engine.events import HandlerDone, HandlerFailed
from orchestrator_lite.engine.json_values import copied
from orchestrator_lite.engine.state import Job
from orchestrator_lite.files import Files, TaskFiles
from orchestrator_lite.runtime.data_stores import data_stores
from orchestrator_lite.store import Store

log = logging.getLogger(__name__)

TIME_LIMIT = 30.0
"""Seconds a handler may take."""

Outcome = HandlerDone | HandlerFailed


class Handling:
    """Runs handlers. A handler that raises, returns nonsense or takes too long fails its job alone."""

    def __init__(
        self,
        clock: Clock,
        store: Store,
        time_limit: float = TIME_LIMIT,
        *,
        files: Files,
        find_blueprint: Callable[[str], Blueprint | None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._store = store
        self._files = files
        self._find_blueprint = find_blueprint
        self.time_limit = time_limit
        self._abandoned: set[asyncio.Task[Outcome]] = set()

    def start(self, job: Job, blueprint: Blueprint) -> asyncio.Task[Outcome]:
        """Begin the handler of the job's current state."""
        return asyncio.create_task(self._run(job, blueprint), name=f"handler {job.blueprint}.{job.current_state}")

    async def finish(self, job: Job, task: asyncio.Task[Outcome]) -> Outcome:
        """What became of a handler, `time_limit` seconds from now at the latest; one that runs on is abandoned."""
        try:
            await self._clock.wait_any((task,), self.time_limit)
        except asyncio.CancelledError:
            self.abandon(task)
            raise
        if task.done():
            return self.outcome(job, task)
        self.abandon(task)
        message = f"the handler of state {job.current_state!r} took longer than {self.time_limit:g} s"
        return HandlerFailed(at=self._clock.now(), step=job.step, code="HANDLER_TIMEOUT", message=message)

    def outcome(self, job: Job, task: asyncio.Task[Outcome]) -> Outcome:
        """The event of a handler that has ended."""
        if task.cancelled():
            return self._failed(job, f"the handler of state {job.current_state!r} was cancelled")
        return task.result()

    def abandon(self, task: asyncio.Task[Outcome]) -> None:
        """Cancel a handler whose outcome nobody waits for."""
        task.cancel()
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)

    async def close(self) -> None:
        """Give abandoned handlers a moment to end."""
        if self._abandoned:
            await self._clock.wait_any(self._abandoned, 1.0)

    async def _run(self, job: Job, blueprint: Blueprint) -> Outcome:
        began = self._clock.monotonic()
        actions = ActionFactory(
            f"{job.id}:{job.step}", blueprint.states, start_state_of=self._start_state_of, depth=job.depth
        )
        task_files = self._files.of(job.id)
        stores = data_stores(self._store, blueprint.name, blueprint.data_stores)
        context = _context(job, actions, task_files, stores)
        aggregated = job.aggregation_target == job.current_state
        try:
            handler = blueprint.pick(context, aggregated=aggregated)
            returned = await _called(handler.function(**handler.arguments(context)))
            now = self._clock.now()
            return HandlerDone(
                at=now,
                step=job.step,
                action=actions.recorded,
                state_history=copied(context.state_history, "state_history"),
                returned=copied(returned, "returned value"),
                is_end=job.current_state in blueprint.end_states,
                end_status=blueprint.end_states.get(job.current_state),
                duration_ms=int((self._clock.monotonic() - began) * 1000),
                child_id=new_id(now) if isinstance(actions.recorded, RunBlueprint) else None,
                updates=actions.updates,
                said=actions.said,
            )
        except AvtomatikaError as error:
            return self._failed(job, f"the handler of state {job.current_state!r}: {_said(error)}")
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise
        except BaseException as error:  # such as `sys.exit()` and the `fail()` of a test
            about = {"job_id": job.id}
            log.warning("handler of %r.%r raised", job.blueprint, job.current_state, exc_info=error, extra=about)
            text = f"the handler of state {job.current_state!r} raised {type(error).__name__}: {_said(error)}"
            return self._failed(job, text)
        finally:
            await task_files.close()

    def _start_state_of(self, name: str) -> str | None:
        blueprint = self._find_blueprint(name)
        return None if blueprint is None else blueprint.start_state

    def _failed(self, job: Job, message: str) -> HandlerFailed:
        return HandlerFailed(at=self._clock.now(), step=job.step, message=message)


def _said(error: BaseException) -> str:
    """An error's text as JSON can hold it; one that cannot say its text has none."""
    try:
        return str(error).encode("utf-8", "backslashreplace").decode()
    except Exception:
        return ""


async def _called(value: Any) -> Any:
    """Handlers may be plain functions; officially they are async."""
    if inspect.isawaitable(value):
        awaitable: Awaitable[Any] = value
        return await awaitable
    return value


def _context(job: Job, actions: ActionFactory, task_files: TaskFiles, stores: SimpleNamespace | None) -> JobContext:
    return JobContext(
        job_id=job.id,
        current_state=job.current_state,
        initial_data=copied(job.initial_data),
        state_history=copied(job.state_history),
        client=replace(job.client, params=copied(job.client.params)),
        actions=actions,
        tracing_context=dict(job.tracing_context),
        aggregation_results=copied(job.aggregation_results),
        webhook_url=job.webhook_url,
        task_files=task_files,
        data_stores=stores,
    )
