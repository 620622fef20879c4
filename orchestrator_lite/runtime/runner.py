"""Takes jobs from step to step: fold, await handlers, commit, perform effects.

A step runs from something that happens until the job waits again. Handlers that answer without waiting are folded
into the same commit as the event that called for them; one that takes longer is awaited after that commit, so nobody's
reply depends on it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.blueprint import Blueprint
from orchestrator_lite.engine._children import ORPHANS
from orchestrator_lite.engine.events import Created, Event, Returned
from orchestrator_lite.engine.state import Job
from orchestrator_lite.engine.step import Verdict
from orchestrator_lite.runtime.changes import Draft
from orchestrator_lite.runtime.channels import Channels
from orchestrator_lite.runtime.dispatcher import Dispatcher
from orchestrator_lite.runtime.family import Family
from orchestrator_lite.runtime.handling import Handling, Outcome
from orchestrator_lite.runtime.jobs import Jobs, Live, in_queue
from orchestrator_lite.runtime.keys import KEPT
from orchestrator_lite.runtime.leases import LeaseBook
from orchestrator_lite.runtime.measuring import Measures
from orchestrator_lite.runtime.placement import Placement
from orchestrator_lite.runtime.poll import Poll
from orchestrator_lite.runtime.runs import Runs
from orchestrator_lite.runtime.timekeeper import Timekeeper
from orchestrator_lite.runtime.watchers import Watchers
from orchestrator_lite.store import (
    Change,
    Conflict,
    Keyed,
    KeyTaken,
    Store,
    StoreError,
    StoreUnavailable,
    TaskRef,
    TaskRow,
)
from orchestrator_lite.webhooks.deliverer import Deliverer

log = logging.getLogger(__name__)

TRIES = 20
"""Folds of one event before giving up on a job that keeps moving; each lost race means another has made progress."""

AT_ONCE = 64
"""Handlers resumed at the same time when the server starts."""

MakeEvent = Callable[[Live], Event | None]


@dataclass(frozen=True, slots=True)
class Applied:
    """What an event did: the job after it, the answer to a result, and whether an open socket took a cancel."""

    job: Job
    verdict: Verdict | None = None
    sent: bool = False


class Runner:
    """Drives all jobs of a server."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        find_blueprint: Callable[[str], Blueprint | None],
        *,
        dispatcher: Dispatcher,
        leases: LeaseBook,
        channels: Channels,
        watchers: Watchers,
        handling: Handling,
    ) -> None:
        self.store = store
        self.jobs = Jobs(store)
        self.timekeeper: Timekeeper | None = None
        self.deliverer: Deliverer | None = None
        self.measures = Measures()
        self._clock = clock
        self._find_blueprint = find_blueprint
        self._dispatcher = dispatcher
        self._leases = leases
        self._channels = channels
        self._watchers = watchers
        self._handling = handling
        self._stranded: dict[str, set[str]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self.family = Family(self.jobs, clock, self.apply)

    async def create(self, job: Job, key: Keyed | None = None) -> None:
        """Accept a job: when this returns it is stored, with the idempotency key it was created under.

        Raises:
            KeyTaken: The key means another job; there is no such job.
            StoreUnavailable: It could not be stored; there is no such job.
        """
        with Runs(self._handling) as runs:
            draft = Draft(Live(job, 0), key)
            await self._commit(await self._drafted(draft, Created(at=job.created_at), runs), runs)

    async def apply(self, job_id: str, make: MakeEvent) -> Applied | None:
        """Let something happen to a job.

        Args:
            job_id: The job.
            make: Gives the event for the job as it is now, or None when nothing is to happen; asked again when the
                job has moved on before the change was written.

        Returns:
            What it did, or None when there is no such job.
        """
        async with self.jobs.turn(job_id):
            with Runs(self._handling) as runs:
                return await self._applied(job_id, make, runs)

    async def _applied(self, job_id: str, make: MakeEvent, runs: Runs) -> Applied | None:
        for _ in range(TRIES):
            live = await self.jobs.get(job_id)
            if live is None:
                return None
            event = make(live)
            if event is None:
                return Applied(live.job)
            draft = await self._drafted(Draft(live), event, runs)
            if draft.is_empty:
                return Applied(draft.job, draft.verdict, await self._tell(draft))
            try:
                await self._commit(draft, runs)
                return Applied(draft.job, draft.verdict, await self._tell(draft))
            except KeyTaken:
                raise
            except Conflict:
                pass
            self.jobs.forget(job_id)
        raise StoreUnavailable(f"job {job_id} changes faster than it can be read")

    async def resume(self) -> None:
        """Run the handlers that are owed since the server last stopped."""
        gate = asyncio.Semaphore(AT_ONCE)
        last = ""
        while job_ids := await self.store.runnable(after=last):
            for job_id in job_ids:
                self._spawn(self._resume_one(job_id, gate))
            last = job_ids[-1]

    def adopt(self, blueprint: str) -> None:
        """A blueprint is there: jobs that waited for it go on."""
        gate = asyncio.Semaphore(AT_ONCE)
        for job_id in self._stranded.pop(blueprint, ()):
            self._spawn(self._resume_one(job_id, gate))

    def forget(self, job_ids: Collection[str]) -> None:
        """These jobs are no more."""
        for job_id in job_ids:
            self.jobs.forget(job_id)
        for blueprint, waiting in list(self._stranded.items()):
            waiting.difference_update(job_ids)
            if not waiting:
                del self._stranded[blueprint]

    def clear(self) -> None:
        """No job is any more; handlers that still run come to nothing."""
        self.jobs.clear()
        self._stranded.clear()
        for task in self._background:
            task.cancel()

    async def close(self) -> None:
        """Stop what runs in the background; handlers that are owed run again at the next start."""
        tasks = set(self._background)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._handling.close()

    async def _drafted(self, draft: Draft, event: Event, runs: Runs) -> Draft:
        """Fold an event and the handlers it calls for, as far as they answer without waiting; its children too."""
        draft.fold(event)
        while draft.owes_handler:
            task = runs.of(draft.job) or runs.keep(draft.job, self._begin(draft.job))
            if task is None:
                break
            if not task.done():
                await self._clock.sleep(0)
            if not task.done():
                draft.handler = task
                break
            draft.fold(self._handling.outcome(draft.job, task))
        for born in draft.born:
            begun = Created(at=born.job.created_at)
            key = None if born.key is None else Keyed(born.key, "", born.job.id, begun.at + KEPT)
            draft.children.append(await self._drafted(Draft(Live(born.job, 0), key), begun, runs))
        return draft

    def _begin(self, job: Job) -> asyncio.Task[Outcome] | None:
        blueprint = self._find_blueprint(job.blueprint)
        if blueprint is None:
            self._strand(job)
            return None
        return self._handling.start(job, blueprint)

    def _strand(self, job: Job) -> None:
        """Let a job wait whose blueprint is not loaded; each blueprint is told of once."""
        if job.blueprint not in self._stranded:
            log.error("jobs wait: blueprint %r is not loaded", job.blueprint, extra={"job_id": job.id})
        self._stranded.setdefault(job.blueprint, set()).add(job.id)

    async def _commit(self, draft: Draft, runs: Runs) -> None:
        now = self._clock.now()
        placement = Placement(self._dispatcher, now)
        try:
            changes = [item.change(now, placement.place) for item in draft.family]
            await self.store.commit(*changes)
        except BaseException:
            placement.restore()
            raise
        for item in draft.family:
            runs.written(item.handler)
        self._committed(draft, changes, placement, now)

    def _committed(self, draft: Draft, changes: Sequence[Change], placement: Placement, now: float) -> None:
        """The effects of what has been written; each could be derived again from that."""
        for item, change in zip(draft.family, changes, strict=True):
            self._settled(item, change)
        for poll, rows in placement.polls.items():
            self._hand_over(poll, rows, now)
        self._wake(draft, changes[0], placement)

    def _settled(self, draft: Draft, change: Change) -> None:
        """What a change means for its own job and those around it."""
        self.measures.committed(draft.base.job if draft.base.version else None, draft.job, draft.enqueue)
        if log.isEnabledFor(logging.INFO):
            _tell(draft.base.version, draft.job)
        self.jobs.put(draft.live(change))
        for ref in (*change.drop, *change.requeue):
            if ref.task_id not in draft.cancel:
                self._leases.ended(ref.task_id)
        if change.requeue:
            self.jobs.forget(draft.job.id)
        self.expect(_earliest(change))
        self._watchers.moved(draft.job)
        if change.outgoing and self.deliverer is not None:
            self.deliverer.expect(change.outgoing[0].created_at)
        if draft.handler is not None:
            self._spawn(self._see_through(draft.job, draft.handler))
        if draft.orphans:
            self._spawn(self.family.insist(partial(self.family.stop_children, draft.job.id)))
        if draft.wakes is not None:
            self._spawn(self.family.insist(partial(self.family.child_ended, draft.wakes, draft.job.id)))

    def _wake(self, draft: Draft, change: Change, placement: Placement) -> None:
        skills = list(placement.unplaced)
        for ref in change.requeue:
            row = draft.base.rows.get(ref.task_id)
            if row is None:
                self._dispatcher.queued_somewhere()
            else:
                skills.append(row.skill)
        self._dispatcher.queued(skills)

    def _hand_over(self, poll: Poll, rows: list[TaskRow], now: float) -> None:
        """Give committed leases to their poll; when that has gone, the tasks go straight back."""
        for row in rows:
            self._leases.took(row, now)
            self.jobs.moved(row)
            self.measures.handed_out(0.0)
        if not self._dispatcher.deliver(poll, rows):
            self._spawn(self.take_back(rows))

    async def take_back(self, rows: Sequence[TaskRow]) -> None:
        """Put tasks back whose delivery never happened; their attempt stays."""
        returned = await self.store.hand_back([TaskRef(row.task_id, row.attempt, True) for row in rows])
        for item in returned:
            self._leases.ended(item.task_id)
            self.jobs.moved(item)
        try:
            for item in returned:
                await self.apply(item.job_id, self._returned(item.task_id))
        finally:
            self._dispatcher.queued([item.skill for item in returned])

    def _returned(self, task_id: str) -> MakeEvent:
        def returned(live: Live) -> Returned | None:
            row = live.rows.get(task_id)
            return None if row is None else Returned(at=self._clock.now(), task_id=task_id, standing=in_queue(row))

        return returned

    def expect(self, at: float | None) -> None:
        """Something will be due at `at` (UTC seconds)."""
        if self.timekeeper is not None:
            self.timekeeper.expect(at)

    async def _tell(self, draft: Draft) -> bool:
        """Have workers stop what was cancelled; True when an open socket took a command."""
        asked = self._leases.ask_cancel(draft.cancel)
        sent = [await self._channels.cancel(lease) for lease in asked]
        for task_id in {taken.task_id for taken in draft.dropped}.intersection(draft.cancel):
            self._leases.ended(task_id)
        return any(sent)

    async def _see_through(self, job: Job, task: asyncio.Task[Outcome]) -> None:
        """Await a handler that took its time, and fold its outcome."""
        event = await self._handling.finish(job, task)
        while True:
            try:
                await self.apply(job.id, lambda _: event)
                return
            except StoreError as error:
                log.warning("the outcome of a handler could not be stored: %s", error, extra={"job_id": job.id})
                await self._clock.sleep(1.0)

    async def _resume_one(self, job_id: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            live = await self.jobs.get(job_id)
            if live is None or not live.job.is_runnable:
                return
            task = self._begin(live.job)
            if task is not None:
                await self._see_through(live.job, task)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("background work failed", exc_info=task.exception())


def _tell(version: int, job: Job) -> None:
    """Log what people look for: jobs that begin and end, louder when they end badly."""
    if version and not job.is_final:
        return
    quiet = not job.is_final or job.status in {"finished", "cancelled"}
    code = None if job.error is None else job.error.get("code")
    word = job.status if job.is_final else "accepted"
    message = "job of %r: %s" if code is None else "job of %r: %s (%r)"
    arguments = (job.blueprint, word) if code is None else (job.blueprint, word, code)
    log.log(
        logging.DEBUG if quiet else logging.INFO,
        message,
        *arguments,
        extra={"job_id": job.id, "client": job.client.name},
    )


def _earliest(change: Change) -> float | None:
    """When something of the change is due; what is done at once all the same is not waited for."""
    times = [timer.at for timer in change.set_timers if timer.job_id == change.job.id and timer.name != ORPHANS]
    times += [row.until for row in change.enqueue if row.until is not None]
    return min(times, default=None)
