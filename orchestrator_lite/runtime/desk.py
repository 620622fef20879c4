"""What workers can ask of the server, apart from how it travels: registering, beating, polling, answering."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.worker import Heartbeat, Registration, TaskResult
from orchestrator_lite.engine.events import LeaseLost, ResultArrived
from orchestrator_lite.engine.json_values import copied
from orchestrator_lite.engine.lanes import skill_of
from orchestrator_lite.engine.step import Verdict
from orchestrator_lite.runtime.catalogue import Catalogue
from orchestrator_lite.runtime.dispatcher import Dispatcher
from orchestrator_lite.runtime.jobs import Live, in_queue
from orchestrator_lite.runtime.leases import Lease, LeaseBook
from orchestrator_lite.runtime.poll import Poll
from orchestrator_lite.runtime.runner import Applied, Runner
from orchestrator_lite.runtime.workers import Worker, Workers
from orchestrator_lite.store import Due, Renewal, Store, TaskRow

log = logging.getLogger(__name__)


class Desk:
    """The server's side of the worker protocol."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        runner: Runner,
        workers: Workers,
        dispatcher: Dispatcher,
        leases: LeaseBook,
        *,
        catalogue: Catalogue,
    ) -> None:
        self._store = store
        self._clock = clock
        self._runner = runner
        self.workers = workers
        self._dispatcher = dispatcher
        self.leases = leases
        self._catalogue = catalogue

    async def register(self, registration: Registration) -> Worker:
        """Take a registration; a new incarnation frees the leases of the old one, except those it holds results for.

        A registration without an incarnation (official workers register at will) frees nothing.
        """
        now = self._clock.now()
        before = self.workers.get(registration.worker_id)
        worker = await self.workers.register(registration, now)
        await self._catalogue.published(registration, now)
        replaced = before is not None and before.incarnation != worker.incarnation
        self._dispatcher.dismiss(worker.worker_id, ask_again=not replaced)  # it may offer something else now
        if worker.incarnation is not None:
            held = {(item.task_id, item.attempt) for item in registration.holding}
            await self._take_over(worker, held, now)
        return worker

    async def heartbeat(self, worker: Worker, beat: Heartbeat) -> list[str]:
        """Take a heartbeat; returns the task and job ids the worker is to stop."""
        now = self._clock.now()
        if await self.workers.heartbeat(worker, beat, now):
            self._dispatcher.dismiss(worker.worker_id, ask_again=True)
        self.acknowledge(worker, ((item.task_id, item.attempt) for item in beat.acks))
        if beat.current_tasks is None:
            self.leases.alive(worker, now)
        else:
            await self._named(worker, beat.current_tasks, now)
        await self._stop_overdue(worker, now)
        if not worker.takes_tasks:
            self._dispatcher.dismiss(worker.worker_id)
        return await self._to_cancel(worker, beat.current_tasks or [])

    def refresh(self, worker: Worker) -> None:
        """Take an empty heartbeat: the worker lives."""
        now = self._clock.now()
        worker.seen_at = now
        self.leases.alive(worker, now)

    def acknowledge(self, worker: Worker, acks: Iterable[tuple[str, int]]) -> None:
        """Take evidence that tasks have arrived."""
        now = self._clock.now()
        for task_id, attempt in acks:
            self.leases.sign(worker, task_id, attempt, now)

    async def next_tasks(self, worker: Worker, hold: float, gone: asyncio.Future[Any], limit: int = 1) -> list[TaskRow]:
        """The next tasks for a worker, already leased to it; none when `hold` seconds passed or it has gone.

        Args:
            worker: Who asks.
            hold: Seconds to wait for a task.
            gone: Done when the client's connection has closed: such a poll never takes a task.
            limit: How many at most; it waits for the first of them only.
        """
        worker.seen_at = self._clock.now()
        until = self._clock.monotonic() + hold
        poll: Poll | None = None
        try:
            while self._may_wait(worker) and not gone.done():
                poll = self._next_poll(worker, limit, poll)
                rows = [] if self._dispatcher.is_dry(poll) else await self._asked(poll)
                self._dispatcher.looked(poll, rows)
                if not rows and not poll.again and self._may_wait(worker):
                    rows = await self._waited(poll, until - self._clock.monotonic(), gone)
                if rows:
                    return await self._unless_gone(rows, gone)
                if not poll.again:
                    return []
            return []
        finally:
            self._dispatcher.gives_up(poll)

    def _next_poll(self, worker: Worker, limit: int, before: Poll | None) -> Poll:
        """The worker asks (again), with what it offers by now."""
        poll = self._dispatcher.poll(self.workers.get(worker.worker_id) or worker, limit)
        poll.woken = None if before is None else before.woken
        return poll

    def turn_away(self, worker_ids: Iterable[str]) -> None:
        """Answer the open polls of workers empty: who asks again is judged anew."""
        for worker_id in worker_ids:
            self._dispatcher.dismiss(worker_id)

    async def result(self, worker_id: str, result: TaskResult) -> Verdict:
        """Judge a result by task and attempt; a result for a job that does not exist is ignored.

        Raises:
            NotJSONError: Its data or error holds what JSON cannot.
            StoreUnavailable: It could not be stored: the worker should send it again.
        """
        worker = self.workers.get(worker_id)
        if worker is not None:
            worker.seen_at = self._clock.now()
        status, error = result.status or "success", _error(result)
        data = copied(result.data, "data")

        def arrived(live: Live) -> ResultArrived:
            row = live.rows.get(result.task_id)
            return ResultArrived(
                at=self._clock.now(),
                task_id=result.task_id,
                worker_id=worker_id,
                attempt=result.attempt,
                current=None if row is None else in_queue(row),
                status=status,
                data=data,
                error=error,
            )

        lease = self.leases.get(result.task_id)
        applied = await self._runner.apply(result.job_id, arrived)
        self._measure(applied, lease, status)
        if applied is None or applied.verdict is None:
            message = f"Job {result.job_id} not found (expired or deleted)."
            return Verdict(reason="job_not_found", message=message)
        if worker is not None and applied.verdict.reason is None:
            worker.judged(well=status != "failure" or _is_blameless(error))
        return applied.verdict

    def _measure(self, applied: Applied | None, lease: Lease | None, status: str) -> None:
        measures = self._runner.measures
        if applied is None or applied.verdict is None:
            measures.ignored["job_not_found"] += 1
        elif applied.verdict.reason is not None:
            measures.ignored[applied.verdict.reason] += 1
        else:
            skill = "unknown" if lease is None else skill_of(lease.row.skill)
            measures.answered(skill, status, None if lease is None else self._clock.now() - lease.taken_at)

    def progress(self, worker: Worker, task_id: str, attempt: int | None, value: Any, message: Any) -> None:
        """Take a task's progress; it is evidence that the task runs."""
        now = self._clock.now()
        if self.leases.sign(worker, task_id, attempt, now):
            self.leases.report(task_id, _share(value), _told(message), now)

    async def write_renewals(self) -> None:
        """Write the signs of life noted since the last call, and what else need not be written at once."""
        renewals = self.leases.take_renewals()
        if renewals:
            await self._store.renew(renewals)
        await self.workers.write_reputations(self._clock.monotonic())
        if self._dispatcher.lanes.are_many:
            await self._dispatcher.lanes.forget_empty(self._store.lanes)

    async def answer(self, due: Due) -> None:
        """Lapsed leases: tasks that never arrived return as they were, others are lost by their worker."""
        for row in due.lapsed:
            lease = self.leases.get(row.task_id)
            if row.spent or (lease is not None and lease.started):
                await self.lose(row, "its worker has been silent for too long")
            else:
                await self._runner.take_back([row])

    async def lose(self, row: TaskRow, reason: str) -> None:
        """A worker that had begun a task is gone."""

        def lost(live: Live) -> LeaseLost | None:
            current = live.rows.get(row.task_id)
            if current is None or current.until is None or current.attempt != row.attempt:
                return None
            return LeaseLost(at=self._clock.now(), task_id=row.task_id, standing=in_queue(current), reason=reason)

        about = {"job_id": row.job_id, "task_id": row.task_id, "worker_id": row.worker_id}
        log.info("attempt %s of a task is lost: %s", row.attempt, reason, extra=about)
        worker = self.workers.get(row.worker_id or "")
        self._runner.measures.went_away(skill_of(row.skill))
        if worker is not None:
            worker.judged(well=False)
        await self.write_renewals()  # what shows that it had begun is what makes the next one a new attempt
        self._runner.jobs.forget(row.job_id)
        await self._runner.apply(row.job_id, lost)

    async def restore(self) -> None:
        """After the server's own downtime: every lease gets one fresh window, and cancel wishes are remembered."""
        now = self._clock.now()
        rows = await self._store.leases()
        for row in rows:
            live = await self._runner.jobs.get(row.job_id)
            cancel = live is not None and live.job.cancel_requested_at is not None
            self.leases.took(row, now, started=row.spent, cancel=cancel)
        if rows:
            await self._store.grace(now + max(self._window(row) for row in rows))

    async def overslept(self) -> None:
        """This process was held up: no worker could be heard, so none has been silent; leases get a fresh window."""
        windows = [self._window(lease.row) for lease in self.leases.all()]
        if windows:
            log.warning("the server was held up; %d leases get a fresh window", len(windows))
            await self._store.grace(self._clock.now() + max(windows))

    def _window(self, row: TaskRow) -> float:
        worker = self.workers.get(row.worker_id or "")
        return (
            Worker(row.worker_id or "", frozenset(), row.incarnation, 0.0).window if worker is None else worker.window
        )

    def _may_wait(self, worker: Worker) -> bool:
        """Whether a poll is to be held: not while its worker drains, nor for a start that was replaced meanwhile."""
        known = self.workers.get(worker.worker_id) or worker
        return known.takes_tasks and known.incarnation == worker.incarnation and not self._dispatcher.closed

    async def _asked(self, poll: Poll) -> list[TaskRow]:
        now = self._clock.now()
        worker = poll.worker
        self._dispatcher.asks(poll)
        rows: list[TaskRow] | None = None
        until = worker.lease_until(now)
        try:
            rows = await self._store.lease(worker.worker_id, worker.incarnation, poll.lanes, until, poll.limit)
        finally:
            self._dispatcher.asked(poll, empty=rows == [])
        for row in rows:
            self.leases.took(row, now)
            self._runner.jobs.moved(row)
            self._runner.expect(row.until)
            self._measure_wait(row, now)
        return rows

    def _measure_wait(self, row: TaskRow, now: float) -> None:
        live = self._runner.jobs.peek(row.job_id)
        task = None if live is None else live.job.tasks.get(row.task_id)
        if task is not None:
            self._runner.measures.handed_out(now - task.dispatched_at)

    async def _waited(self, poll: Poll, seconds: float, gone: asyncio.Future[Any]) -> list[TaskRow]:
        self._dispatcher.waits(poll)
        try:
            await self._clock.wait_any((poll.answer, gone), max(seconds, 0.0), upkeep=True)
            if poll.reserved:  # a commit holds a task for this poll: it is decided in a moment
                await self._clock.wait_any((poll.answer,), None)
        finally:
            self._dispatcher.leaves(poll)
            if not poll.answer.done():
                poll.answer.set_result([])
        return poll.answer.result()

    async def _unless_gone(self, rows: list[TaskRow], gone: asyncio.Future[Any]) -> list[TaskRow]:
        if not gone.done():
            return rows
        await self._runner.take_back(rows)
        return []

    async def _take_over(self, worker: Worker, held: set[tuple[str, int]], now: float) -> None:
        assert worker.incarnation is not None  # noqa: S101 - asked by the caller
        for lease in self.leases.of(worker.worker_id):
            row = lease.row
            if row.incarnation != worker.incarnation and (row.task_id, row.attempt) not in held:
                await self._missed(lease, "its worker was started anew")
        freed = await self._store.take_over(worker.worker_id, worker.incarnation, held, now + worker.window)
        for row in freed:
            self.leases.ended(row.task_id)
            self._runner.jobs.forget(row.job_id)
        for row in await self._store.leases(worker.worker_id):
            if (row.task_id, row.attempt) in held:
                await self._passed(row, now)
        self._dispatcher.queued(row.skill for row in freed)

    async def _passed(self, row: TaskRow, now: float) -> None:
        """A lease has come to a worker other than by a poll, unless the task ended since `row` was read."""
        self._runner.jobs.forget(row.job_id)
        live = await self._runner.jobs.get(row.job_id)
        current = None if live is None else live.rows.get(row.task_id)
        if live is None or current is None or current.until is None or current.attempt != row.attempt:
            return
        self.leases.took(row, now, started=True, cancel=live.job.cancel_requested_at is not None)

    async def _named(self, worker: Worker, named: list[str], now: float) -> None:
        for lease in self.leases.heard(worker, frozenset(named), now):
            await self._missed(lease, "its worker's heartbeats name it no more")
        known = {lease.row.task_id for lease in self.leases.of(worker.worker_id)}
        known |= {lease.row.job_id for lease in self.leases.of(worker.worker_id)}
        ended = await self._whose_lease_ended(worker, [name for name in dict.fromkeys(named) if name not in known])
        if ended:
            await self._revive(worker, ended, now)

    async def _stop_overdue(self, worker: Worker, now: float) -> None:
        """Tasks whose time is long over have failed: official workers do not end them."""
        for lease in self.leases.of(worker.worker_id):
            if lease.overdue_at is not None and lease.overdue_at < now:
                await self._runner.apply(lease.row.job_id, self._timed_out(lease.row))

    def _timed_out(self, row: TaskRow) -> Callable[[Live], ResultArrived | None]:
        message = "The task ran longer than its timeout_seconds and its worker did not end it."

        def timed_out(live: Live) -> ResultArrived | None:
            current = live.rows.get(row.task_id)
            if current is None or current.until is None or current.attempt != row.attempt:
                return None
            return ResultArrived(
                at=self._clock.now(),
                task_id=row.task_id,
                worker_id=row.worker_id or "",
                attempt=row.attempt,
                current=in_queue(current),
                status="failure",
                error={"code": "TIMEOUT_ERROR", "message": message, "details": None},
            )

        return timed_out

    async def _missed(self, lease: Lease, reason: str) -> None:
        if lease.started:
            await self.lose(lease.row, reason)
        else:
            await self._runner.take_back([lease.row])

    async def _whose_lease_ended(self, worker: Worker, names: list[str]) -> list[TaskRow]:
        """Tasks the worker had last, among whatever it names; read side by side, however many it makes up."""
        found: list[TaskRow] = []
        for begin in range(0, len(names), _SIDE_BY_SIDE):
            some = names[begin : begin + _SIDE_BY_SIDE]
            jobs = await asyncio.gather(*(self._store.load(name.rpartition("-")[0]) for name in some))
            for name, loaded in zip(some, jobs, strict=True):
                rows = () if loaded is None else loaded.tasks
                found += [row for row in rows if row.task_id == name and row.until is None]
        return [row for row in found if row.worker_id == worker.worker_id]

    async def _revive(self, worker: Worker, rows: list[TaskRow], now: float) -> None:
        """A worker names tasks whose lease has ended: they count again unless they were handed out meanwhile."""
        until, worker_id = now + worker.window, worker.worker_id
        await self._store.renew(
            [Renewal(task_id=row.task_id, attempt=row.attempt, worker_id=worker_id, until=until) for row in rows]
        )
        named = {row.task_id for row in rows}
        for current in await self._store.leases(worker_id):
            if current.task_id in named:
                await self._passed(current, now)
        self._runner.expect(until)

    async def _to_cancel(self, worker: Worker, named: list[str]) -> list[str]:
        """Both ids of tasks to be stopped, and what the worker names but does not have any more."""
        held = self.leases.of(worker.worker_id)
        ids: dict[str, None] = {}
        for lease in held:
            if lease.cancel:
                ids[lease.row.task_id] = ids[lease.row.job_id] = None
        known = {lease.row.task_id for lease in held} | {lease.row.job_id for lease in held}
        ids.update(dict.fromkeys(name for name in named if name not in known))
        return list(ids)


