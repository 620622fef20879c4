"""due, workers, counts, wipe, and the life of a store itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator_lite.store import Change, Counts, Due, StoreError, Timer, WorkerRow
from tests.conftest import run
from tests.store.rows import NOW, event, every_store, ids, job, lease, queued, task

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator_lite.store import Store


def timer(key: str, after: float) -> Timer:
    return Timer(key, "j1", "n", NOW + after)


@every_store
async def test_nothing_is_due_in_an_empty_store(store: Store) -> None:
    assert await store.due(NOW) == Due((), (), None)


@every_store
async def test_what_ended_is_told_oldest_first_with_the_time_of_the_next(store: Store) -> None:
    await store.commit(Change(job=job(), set_timers=[timer("late", 3), timer("b", 1), timer("a", 1), timer("far", 50)]))
    await queued(store, task("a"), task("b"), task("c"), task("d"))
    for until in (3, 1, 40):
        await lease(store, until=NOW + until)
    due = await store.due(NOW + 3)
    assert [one.key for one in due.timers] == ["a", "b", "late"]
    assert ids(due.lapsed) == ["b", "a"]
    assert due.next_at == NOW + 40
    assert await store.due(NOW + 3) == due
    assert (await store.due(NOW + 40)).next_at == NOW + 50
    assert (await store.due(NOW + 50)).next_at is None


@every_store
async def test_what_is_not_due_yet_is_only_the_next(store: Store) -> None:
    await queued(store, task())
    assert await store.due(NOW) == Due((), (), None)
    await lease(store, until=NOW + 5)
    assert await store.due(NOW) == Due((), (), NOW + 5)
    await store.commit(Change(job=job(), set_timers=[timer("t", 2)]))
    assert await store.due(NOW + 1.999) == Due((), (), NOW + 2)


@every_store
async def test_what_the_limit_leaves_out_is_next(store: Store) -> None:
    await store.commit(Change(job=job(), set_timers=[timer(str(n), n) for n in range(4)]))
    due = await store.due(NOW + 10, limit=3)
    assert [one.key for one in due.timers] == ["0", "1", "2"]
    assert due.next_at == NOW + 3
    await queued(store, task("a"), task("b"))
    await lease(store, until=NOW + 1)
    await lease(store, until=NOW + 2)
    due = await store.due(NOW + 10, limit=1)
    assert ([one.key for one in due.timers], ids(due.lapsed), due.next_at) == (["0"], ["a"], NOW + 1)


@every_store
async def test_registrations_are_kept_replaced_and_forgotten(store: Store) -> None:
    assert await store.workers() == []
    rows = [WorkerRow("b", NOW, b"1"), WorkerRow("a", NOW + 0.5, b"2")]
    for row in rows:
        await store.put_worker(row)
    assert await store.workers() == [rows[1], rows[0]]
    again = WorkerRow("b", NOW + 9, b"3")
    await store.put_worker(again)
    assert await store.workers() == [rows[1], again]
    await store.drop_worker("a")
    await store.drop_worker("nobody")
    assert await store.workers() == [again]


@every_store
async def test_counts_tell_jobs_by_status_and_tasks_by_place(store: Store) -> None:
    assert await store.counts() == Counts()
    for number, status in enumerate(["running", "finished", "running"]):
        await store.commit(Change(job=job(f"j{number}", status=status), enqueue=[task(f"t{number}", f"j{number}")]))
    await lease(store)
    assert await store.counts() == Counts(jobs={"running": 2, "finished": 1}, queued=2, leased=1)
    await store.commit(Change(job=job("j0", 2, "finished")))
    assert (await store.counts()).jobs == {"running": 1, "finished": 2}


@every_store
async def test_wipe_forgets_everything_and_the_store_goes_on(store: Store) -> None:
    first = Change(job=job(), events=[event()], enqueue=[task("a"), task("b")], set_timers=[timer("t", 1)])
    await store.commit(first)
    await lease(store)
    await store.put_worker(WorkerRow("w", NOW, b"{}"))
    await store.wipe()
    assert await store.load("j1") is None
    assert await store.events_after("j1") == []
    assert await store.due(NOW + 99) == Due((), (), None)
    assert await store.workers() == []
    assert await store.counts() == Counts()
    await store.commit(first)
    assert ids(await lease(store, limit=9)) == ["a", "b"]


def test_a_store_that_is_not_open_says_so(make_store: Callable[[], Store]) -> None:
    async def body() -> None:
        store = make_store()
        with pytest.raises(StoreError, match="not open"):
            await store.load("j1")
        await store.open()
        await store.close()
        with pytest.raises(StoreError, match=r"closed|not open"):
            await store.commit(Change(job=job()))

    run(body())


def test_closing_twice_or_before_opening_does_nothing(make_store: Callable[[], Store]) -> None:
    async def body() -> None:
        await make_store().close()
        store = make_store()
        await store.open()
        await store.close()
        await store.close()

    run(body())
