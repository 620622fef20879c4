"""What a running task may ask for itself: to call another skill, to learn its result, to leave a checkpoint."""

from __future__ import annotations

from typing import Any

from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.errors import AvtomatikaError
from avtomatika_client.protocol.ids import new_id
from orchestrator_lite.engine import _children
from orchestrator_lite.engine.events import CallMade, CheckpointTaken
from orchestrator_lite.engine.state import Job
from orchestrator_lite.runtime.family import Family
from orchestrator_lite.runtime.jobs import Live
from orchestrator_lite.runtime.runner import MakeEvent, Runner
from orchestrator_lite.runtime.skill_flows import PREFIX
from orchestrator_lite.store import KeyTaken, Store, TaskRow


class TaskRefusedError(AvtomatikaError):
    """A task may not do this now.

    Attributes:
        status: The HTTP status that says so: 403, 404 or 409.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Calls:
    """The server's side of `ctx.call` and `ctx.checkpoint`."""

    def __init__(self, store: Store, clock: Clock, runner: Runner) -> None:
        self._store = store
        self._clock = clock
        self._runner = runner

    @property
    def _family(self) -> Family:
        return self._runner.family

    async def begin(self, worker_id: str, task_id: str, attempt: int, key: str, asked: dict[str, Any]) -> str:
        """Begin a child job of one task; asked again with the same key it is the same job.

        Args:
            worker_id: Who runs the calling task.
            task_id: The calling task.
            attempt: Its attempt.
            key: The worker's own word for this call.
            asked: `skill`, `params`, `dispatch_timeout`, `result_timeout`, `priority`.

        Returns:
            The child's id.

        Raises:
            TaskRefusedError: The task is not this worker's in this attempt, or may call nothing now.
        """
        new = _children.NewChild(
            id=new_id(self._clock.now()),
            blueprint=PREFIX + asked["skill"],
            start_state="start",
            initial_data=asked["params"],
            dispatch_timeout=asked["dispatch_timeout"],
            result_timeout=asked["result_timeout"],
            priority=asked["priority"],
            key=f"call:{task_id}:{attempt}:{key}",
        )

        def made(live: Live) -> CallMade:
            self._held(live, worker_id, task_id, attempt)
            reason = _children.refusal(live.job, task_id)
            if reason is not None:
                raise TaskRefusedError(409, f"{reason[0].upper()}{reason[1:]}")
            return CallMade(at=self._clock.now(), task_id=task_id, attempt=attempt, new=new)

        try:
            await self._apply(task_id, made)
        except KeyTaken as known:
            return known.taken.job_id
        return new.id

    async def child(self, worker_id: str, task_id: str, child_id: str) -> Job:
        """The child a task has begun.

        Raises:
            TaskRefusedError: It has begun no such child, or is not this worker's any more.
        """
        child = await self._runner.jobs.get(child_id)
        parent = None if child is None else child.job.parent
        if child is None or parent is None or parent.task_id != task_id:
            raise TaskRefusedError(404, "The task has made no such call")
        live = await self._runner.jobs.get(parent.job_id)
        if live is None:
            raise TaskRefusedError(404, "No such task")
        self._held(live, worker_id, task_id, parent.attempt)
        return child.job

    async def give_up(self, worker_id: str, task_id: str, child_id: str) -> None:
        """Cancel a child that its task waits for no longer.

        Raises:
            TaskRefusedError: It has begun no such child, or is not this worker's any more.
        """
        child = await self.child(worker_id, task_id, child_id)
        await self._family.cancel(child.id)

    async def checkpoint(self, worker_id: str, task_id: str, attempt: int, doc: bytes) -> None:
        """Keep what a task says of itself; its next attempt is handed it.

        Raises:
            TaskRefusedError: The task is not this worker's in this attempt.
        """

        def taken(live: Live) -> CheckpointTaken:
            self._held(live, worker_id, task_id, attempt)
            return CheckpointTaken(at=self._clock.now(), task_id=task_id, doc=doc)

        await self._apply(task_id, taken)

    async def kept_of(self, row: TaskRow) -> bytes | None:
        """The checkpoint an attempt goes on from; first attempts have none, and official workers know none."""
        if row.attempt == 1 or row.incarnation is None:
            return None
        return await self._store.checkpoint(row.task_id)

    async def _apply(self, task_id: str, make: MakeEvent) -> None:
        if await self._runner.apply(task_id.rpartition("-")[0], make) is None:
            raise TaskRefusedError(404, "No such task")

    def _held(self, live: Live, worker_id: str, task_id: str, attempt: int) -> None:
        row = live.rows.get(task_id)
        if row is None or live.job.is_final:
            raise TaskRefusedError(404, "No such task")
        if row.worker_id != worker_id:
            raise TaskRefusedError(403, "The task is assigned to a different worker")
        if row.until is None or row.attempt != attempt:
            raise TaskRefusedError(409, f"Attempt {attempt} of the task is over")
