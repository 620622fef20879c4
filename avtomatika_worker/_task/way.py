"""The whole way of one task, stage after stage, to its result."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.worker import ErrorCode, Task
from avtomatika_worker._calls import Operator, TaskCalls
from avtomatika_worker._cancel import Reason
from avtomatika_worker._context import Context
from avtomatika_worker._executors import Executors
from avtomatika_worker._files import JobFiles
from avtomatika_worker._journal import Finished, Journal
from avtomatika_worker._lending import Lending, Places
from avtomatika_worker._running import Execution
from avtomatika_worker._skill import Skill
from avtomatika_worker._slots import Slots
from avtomatika_worker._task.admit import admit
from avtomatika_worker._task.encode import cancelled, encode, failed_by, refusal
from avtomatika_worker._task.execute import execute
from avtomatika_worker.errors import InvalidInputError

Report = Callable[[Task, float, str | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What the stages work with.

    Attributes:
        skills: What this worker offers, by name.
        slots: Places over all skills.
        skill_slots: Places of the skills that have a limit of their own.
        executors: Where code runs.
        journal: What is still owed.
        clock: The time.
        draining: Whether the worker takes no new work.
    """

    skills: Mapping[str, Skill[..., Any]]
    slots: Slots
    skill_slots: Mapping[str, Slots]
    executors: Executors
    journal: Journal
    clock: Clock
    draining: Callable[[], bool]


async def walk(execution: Execution, shop: Workshop, operator: Operator, report: Report) -> Finished:
    """Take a task all its way; whatever happens on it is in the result.

    Args:
        execution: The task.
        shop: What the stages work with.
        operator: The way to the orchestrator, for files, calls and checkpoints.
        report: Takes progress; may be called from any thread.
    """
    task, server = execution.task, execution.server
    owed = shop.journal.of_task(server, task.task_id)
    skill = admit(task, server, shop.skills, owed, now=shop.clock.now(), draining=shop.draining())
    if isinstance(skill, Finished):
        return skill
    own = shop.skill_slots.get(skill.name)
    left = None if task.deadline is None else task.deadline - shop.clock.now()
    must_end = None if left is None else shop.clock.monotonic() + left
    if not await _enter(execution, own, left, shop):
        return _never_started(execution)
    # What a skill and its blueprint allow counts from its start, the task's deadline does not wait for a slot.
    allowed = _least(skill.timeout, task.timeout_seconds)
    seconds = _least(allowed, None if must_end is None else must_end - shop.clock.monotonic())
    files = JobFiles(operator.depot, task.job_id, execution.cancellation)
    lending = Lending(_places(execution, own, shop))
    calls = TaskCalls(operator, execution, lending)
    try:
        arguments = skill.plan.bind(task.params, _context(execution, skill, seconds, shop.clock, report, files, calls))
    except InvalidInputError as error:
        _leave(execution, own, shop.slots)
        return failed_by(task, server, error)
    execution.started = True
    code = shop.executors.start(skill, arguments, execution.cancellation)
    code.add_done_callback(lambda _: _out(execution, own, shop.slots, lending))
    try:
        outcome = await execute(code, execution.given_up, execution.cancellation, seconds, shop.clock)
    finally:
        await calls.close()
        await files.close(code)
    return encode(execution.task, server, outcome, execution.cancellation.reason, skill.retry_on)


def _context(
    execution: Execution,
    skill: Skill[..., Any],
    seconds: float | None,
    clock: Clock,
    report: Report,
    files: JobFiles,
    calls: TaskCalls,
) -> Context:
    task = execution.task
    return Context(
        task_id=task.task_id,
        job_id=task.job_id,
        skill=skill.name,
        attempt=task.attempt,
        deadline=None if seconds is None else clock.monotonic() + seconds,
        cancellation=execution.cancellation,
        report=lambda fraction, message: report(execution.task, fraction, message),
        files=files,
        calls=calls,
        clock=clock,
    )


def _least(*seconds: float | None) -> float | None:
    """The shortest of these times; None is no limit."""
    given = [limit for limit in seconds if limit is not None]
    return max(0.0, min(given)) if given else None


async def _enter(execution: Execution, own: Slots | None, seconds: float | None, shop: Workshop) -> bool:
    """Take a place among all tasks and one among the skill's; False when the task should end before it has both."""
    if own is None and (shop.slots.holds(execution) or shop.slots.take_now(execution)):
        return not execution.cancellation.requested
    taking = asyncio.create_task(_take(execution, own, shop.slots))
    execution.cancellation.bind(taking.cancel)
    await shop.clock.wait_any((taking, execution.given_up), seconds)
    if not taking.done() and not execution.given_up.done():
        execution.cancellation.request(Reason.TIMEOUT)
    if not taking.done():
        taking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await taking
    if taking.cancelled():
        return False
    if execution.cancellation.requested or execution.given_up.done():
        _leave(execution, own, shop.slots)
        return False
    return True


async def _take(execution: Execution, own: Slots | None, slots: Slots, *, first: bool = False) -> None:
    if not slots.holds(execution):
        await slots.take(execution, first=first)
    try:
        if own is not None:
            await own.take(execution, first=first)
    except asyncio.CancelledError:
        slots.release(execution)
        raise


def _leave(execution: Execution, own: Slots | None, slots: Slots) -> None:
    if own is not None:
        own.release(execution)
    slots.release(execution)


def _out(execution: Execution, own: Slots | None, slots: Slots, lending: Lending) -> None:
    """The code is out; a call of it that still waits takes nothing back."""
    lending.over()
    _leave(execution, own, slots)


def _places(execution: Execution, own: Slots | None, shop: Workshop) -> Places:
    def force() -> None:
        shop.slots.force(execution)
        if own is not None:
            own.force(execution)

    def lent(more: int) -> None:
        shop.slots.lent += more

    return Places(
        leave=lambda: _leave(execution, own, shop.slots),
        take=lambda: _take(execution, own, shop.slots, first=True),
        force=force,
        aside=lambda: shop.executors.aside(execution.cancellation),
        lent=lent,
    )


def _never_started(execution: Execution) -> Finished:
    task, server = execution.task, execution.server
    if execution.cancellation.reason is Reason.CANCELLED:
        return cancelled(task, server)
    if execution.cancellation.reason is Reason.TIMEOUT:
        return refusal(task, server, ErrorCode.TIMEOUT, "The task's deadline passed while it waited for a free slot.")
    return refusal(task, server, ErrorCode.INTERRUPTED, "The worker went down before the task could start.")
