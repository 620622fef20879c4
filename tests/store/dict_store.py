"""A second store on plain dicts: it shows that the interface can be kept without SQL, and what each verb means."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator_lite.store import (
    Checkpoint,
    Conflict,
    Counts,
    Due,
    EventRow,
    JobRow,
    Keyed,
    KeyTaken,
    ListedJob,
    Loaded,
    Outgoing,
    StoreError,
    TaskRow,
    Timer,
    WorkerRow,
)
from tests.store.dict_beside import Beside

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orchestrator_lite.store import Change, Renewal, TaskRef


def tasks_of(change: Change) -> set[str]:
    """The tasks that a change is about."""
    return {one.task_id for one in (*change.drop, *change.requeue, *change.enqueue)}


class DictStore(Beside):
    """`Store` in the memory of one process; a task's place in `_tasks` is its age."""

    def __init__(self) -> None:
        self._open = False
        self._last_event = self._last_outgoing = 0
        self._forget()

    def _forget(self) -> None:
        self._jobs: dict[str, JobRow] = {}
        self._tasks: dict[str, TaskRow] = {}
        self._timers: dict[str, Timer] = {}
        self._events: list[EventRow] = []
        self._workers: dict[str, WorkerRow] = {}
        self._keys: dict[str, Keyed] = {}
        self._outgoing: dict[int, Outgoing] = {}
        self._checkpoints: dict[str, Checkpoint] = {}
        self._notes: dict[str, bytes] = {}

    async def open(self) -> None:
        self._open = True

    async def close(self) -> None:
        self._open = False

    def _require_open(self) -> None:
        if not self._open:
            raise StoreError("The store is not open.")

    async def load(self, job_id: str) -> Loaded | None:
        self._require_open()
        job = self._jobs.get(job_id)
        return job and Loaded(job, tuple(task for task in self._tasks.values() if task.job_id == job_id))

    async def commit(self, *changes: Change) -> None:
        self._require_open()
        if len({change.job.id for change in changes}) < len(changes):
            raise Conflict("Two changes of one job.")
        tasks, keys, touched = self._tasks, dict(self._keys), set[str]()
        for change in changes:
            stored = self._jobs.get(change.job.id)
            if change.job.version != (stored.version if stored else 0) + 1:
                raise Conflict("The job has moved on.")
            self._use(keys, change)
            if not touched.isdisjoint(tasks_of(change)):
                raise Conflict("Two changes of one task.")
            touched |= tasks_of(change)
            tasks = self._tasks_after(change, tasks)
        self._tasks, self._keys = tasks, keys
        for change in changes:
            self._apply(change)

    def _apply(self, change: Change) -> None:
        self._jobs[change.job.id] = change.job
        for key in change.clear_timers:
            self._timers.pop(key, None)
        self._timers |= {timer.key: timer for timer in change.set_timers}
        for event in change.events:
            self._last_event += 1
            self._events.append(replace(event, seq=self._last_event))
        self._put_beside(change)

    @staticmethod
    def _use(keys: dict[str, Keyed], change: Change) -> None:
        if change.key is not None:
            taken = keys.get(change.key.key)
            if taken is not None and taken.until > change.job.created_at:
                raise KeyTaken(taken)
            keys[change.key.key] = change.key

    def _tasks_after(self, change: Change, before: dict[str, TaskRow]) -> dict[str, TaskRow]:
        """The tasks as the change leaves them, on a copy: a Conflict half-way leaves the others."""
        tasks = dict(before)
        for ref in change.drop:
            self._check(tasks, ref)
            del tasks[ref.task_id]
        for ref in change.requeue:
            self._check(tasks, ref)
            if tasks[ref.task_id].until is None:
                raise Conflict("The task is in the queue already.")
            tasks[ref.task_id] = replace(tasks[ref.task_id], until=None)
        for task in change.enqueue:
            if task.task_id in tasks:
                raise Conflict("There is such a task already.")
            tasks[task.task_id] = task
        return tasks

    @staticmethod
    def _check(tasks: dict[str, TaskRow], ref: TaskRef) -> None:
        task = tasks.get(ref.task_id)
        if task is None or task.attempt != ref.attempt:
            raise Conflict("The task has moved on.")
        if ref.leased is not None and ref.leased != (task.until is not None):
            raise Conflict("The task is not where it was.")

    async def lease(
        self, worker_id: str, incarnation: str | None, skills: Collection[str], until: float, limit: int = 1
    ) -> list[TaskRow]:
        self._require_open()
        ready = [task for task in self._tasks.values() if task.until is None and task.skill in skills]
        ready.sort(key=lambda task: -task.priority)
        return [
            self._put(
                replace(
                    task,
                    attempt=task.attempt + task.spent,
                    spent=False,
                    worker_id=worker_id,
                    incarnation=incarnation,
                    until=until,
                )
            )
            for task in ready[: max(limit, 0)]
        ]

    def _put(self, task: TaskRow) -> TaskRow:
        self._tasks[task.task_id] = task
        return task

    async def renew(self, renewals: Sequence[Renewal]) -> None:
        self._require_open()
        for sign in renewals:
            task = self._tasks.get(sign.task_id)
            if task and (task.attempt, task.worker_id) == (sign.attempt, sign.worker_id):
                self._put(replace(task, until=sign.until, spent=True))

    async def hand_back(self, refs: Sequence[TaskRef]) -> list[TaskRow]:
        self._require_open()
        returned = []
        for ref in refs:
            task = self._tasks.get(ref.task_id)
            if task and task.attempt == ref.attempt and task.until is not None and ref.leased is not False:
                returned.append(self._put(replace(task, until=None)))
        return returned

    async def take_over(
        self, worker_id: str, incarnation: str, holding: Collection[tuple[str, int]], until: float
    ) -> list[TaskRow]:
        self._require_open()
        mine = [task for task in self._tasks.values() if task.worker_id == worker_id]
        held = [task for task in mine if (task.task_id, task.attempt) in holding]
        for task in held:
            self._put(replace(task, incarnation=incarnation, until=until, spent=True))
        left = [task for task in mine if task not in held and task.until is not None]
        return [self._put(replace(task, until=None)) for task in left if task.incarnation != incarnation]

    async def grace(self, until: float) -> None:
        self._require_open()
        for task in await self.leases():
            self._put(replace(task, until=max(task.until or 0.0, until)))

    async def leases(self, worker_id: str | None = None) -> list[TaskRow]:
        self._require_open()
        leased = [task for task in self._tasks.values() if task.until is not None]
        return [task for task in leased if worker_id is None or task.worker_id == worker_id]

    async def due(self, now: float, limit: int = 1000) -> Due:
        timers = sorted(self._timers.values(), key=lambda timer: (timer.at, timer.key))
        leased = sorted(await self.leases(), key=lambda task: task.until or 0.0)
        ended = tuple(timer for timer in timers if timer.at <= now)[:limit]
        lapsed = tuple(task for task in leased if task.until is not None and task.until <= now)[:limit]
        later = [timer.at for timer in timers[len(ended) :]] + [task.until or 0.0 for task in leased[len(lapsed) :]]
        return Due(ended, lapsed, min(later, default=None))

    async def jobs_of(
        self,
        client: str,
        status: str | Collection[str] | None = None,
        blueprint: str | None = None,
        before: str | None = None,
        limit: int = 50,
        offset: int = 0,
        after: str | None = None,
    ) -> list[ListedJob]:
        self._require_open()
        statuses = [status] if isinstance(status, str) else status
        found = [
            ListedJob(job.id, job.status, job.blueprint, job.created_at, job.ended_at)
            for job in sorted(self._jobs.values(), key=lambda job: job.id, reverse=True)
            if job.client == client
            and (statuses is None or job.status in statuses)
            and blueprint in (None, job.blueprint)
            and (before is None or job.id < before)
            and (after is None or job.id >= after)
        ]
        return found[max(offset, 0) :][: max(limit, 0)]

    async def events_after(self, job_id: str, seq: int = 0, limit: int = 10_000) -> list[EventRow]:
        self._require_open()
        return [event for event in self._events if event.job_id == job_id and event.seq > seq][:limit]

    async def runnable(self, limit: int = 1000, after: str = "") -> list[str]:
        self._require_open()
        owed = sorted(job.id for job in self._jobs.values() if job.status in ("pending", "running"))
        return [job_id for job_id in owed if job_id > after][:limit]

    async def put_worker(self, worker: WorkerRow) -> None:
        self._require_open()
        self._workers[worker.worker_id] = worker

    async def workers(self) -> list[WorkerRow]:
        self._require_open()
        return sorted(self._workers.values(), key=lambda worker: worker.worker_id)

    async def drop_worker(self, worker_id: str) -> None:
        self._require_open()
        self._workers.pop(worker_id, None)

    async def counts(self) -> Counts:
        leased = len(await self.leases())
        pending = sum(row.status == "pending" for row in self._outgoing.values())
        counts = Counts(queued=len(self._tasks) - leased, leased=leased, outgoing=pending)
        for job in self._jobs.values():
            counts.jobs[job.status] = counts.jobs.get(job.status, 0) + 1
        return counts

    async def wipe(self) -> None:
        self._require_open()
        self._forget()
