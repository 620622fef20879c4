"""The store's thread: what waits becomes one group, with one COMMIT and one answer to each event loop."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.store import Change, Conflict, Renewal, StoreError
from orchestrator_lite.store.sqlite import SqliteStore
from tests.conftest import run
from tests.store.rows import NOW, event, ids, in_memory, job, lease, queued, ref, task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def busy(store: SqliteStore) -> AsyncIterator[None]:
    """Keep the store's thread busy inside, so that all calls made there wait, and become one group."""
    going_on = threading.Event()
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait(_: object) -> None:
        loop.call_soon_threadsafe(begun.set)
        going_on.wait()

    task = asyncio.ensure_future(store._do(wait))
    await begun.wait()
    try:
        yield
    finally:
        going_on.set()
        await task


async def all_waiting(store: SqliteStore, count: int) -> None:
    """Until so many calls stand in the queue (each needs a turn of the event loop to get there)."""
    while store._thread._waiting.qsize() < count:
        await SYSTEM_CLOCK.sleep(0)


def store_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "orchestrator-lite-store"]


def steps(number: int) -> list[Change]:
    return [Change(job=job(f"j{n}"), events=[event(b"e", f"j{n}")], enqueue=[task(f"t{n}")]) for n in range(number)]


@in_memory
async def test_commits_that_wait_share_one_commit_and_one_answer(store):
    loop = asyncio.get_running_loop()
    statements: list[str] = []
    answers = []
    store._thread.tx._connection.set_trace_callback(statements.append)
    async with asyncio.TaskGroup() as group, busy(store):
        before = store.commits
        for change in steps(200):
            group.create_task(store.commit(change))
        await all_waiting(store, 200)
        statements.clear()
        plain, loop.call_soon_threadsafe = loop.call_soon_threadsafe, lambda *a: (answers.append(1), plain(*a))[1]
    del loop.call_soon_threadsafe
    assert statements.count("COMMIT") == 2  # the busy verb's own, and the group's
    assert store.commits == before + 2
    assert len(answers) == 2
    assert (await store.counts()).queued == 200


@in_memory
async def test_a_very_long_queue_is_answered_in_parts(store):
    async with asyncio.TaskGroup() as group, busy(store):
        before = store.commits
        for change in steps(2500):
            group.create_task(store.commit(change))
        await all_waiting(store, 2500)
    assert store.commits == before + 4
    assert (await store.counts()).queued == 2500


@in_memory
async def test_in_one_group_each_verb_sees_those_before_it(store):
    async with asyncio.TaskGroup() as group, busy(store):
        calls = [
            store.commit(Change(job=job(), enqueue=[task()])),
            lease(store),
            store.commit(Change(job=job(version=2), drop=[ref(leased=True)])),
            lease(store),
            store.commit(Change(job=job(version=3), enqueue=[task()])),
            store.commit(Change(job=job(version=4), drop=[ref(leased=False)], enqueue=[task("t2")])),
            store.load("j1"),
        ]
        tasks = [group.create_task(call) for call in calls]
        await all_waiting(store, len(calls))
    assert ids(tasks[1].result()) == ["t1"]
    assert tasks[3].result() == []
    loaded = tasks[6].result()
    assert (loaded.job.version, ids(loaded.tasks)) == (4, ["t2"])


@in_memory
async def test_a_conflict_in_a_group_fails_alone(store):
    good = steps(50)
    bad = [Change(job=job(f"j{n}"), events=[event(b"bad", f"j{n}")], enqueue=[task(f"x{n}")]) for n in range(50)]
    mixed = [change for pair in zip(good, bad, strict=True) for change in pair]
    async with busy(store):
        outcomes = asyncio.gather(*map(store.commit, mixed), return_exceptions=True)
        await all_waiting(store, 100)
    assert [type(one) for one in await outcomes] == [type(None), Conflict] * 50
    assert (await store.counts()).queued == 50
    assert [one.doc for one in await store.events_after("j7")] == [b"e"]


@pytest.mark.parametrize(
    "poison", [{"client": "\ud800"}, {"created_at": float("nan")}, {"doc": 1 << 70}, {"status": None}]
)
def test_a_value_that_cannot_be_stored_fails_its_verb_alone(poison):
    @in_memory
    async def promise(store):
        changes = [*steps(10), Change(job=job("poison", **poison)), *steps(11)]
        async with busy(store):
            outcomes = asyncio.gather(*map(store.commit, changes), return_exceptions=True)
            await all_waiting(store, len(changes))
        kinds = [type(one) for one in await outcomes]
        assert kinds == [type(None)] * 10 + [StoreError] + [Conflict] * 10 + [type(None)]
        assert (await store.counts()).jobs == {"running": 11}

    promise()


@in_memory
async def test_cancelling_a_caller_does_not_take_its_write_back(store):
    async with busy(store):
        doomed = [asyncio.ensure_future(store.commit(change)) for change in steps(10)]
        kept = asyncio.ensure_future(store.commit(Change(job=job("kept"))))
        await all_waiting(store, 11)
        for one in doomed:
            one.cancel()
        outcomes = await asyncio.gather(*doomed, return_exceptions=True)
        assert {type(one) for one in outcomes} == {asyncio.CancelledError}
    await kept
    assert (await store.counts()).jobs == {"running": 11}