_SIDE_BY_SIDE = 100
"""Jobs that are read at once."""

LONGEST_MESSAGE = 16 * 1024
"""Characters of an error's message that are kept: each attempt writes its own into the job's history."""

LONGEST_NEWS = 1024
"""Characters of what a task says of its progress that are kept."""

_NOT_THE_WORKERS = frozenset({"INVALID_INPUT_ERROR", "INTERRUPTED", "SKILL_UNKNOWN_ERROR"})


def _is_blameless(error: dict[str, Any] | None) -> bool:
    """Whether a failure says nothing of the worker that reports it."""
    return error is not None and error.get("code") in _NOT_THE_WORKERS


def _share(value: Any) -> float | None:
    """A progress as the API shows it: from 0 to 1, never NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(min(max(0.0, value), 1.0))


def _told(message: Any) -> str | None:
    """What a task says of its progress, as JSON can hold it."""
    return _kept(message, LONGEST_NEWS).encode("utf-8", "replace").decode() if isinstance(message, str) else None


def _error(result: TaskResult) -> dict[str, Any] | None:
    """The error of a failure; old workers send a plain text, and some send none."""
    error = result.error
    if error is None:
        return None if result.status != "failure" else {"code": "TRANSIENT_ERROR", "message": "", "details": None}
    if isinstance(error, str):
        return {"code": "TRANSIENT_ERROR", "message": _kept(error, LONGEST_MESSAGE), "details": None}
    plain: dict[str, Any] = copied(error.model_dump(), "error")
    return {**plain, "message": _kept(error.message, LONGEST_MESSAGE)}


def _kept(text: str, longest: int) -> str:
    """The beginning of a text, and how much is missing."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text) - longest} more characters)"
