"""A server without its door: store, runner, workers and clock put together, started and stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from dataclasses import replace
from typing import Any

from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.errors import AvtomatikaError
from avtomatika_client.protocol.ids import new_id
from orchestrator_lite.blueprint import Blueprint
from orchestrator_lite.egress.guard import Egress
from orchestrator_lite.engine.events import CancelAsked, Decided, LetOut, Released, Retried, TimerFired
from orchestrator_lite.engine.state import Client, Job
from orchestrator_lite.files import Files
from orchestrator_lite.runtime.blueprints import Blueprints
from orchestrator_lite.runtime.calls import Calls
from orchestrator_lite.runtime.catalogue import Catalogue
from orchestrator_lite.runtime.channels import Channels
from orchestrator_lite.runtime.desk import Desk
from orchestrator_lite.runtime.dispatcher import Dispatcher
from orchestrator_lite.runtime.explaining import Explanation, explain
from orchestrator_lite.runtime.feed import Feed
from orchestrator_lite.runtime.handling import Handling
from orchestrator_lite.runtime.housekeeping import Housekeeping
from orchestrator_lite.runtime.jobs import Live
from orchestrator_lite.runtime.keys import Key, Keys
from orchestrator_lite.runtime.leases import Lease, LeaseBook
from orchestrator_lite.runtime.measuring import Measures
from orchestrator_lite.runtime.runner import Applied, Runner
from orchestrator_lite.runtime.scheduling import Scheduling
from orchestrator_lite.runtime.telling import Tellings
from orchestrator_lite.runtime.timekeeper import LATEST, Timekeeper
from orchestrator_lite.runtime.watchers import Watchers
from orchestrator_lite.runtime.workers import Workers
from orchestrator_lite.schedules import KEY_LASTS, FileSchedule
from orchestrator_lite.store import Due, Keyed, ListedJob, Store
from orchestrator_lite.webhooks.deliverer import Deliverer, SecretOf

log = logging.getLogger(__name__)


class UnknownStateError(AvtomatikaError):
    """A job was to go on in a state that its blueprint does not have."""


class Core:
    """Everything a server does, but for HTTP.

    Attributes:
        desk: What workers can ask.
        blueprints: What is served.
        channels: Open sockets to workers.
        files: The files of jobs.
        catalogue: The skills workers have published.
        calls: What running tasks can ask for themselves.
        egress: The door of every outgoing call.
        webhooks: Who takes messages to their receivers.
        schedules: Jobs that begin by themselves.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        blueprints: Blueprints,
        *,
        handler_limit: float = 30.0,
        look_again: float = LATEST,
        files: Files | None = None,
        egress: Egress | None = None,
        secret_of: SecretOf = lambda _: None,
        retention: float | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.blueprints = blueprints
        self.files = Files(clock=clock) if files is None else files
        self.channels = Channels(clock)
        self.egress = Egress(clock=clock) if egress is None else egress
        self.webhooks = Deliverer(store, clock, self.egress, secret_of=secret_of, latest=look_again)
        self._look_again = look_again
        self._open = AsyncExitStack()
        self._leases = LeaseBook()
        self._dispatcher = Dispatcher(clock, self._leases)
        self._watchers = Watchers()
        self._leases.reported = self._watchers.feed.reported
        self._runner = Runner(
            store,
            clock,
            blueprints.named,
            dispatcher=self._dispatcher,
            leases=self._leases,
            channels=self.channels,
            watchers=self._watchers,
            handling=Handling(clock, store, handler_limit, files=self.files, find_blueprint=blueprints.named),
        )
        self._keys = Keys(store, clock)
        self.catalogue = Catalogue(store)
        self.desk = Desk(
            store, clock, self._runner, Workers(store), self._dispatcher, self._leases, catalogue=self.catalogue
        )
        self.calls = Calls(store, clock, self._runner)
        self.tellings = Tellings(clock, self._runner, self.desk)
        self.schedules = Scheduling(store, clock, blueprints, self._runner.jobs, self.create, look_again)
        self._housekeeping = (
            None
            if retention is None
            else Housekeeping(
                store,
                clock,
                files=self.files,
                workers=self.desk.workers,
                leases=self._leases,
                retention=retention,
                forgotten=self._runner.forget,
            )
        )

    async def start(self, schedules: Collection[tuple[FileSchedule, Client]] = ()) -> None:
        """Open the store, take up what was left, and drive jobs until `stop`.

        Args:
            schedules: Those of `schedules.toml`, each with the client it belongs to.

        Raises:
            StoreError: The store cannot be opened; everything is closed again then.
        """
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.files.close)
            await self.files.open()
            stack.push_async_callback(self.store.close)
            await self.store.open()
            await self.desk.workers.open()
            self._dispatcher.lanes.replace(await self.store.lanes())
            await self.catalogue.open(self.desk.workers.all())
            await self.desk.restore()
            keeper = Timekeeper(
                self.store,
                self.clock,
                before=self.desk.write_renewals,
                answer=self._answer,
                overslept=self.desk.overslept,
                latest=self._look_again,
            )
            self._runner.timekeeper = keeper
            self._runner.deliverer = self.webhooks
            stack.push_async_callback(self.webhooks.close)
            self.webhooks.start()
            ticking = asyncio.create_task(keeper.run(), name="timekeeper")
            stack.push_async_callback(self._wind_up, ticking)
            if self._housekeeping is not None:
                keeping = asyncio.create_task(self._housekeeping.run(), name="housekeeping")
                stack.push_async_callback(_ended, keeping)
            await self._runner.resume()
            await self.schedules.start(schedules)
            self._open = stack.pop_all()

    async def stop(self) -> None:
        """Answer everybody, finish what was begun and close the store; does nothing the second time."""
        stack, self._open = self._open, AsyncExitStack()
        await stack.aclose()

    async def _wind_up(self, ticking: asyncio.Task[None]) -> None:
        self.let_go()
        await self.schedules.stop()
        await self.channels.close()
        await _ended(ticking)
        await self._runner.close()
        await self.desk.write_renewals()

    async def flush(self) -> None:
        """Forget everything, in the store and in memory; whoever waits is answered, and workers register anew.

        Raises:
            StoreUnavailable: The store cannot write; nothing is forgotten then.
            FilesError: The disk refuses; all but some files is forgotten then.
        """
        await self.store.wipe()
        # nothing is awaited here: what the store takes from now on is not among what memory forgets
        self._runner.clear()
        self._leases.clear()
        self.desk.workers.clear()
        self.catalogue.clear()
        self._dispatcher.lanes.replace(())
        self._dispatcher.dismiss()
        self._watchers.dismiss()
        await self.schedules.reopen()
        await self.files.wipe()

    def let_go(self) -> None:
        """Answer everybody who waits: the server stops."""
        self._dispatcher.close()
        self._watchers.close()

    async def submit(
        self,
        blueprint: Blueprint,
        client: Client,
        body: dict[str, Any],
        key: Key | None = None,
        *,
        counting: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> str:
        """Accept a job, once for all submissions with the same key; it is stored when this returns its id.

        Args:
            blueprint: As for `create`.
            client: As for `create`.
            body: As for `create`.
            key: What the submission is known by.
            counting: Around the creation, if there is one.

        Raises:
            KeyReusedError: The key was used for another request.
            StoreUnavailable: It could not be stored.
        """

        async def create() -> str:
            with counting():
                return (await self.create(blueprint, client, body, key)).id

        return await create() if key is None else await self._keys.once(key, create)

    async def create(
        self,
        blueprint: Blueprint,
        client: Client,
        body: dict[str, Any],
        key: Key | None = None,
        *,
        run: str | None = None,
    ) -> Job:
        """Accept a job; it is stored when this returns.

        Args:
            blueprint: What it runs.
            client: Who it belongs to.
            body: `initial_data`, `webhook_url`, `dispatch_timeout`, `result_timeout`, `tracing_context`, `hold`,
                `priority`, `max_transitions`, `delay` (seconds), `metadata`.
            key: What is to mean this job from now on.
            run: Of a schedule: its key, of which there is one job alone.

        Raises:
            KeyTaken: The key means another one.
            StoreUnavailable: It could not be stored.
        """
        now = self.clock.now()
        fields = dict(body)
        delay = fields.pop("delay", None)
        job = Job(
            id=new_id(now),
            blueprint=blueprint.name,
            client=client,
            created_at=now,
            updated_at=now,
            current_state=blueprint.start_state or "",
            starts_at=None if delay is None else now + delay,
            **fields,
        )
        if run is not None:
            await self._runner.create(job, Keyed(run, "", job.id, now + KEY_LASTS))
        else:
            await self._runner.create(job, None if key is None else self._keys.row(key, job.id, now))
        return job

    def adopt(self, blueprint: Blueprint) -> None:
        """Let jobs go on that were left by an earlier run of the server and waited for this blueprint."""
        self._runner.adopt(blueprint.name)

    async def get(self, job_id: str, client: Client) -> Live | None:
        """A job with its tasks, if it exists and belongs to the client."""
        live = await self._runner.jobs.get(job_id)
        return live if live is not None and live.job.client.name == client.name else None

    async def find(self, job_id: str) -> Live | None:
        """A job with its tasks, whoever it belongs to."""
        return await self._runner.jobs.get(job_id)

    async def jobs(
        self,
        client: Client,
        *,
        status: Collection[str] | None = None,
        blueprint: str | None = None,
        before: str | None = None,
        limit: int = 50,
        offset: int = 0,
        after: str | None = None,
    ) -> list[ListedJob]:
        """A client's jobs, newest first; the arguments are those of `Store.jobs_of`."""
        return await self.store.jobs_of(client.name, status, blueprint, before, limit, offset, after)

    async def wait(self, job_id: str, seconds: float, gone: asyncio.Future[Any]) -> None:
        """Wait until a job has ended, the time is up, or the client has gone."""
        future = self._watchers.watch(job_id)
        try:
            live = await self._runner.jobs.get(job_id)
            if live is not None and not live.job.is_final and not self._dispatcher.closed:
                await self.clock.wait_any((future, gone), seconds, upkeep=True)
        finally:
            self._watchers.leave(job_id, future)

    async def wait_any(self, job_ids: Collection[str], seconds: float, gone: asyncio.Future[Any]) -> None:
        """Wait until one of these jobs, none of which had ended, has; else as `wait`."""
        future = self._watchers.watch_any(job_ids)
        try:
            ended = [live for job_id in job_ids if (live := await self._runner.jobs.get(job_id)) and live.job.is_final]
            if not ended and not self._dispatcher.closed:
                await self.clock.wait_any((future, gone), seconds, upkeep=True)
        finally:
            for job_id in job_ids:
                self._watchers.leave(job_id, future)

    @property
    def feed(self) -> Feed:
        """Who wants to hear of jobs."""
        return self._watchers.feed

    def lease(self, task_id: str) -> Lease | None:
        """Who has a task."""
        return self._leases.get(task_id)

    async def cancel(self, job_id: str) -> Applied | None:
        """Ask for a job's end."""

        def asked(live: Live) -> CancelAsked | None:
            return None if live.job.is_final else CancelAsked(at=self.clock.now(), queue=live.queue)

        return await self._runner.apply(job_id, asked)

    async def release(self, job_id: str) -> Applied | None:
        """Let a held job start; one that is not held (any more) stays as it is."""

        def released(live: Live) -> Released | None:
            return Released(at=self.clock.now()) if live.job.is_held else None

        return await self._runner.apply(job_id, released)

    async def decide(
        self, job_id: str, decision: str, metadata: Any = None, *, token: str | None = None
    ) -> Applied | None:
        """Take a decision a job waits for; the verdict says whether it counted.

        Args:
            job_id: The job.
            decision: The word.
            metadata: What is kept with it.
            token: Of the question that is answered: a job that waits for another one by now is left alone.
        """
        event = Decided(at=self.clock.now(), decision=decision, metadata=metadata, token=token)
        return await self._runner.apply(job_id, lambda _: event)

    async def retry(self, job_id: str) -> Applied | None:
        """Have a quarantined job try its task again; the verdict says whether it does."""
        event = Retried(at=self.clock.now())
        return await self._runner.apply(job_id, lambda _: event)

    async def let_out(self, job_id: str, state: str | None) -> Applied | None:
        """Let a job out of quarantine, into a state of its blueprint or into its end; the verdict says whether it was.

        Raises:
            UnknownStateError: Its blueprint has no such state, or is not loaded.
        """

        def let_out(live: Live) -> LetOut:
            blueprint = self.blueprints.named(live.job.blueprint)
            if state is not None and (blueprint is None or state not in blueprint.states):
                raise UnknownStateError(f"state: blueprint {live.job.blueprint!r} has no state {state!r}")
            return LetOut(at=self.clock.now(), state=state)

        return await self._runner.apply(job_id, let_out)

    @property
    def measures(self) -> Measures:
        """What has been counted since the start."""
        return self._runner.measures

    @property
    def polls_waiting(self) -> int:
        """How many polls of workers wait for a task."""
        return self._dispatcher.waiting

    @property
    def waits(self) -> int:
        """How many jobs somebody waits for."""
        return len(self._watchers.jobs())

    @property
    def is_stopping(self) -> bool:
        """Whether everybody who waits is let go."""
        return self._dispatcher.closed

    @property
    def moves(self) -> int:
        """How often something has happened to a job, one of its tasks or what is reported of it since the start."""
        return self._runner.jobs.moves + self.webhooks.moves

    @property
    def moves_by_schedule(self) -> int:
        """How many of these were of jobs that a schedule began."""
        return self._runner.jobs.moves_by_schedule

    async def explain(self, job_id: str) -> Explanation | None:
        """Why a job does not go on, or that it does; None when there is no such job.

        A job that waits for another one says what that one waits for.
        """
        live = await self._runner.jobs.get(job_id)
        if live is None:
            return None
        known = self.blueprints.named(live.job.blueprint) is not None
        found = explain(live, known=known, workers=self.desk.workers.all(), leases=self._leases, now=self.clock.now())
        child = await self.explain(next(iter(found.details.get("children", ())), ""))
        return found if child is None else replace(found, sentence=f"{found.sentence}: {child.sentence}")

    def unfinished(self, limit: int = 3) -> list[str]:
        """Ids of jobs that have not ended: those somebody waits for, else the newest."""
        waited = self._watchers.jobs()
        return (waited or self._runner.jobs.unfinished())[:limit]

    def progress(self, live: Live) -> tuple[float | None, str | None]:
        """What the job's running task last said of its progress."""
        for task_id in live.rows:
            lease = self._leases.get(task_id)
            if lease is not None and lease.progress is not None:
                return lease.progress, lease.message
        return None, None

    async def _answer(self, due: Due) -> None:
        fired = (
            self._runner.family.answer(timer) or self._runner.apply(timer.job_id, self._fired(timer.name))
            for timer in due.timers
        )
        outcomes = await asyncio.gather(*fired, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                log.warning("a timer waits: %s", outcome)
        gone = [timer.job_id for timer, outcome in zip(due.timers, outcomes, strict=True) if outcome is None]
        if gone:  # nothing else would end the timers of jobs that are no more
            await self.store.forget([job_id for job_id in gone if await self._runner.jobs.get(job_id) is None])
        await self.desk.answer(due)

    def _fired(self, name: str) -> Callable[[Live], TimerFired]:
        return lambda live: TimerFired(at=self.clock.now(), name=name, queue=live.queue)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and task.exception() is not None:
        log.error("the timekeeper failed", exc_info=task.exception())