def test_close_finishes_what_waits_and_refuses_what_comes_after():
    async def body():
        store = SqliteStore(None)
        await store.open()
        async with busy(store):
            commits = asyncio.gather(*map(store.commit, steps(20)))
            await all_waiting(store, 20)
            closing = asyncio.ensure_future(store.close())
            await all_waiting(store, 21)
            with pytest.raises(StoreError, match="closed"):
                await store.load("j1")
        await commits
        await closing
        assert store_threads() == []

    run(body())


def test_a_cancelled_close_goes_on_and_can_be_awaited_again():
    async def body():
        store = SqliteStore(None)
        await store.open()
        async with busy(store):
            closing = asyncio.ensure_future(store.close())
            await all_waiting(store, 1)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
        await store.close()
        assert store_threads() == []

    run(body())


def test_a_cancelled_open_lets_go_of_the_file(tmp_path):
    path = str(tmp_path / "lite.db")

    async def body():
        opening = asyncio.ensure_future(SqliteStore(path).open())
        await SYSTEM_CLOCK.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        for thread in store_threads():
            thread.join()
        again = SqliteStore(path)
        await again.open()
        await again.close()

    run(body())


def test_a_store_that_is_still_opening_is_not_open():
    async def body():
        store = SqliteStore(None)
        opening = asyncio.ensure_future(store.open())
        await SYSTEM_CLOCK.sleep(0)
        with pytest.raises(StoreError, match="open"):
            await store.open()
        with pytest.raises(StoreError, match="not open yet"):
            await store.load("j1")
        await store.close()
        with pytest.raises(StoreError, match="closed while"):
            await opening

    run(body())


def test_two_event_loops_may_share_a_store():
    async def opened():
        store = SqliteStore(None)
        await store.open()
        return store

    async def flow(store, name):
        for number in range(50):
            await store.commit(Change(job=job(f"{name}{number}")))

    async def rest(store):
        assert (await store.counts()).jobs == {"running": 100}
        await store.close()

    store = run(opened())
    threads = [threading.Thread(target=run, args=(flow(store, name),)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run(rest(store))


def test_a_caller_whose_event_loop_is_gone_harms_no_one():
    store = SqliteStore(None)

    async def leave():
        await store.open()
        going_on = threading.Event()
        store._thread.submit(lambda _: going_on.wait(), ())
        store._thread.submit(lambda _: None, ())
        return going_on

    going_on = run(leave())
    going_on.set()

    async def rest():
        await queued(store, task())
        await store.close()

    run(rest())


def test_an_inline_verb_returns_without_suspending():
    async def body():
        store = SqliteStore(None, inline=True)
        await store.open()
        commit = store.commit(Change(job=job()))
        with pytest.raises(StopIteration):
            commit.send(None)
        before = threading.active_count()
        await store.close()
        assert threading.active_count() == before

    run(body())


async def in_one_group(store: SqliteStore, *calls: Any) -> list[Any]:
    """What the calls answer as one group: a Conflict is an answer too."""
    async with busy(store):
        answers = [asyncio.ensure_future(call) for call in calls]
        await all_waiting(store, len(calls))
    return await asyncio.gather(*answers, return_exceptions=True)


@in_memory
async def test_in_one_group_a_change_is_judged_by_what_every_verb_before_it_did(store):
    names = ("back", "revived", "freed", "kept")
    await queued(store, *(task(name) for name in names))
    await lease(store, incarnation="i1", limit=4)
    await store.hand_back([ref("revived"), ref("kept")])
    answers = await in_one_group(
        store,
        store.hand_back([ref("back")]),
        store.renew([Renewal(task_id="revived", attempt=1, worker_id="w", until=NOW + 9)]),
        store.commit(Change(job=job("of-back", 2), requeue=[ref("back")])),
        store.commit(Change(job=job("of-revived", 2), drop=[ref("revived", leased=False)])),
        store.take_over("w", "i2", [("kept", 1)], NOW + 9),
        store.commit(Change(job=job("of-freed", 2), requeue=[ref("freed")])),
        store.commit(Change(job=job("of-kept", 2), drop=[ref("kept", leased=False)])),
        store.commit(Change(job=job("of-kept", 2), drop=[ref("kept", leased=True)])),
    )
    assert [type(one) for one in answers] == [
        list,
        type(None),
        Conflict,
        Conflict,
        list,
        Conflict,
        Conflict,
        type(None),
    ]


@in_memory
async def test_in_one_group_a_job_is_read_with_what_changes_of_other_jobs_did_to_it(store):
    await queued(store, task("t2", "j2"))
    answers = await in_one_group(
        store,
        store.commit(Change(job=job("j1"), events=[event(b"e", "j2")])),
        store.events_after("j2"),
        store.commit(Change(job=job("j2"))),
        store.commit(Change(job=job("j3"), enqueue=[task("t3", "j2")])),
        store.load("j2"),
        store.commit(Change(job=job("j4"), drop=[ref("t2")])),
        store.load("j2"),
    )
    assert [one.doc for one in answers[1]] == [b"e"]
    assert [ids(answers[4].tasks), ids(answers[6].tasks)] == [["t2", "t3"], ["t3"]]
