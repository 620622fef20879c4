"""Short ways to write rows, changes and tests about an open store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator_lite.store import Change, EventRow, JobRow, SqliteStore, TaskRef, TaskRow
from tests.conftest import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from orchestrator_lite.store import Store

NOW = 1_700_000_000.0


def job(job_id: str = "j1", version: int = 1, status: str = "running", **values: Any) -> JobRow:
    """A job's row."""
    plain = {"client": "c", "blueprint": "b", "created_at": NOW, "doc": b"{}"}
    return JobRow(id=job_id, version=version, status=status, **(plain | values))


def task(task_id: str = "t1", job_id: str = "j1", **values: Any) -> TaskRow:
    """A queued task's row."""
    plain = {"skill": "s", "priority": 0.0, "attempt": 1, "spent": False, "payload": b"{}"}
    return TaskRow(task_id=task_id, job_id=job_id, **(plain | values))


def event(doc: bytes = b"{}", job_id: str = "j1", at: float = NOW) -> EventRow:
    """A history event on its way in."""
    return EventRow(0, job_id, at, doc)


async def queued(store: Store, *tasks: TaskRow) -> None:
    """Queue tasks, each with a new job of the id `of-<task>`."""
    for one in tasks:
        await store.commit(Change(job=job(f"of-{one.task_id}"), enqueue=[one]))


async def lease(store: Store, worker_id: str = "w", *skills: str, **values: Any) -> list[TaskRow]:
    """Lease with defaults: incarnation `i`, skill `s`, fifteen seconds."""
    plain = {"incarnation": "i", "skills": skills or ("s",), "until": NOW + 15}
    return await store.lease(worker_id, **(plain | values))


def ids(tasks: list[TaskRow] | tuple[TaskRow, ...]) -> list[str]:
    """The tasks' ids, in order."""
    return [one.task_id for one in tasks]


def ref(task_id: str = "t1", attempt: int = 1, leased: bool | None = None) -> TaskRef:
    """A reference to a task."""
    return TaskRef(task_id, attempt, leased)


async def is_open(make_store: Callable[[], Store], body: Callable[[Store], Awaitable[None]]) -> None:
    """Await `body` with a fresh open store."""
    store = make_store()
    await store.open()
    try:
        await body(store)
    finally:
        await store.close()


def every_store(promise: Callable[[Store], Awaitable[None]]) -> Callable[..., None]:
    """Make an async function of an open store a test that runs over every kind of store."""

    def test(make_store: Callable[[], Store]) -> None:
        run(is_open(make_store, promise))

    test.__name__, test.__doc__ = promise.__name__, promise.__doc__
    return test


def in_memory(promise: Callable[[SqliteStore], Awaitable[None]]) -> Callable[[], None]:
    """Make an async function of an open store a test that runs over a threaded SQLite store in memory."""

    def test() -> None:
        run(is_open(lambda: SqliteStore(None), promise))

    test.__name__, test.__doc__ = promise.__name__, promise.__doc__
    return test
