"""The store on SQLite: a file that survives kill -9, or memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock
from orchestrator_lite.store import (
    _backup,
    _forgetting,
    _group,
    _history,
    _jobs,
    _notes,
    _opening,
    _outgoing,
    _tasks,
)
from orchestrator_lite.store._rows import (
    Change,
    Counts,
    Due,
    EventRow,
    Keyed,
    ListedJob,
    Loaded,
    Outgoing,
    Renewal,
    StoreError,
    TaskRef,
    TaskRow,
    WorkerRow,
)
from orchestrator_lite.store._schema import Durability
from orchestrator_lite.store._thread import StoreThread
from orchestrator_lite.store._transaction import Transaction

_P = ParamSpec("_P")
_T = TypeVar("_T")


class SqliteStore:
    """`Store` on one SQLite database; its verbs are described there.

    One thread owns the connection. Verbs called while it is busy become one group with one COMMIT, and each returns
    after that COMMIT. A verb whose caller is cancelled is performed all the same. Verbs may be called from several
    event loops; `open` and `close` from one of them.

    Args:
        path: The file, created when missing; beside it lie `-wal`, `-shm` and `.lock`. None: in memory.
        durability: `power`: what was answered survives a power cut (one fsync a group), all but who holds which task;
            `process`: it survives the end of every process, but the last moments may be lost with the power.
        inline: Without a thread: a verb is performed when it is awaited, and returns without suspending.
        clock: Waits for the thread's answers, when it is a virtual one.
    """

    def __init__(
        self,
        path: str | None,
        *,
        durability: Durability = "power",
        inline: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._path = path
        self._durability = durability
        self._inline = inline
        self._clock = clock
        self._thread: StoreThread | None = None
        self._tx: Transaction | None = None
        self._begun = False
        self._closed = False

    def __repr__(self) -> str:
        return f"SqliteStore({self._path!r}, durability={self._durability!r})"

    @property
    def commits(self) -> int:
        """How many COMMITs there have been since `open`; 0 when it is closed."""
        tx = self._tx if self._thread is None else self._thread.tx
        return 0 if tx is None else tx.commits

    async def open(self) -> None:
        """Open or create the database, again after a `close` if need be (in memory: an empty one).

        Raises:
            StoreError: It cannot be opened, in one line that says what to do; or it is open already.
        """
        if self._begun and not self._closed:
            raise StoreError("The store is open already.")
        await self._joined()
        self._begun, self._closed = True, False
        try:
            await self._open()
        except BaseException:
            self._begun = False
            raise

    async def _open(self) -> None:
        if self._inline:
            self._tx = self._open_transaction()
            return
        thread = StoreThread(self._open_transaction)
        try:
            with self._clock.hold():
                await thread.start()
            if self._closed:
                raise StoreError("The store was closed while it was being opened.")
        except BaseException:
            # Also when the caller was cancelled while the thread went on to open the file.
            thread.finish()
            raise
        self._thread = thread

    async def close(self) -> None:
        """Finish the verbs that wait, fold the log into the database, let go of the file; idempotent."""
        self._closed = True
        tx, self._tx = self._tx, None
        if tx is not None:
            tx.close()
        if self._thread is not None:
            self._thread.finish()
        await self._joined()

    async def _joined(self) -> None:
        if self._thread is not None:
            with self._clock.hold():
                await self._thread.join()
            self._thread = None

    def _open_transaction(self) -> Transaction:
        connection, lock = _opening.connect(self._path, self._durability)
        return Transaction(connection, lock, power=self._path is not None and self._durability == "power")

    async def _do(self, verb: Callable[Concatenate[Transaction, _P], _T], *arguments: _P.args, **_: _P.kwargs) -> _T:
        if self._closed:
            raise StoreError("The store is closed.")
        if self._thread is not None:
            with self._clock.hold():
                result: _T = await self._thread.submit(verb, arguments)
                return result
        if self._tx is None:
            raise StoreError("The store is not open yet: await its open() first.")
        call = _group.Call(verb, arguments)
        _group.perform(self._tx, (call,))
        if call.error is not None:
            raise call.error
        done: _T = call.result
        return done

    async def load(self, job_id: str) -> Loaded | None:
        """See `Store.load`."""
        return await self._do(_jobs.load, job_id)

    async def commit(self, *changes: Change) -> None:
        """See `Store.commit`."""
        await self._do(_jobs.commit, *changes)

    async def checkpoint(self, task_id: str) -> bytes | None:
        """See `Store.checkpoint`."""
        return await self._do(_notes.checkpoint, task_id)

    async def key(self, key: str) -> Keyed | None:
        """See `Store.key`."""
        return await self._do(_notes.key, key)

    async def lease(
        self, worker_id: str, incarnation: str | None, skills: Collection[str], until: float, limit: int = 1
    ) -> list[TaskRow]:
        """See `Store.lease`."""
        return await self._do(_tasks.lease, worker_id, incarnation, skills, until, limit)

    async def renew(self, renewals: Sequence[Renewal]) -> None:
        """See `Store.renew`."""
        await self._do(_tasks.renew, renewals)

    async def hand_back(self, refs: Sequence[TaskRef]) -> list[TaskRow]:
        """See `Store.hand_back`."""
        return await self._do(_tasks.hand_back, refs)

    async def take_over(
        self, worker_id: str, incarnation: str, holding: Collection[tuple[str, int]], until: float
    ) -> list[TaskRow]:
        """See `Store.take_over`."""
        return await self._do(_tasks.take_over, worker_id, incarnation, holding, until)

    async def grace(self, until: float) -> None:
        """See `Store.grace`."""
        await self._do(_tasks.grace, until)

    async def leases(self, worker_id: str | None = None) -> list[TaskRow]:
        """See `Store.leases`."""
        return await self._do(_tasks.leases, worker_id)

    async def due(self, now: float, limit: int = 1000) -> Due:
        """See `Store.due`."""
        return await self._do(_tasks.due, now, limit)

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
        """See `Store.jobs_of`."""
        statuses = [status] if isinstance(status, str) else status
        return await self._do(_jobs.jobs_of, client, statuses, blueprint, before, limit, offset, after)

    async def events_after(self, job_id: str, seq: int = 0, limit: int = 10_000) -> list[EventRow]:
        """See `Store.events_after`."""
        return await self._do(_history.events_after, job_id, seq, limit)

    async def client_events_after(self, client: str, seq: int = 0, limit: int = 1000) -> list[EventRow]:
        """See `Store.client_events_after`; other verbs have their turns between the parts of a long history."""
        found, reached = await self._do(_history.client_events, client, seq, limit)
        while reached is not None and len(found) < limit:
            events, reached = await self._do(_history.client_events, client, reached, limit - len(found))
            found += events
        return found

    async def last_event(self) -> int:
        """See `Store.last_event`."""
        return await self._do(_history.last_event)

    async def lanes(self) -> list[str]:
        """See `Store.lanes`."""
        return await self._do(_tasks.lanes)

    async def outgoing_due(self, now: float, limit: int = 100) -> tuple[list[Outgoing], float | None]:
        """See `Store.outgoing_due`."""
        return await self._do(_outgoing.outgoing_due, now, limit)

    async def put_outgoing(self, rows: Sequence[Outgoing]) -> None:
        """See `Store.put_outgoing`."""
        await self._do(_outgoing.put_outgoing, rows)

    async def outgoing(self, message_id: int) -> Outgoing | None:
        """See `Store.outgoing`."""
        return await self._do(_outgoing.outgoing, message_id)

    async def outgoing_of(
        self,
        client: str,
        *,
        job_id: str | None = None,
        status: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Outgoing]:
        """See `Store.outgoing_of`."""
        return await self._do(_outgoing.outgoing_of, client, job_id, status, before, limit)

    async def notes(self, prefix: str = "") -> dict[str, bytes]:
        """See `Store.notes`."""
        return await self._do(_notes.notes, prefix)

    async def put_notes(self, notes: Mapping[str, bytes | None]) -> None:
        """See `Store.put_notes`."""
        await self._do(_notes.put_notes, notes)

    async def ended_before(self, at: float, limit: int = 500) -> list[str]:
        """See `Store.ended_before`."""
        return await self._do(_forgetting.ended_before, at, limit)

    async def forget(self, job_ids: Collection[str]) -> list[str]:
        """See `Store.forget`."""
        return await self._do(_forgetting.forget, job_ids)

    async def purge(self, now: float, limit: int = 1000) -> int:
        """See `Store.purge`."""
        return await self._do(_forgetting.purge, now, limit)

    async def backup(self, path: str) -> None:
        """See `Store.backup`; the copy is an SQLite file, of a store in memory too."""
        with self._clock.hold():
            if self._path is None:
                content = await self._do(_backup.content)
                await asyncio.to_thread(_backup.write, content, path)
            else:
                await self._do(_history.last_event)  # it is open, and what was answered before is in the file
                await asyncio.to_thread(_backup.copy, self._path, path)

    async def runnable(self, limit: int = 1000, after: str = "") -> list[str]:
        """See `Store.runnable`."""
        return await self._do(_jobs.runnable, limit, after)

    async def put_worker(self, worker: WorkerRow) -> None:
        """See `Store.put_worker`."""
        await self._do(_jobs.put_worker, worker)

    async def workers(self) -> list[WorkerRow]:
        """See `Store.workers`."""
        return await self._do(_jobs.workers)

    async def drop_worker(self, worker_id: str) -> None:
        """See `Store.drop_worker`."""
        await self._do(_jobs.drop_worker, worker_id)

    async def counts(self) -> Counts:
        """See `Store.counts`."""
        return await self._do(_jobs.counts)

    async def wipe(self) -> None:
        """See `Store.wipe`."""
        await self._do(_forgetting.wipe)
