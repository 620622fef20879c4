"""load, commit, events_after, runnable: a step of a job is written whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator_lite.store import Change, Conflict, Due, Timer
from tests.store.rows import NOW, event, every_store, job, lease, queued, ref, task

if TYPE_CHECKING:
    from orchestrator_lite.store import Store


@every_store
async def test_an_unknown_job_is_none(store: Store) -> None:
    assert await store.load("nobody") is None


@every_store
async def test_a_new_job_comes_back_as_it_was_given(store: Store) -> None:
    row = job(status="pending", client="Ада", blueprint="greet", created_at=NOW + 0.25, doc=b'{"a": "\xd0\x90"}')
    await store.commit(Change(job=row))
    loaded = await store.load("j1")
    assert loaded is not None
    assert (loaded.job, loaded.tasks) == (row, ())


@every_store
async def test_a_job_is_loaded_with_its_live_tasks_only_in_the_order_they_were_queued(store: Store) -> None:
    leased = task("t3", worker_id="w", incarnation="i", until=NOW)
    await store.commit(Change(job=job(), enqueue=[task("t2"), leased, task("t1", priority=9.0)]))
    await store.commit(Change(job=job("j2"), enqueue=[task("other", "j2")]))
    await store.commit(Change(job=job(version=2), drop=[ref("t2")]))
    loaded = await store.load("j1")
    assert loaded is not None
    assert loaded.tasks == (leased, task("t1", priority=9.0))


@every_store
async def test_each_commit_replaces_the_row(store: Store) -> None:
    await store.commit(Change(job=job()))
    for version in (2, 3):
        row = job(version=version, status=f"s{version}", doc=b"%d" % version)
        await store.commit(Change(job=row))
        loaded = await store.load("j1")
        assert loaded is not None
        assert loaded.job == row


@every_store
async def test_a_version_that_does_not_follow_is_a_conflict(store: Store) -> None:
    for version in (0, 2):
        with pytest.raises(Conflict):
            await store.commit(Change(job=job(version=version)))
    await store.commit(Change(job=job()))
    for version in (0, 1, 3):
        with pytest.raises(Conflict):
            await store.commit(Change(job=job(version=version, doc=b"late")))
    loaded = await store.load("j1")
    assert loaded is not None
    assert loaded.job == job()


FULL = {
    "events": [event(b"new")],
    "enqueue": [task("new")],
    "set_timers": [Timer("new", "j1", "n", NOW), Timer("old", "j1", "moved", NOW + 99)],
    "clear_timers": ["gone"],
}
WRONG = {
    "stale version": {"job": job(version=1)},
    "version from the future": {"job": job(version=3)},
    "drop of an unknown task": {"drop": [ref("leased", leased=True), ref("nobody")]},
    "drop of another attempt": {"drop": [ref("queued"), ref("leased", 2)]},
    "drop of a queued task as leased": {"drop": [ref("leased"), ref("queued", leased=True)]},
    "drop of a leased task as queued": {"drop": [ref("queued"), ref("leased", leased=False)]},
    "drop twice": {"drop": [ref("queued"), ref("queued")]},
    "requeue of an unknown task": {"requeue": [ref("leased"), ref("nobody")]},
    "requeue of another attempt": {"requeue": [ref("leased", 2)]},
    "requeue of a queued task": {"requeue": [ref("leased"), ref("queued")]},
    "requeue of a leased task as queued": {"requeue": [ref("leased", leased=False)]},
    "requeue twice": {"requeue": [ref("leased"), ref("leased")]},
    "drop and requeue": {"drop": [ref("leased")], "requeue": [ref("leased")]},
    "a task that is queued already": {"drop": [ref("leased")], "enqueue": [task("new"), task("queued")]},
    "a task that is leased already": {"enqueue": [task("leased")]},
    "a new task twice": {"enqueue": [task("new"), task("new")]},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_conflict_leaves_nothing_of_its_change(wrong, make_store) -> None:
    @every_store
    async def promise(store: Store) -> None:
        await store.commit(
            Change(
                job=job(),
                events=[event(b"old")],
                enqueue=[task("leased")],
                set_timers=[Timer("old", "j1", "n", NOW + 1), Timer("gone", "j1", "n", NOW + 2)],
            )
        )
        await lease(store)
        await queued(store, task("queued", "j2"))

        async def everything() -> list[object]:
            return [
                await store.load("j1"),
                await store.load("j2"),
                await store.events_after("j1"),
                await store.due(NOW + 100),
                await store.counts(),
            ]

        before = await everything()
        with pytest.raises(Conflict):
            await store.commit(Change(**({"job": job(version=2)} | FULL | WRONG[wrong])))
        assert await everything() == before
        await store.commit(Change(job=job(version=2), **FULL))

    promise(make_store)


@every_store
async def test_drop_takes_queued_and_leased_tasks(store: Store) -> None:
    await store.commit(Change(job=job(), enqueue=[task("a"), task("b"), task("c"), task("d")]))
    await lease(store, limit=2)
    drop = [ref("a", leased=True), ref("b"), ref("c", leased=False), ref("d")]
    await store.commit(Change(job=job(version=2), drop=drop))
    loaded = await store.load("j1")
    assert loaded is not None
    assert loaded.tasks == ()
    assert await lease(store, limit=9) == []
    assert (await store.due(NOW + 100)).lapsed == ()


@every_store
async def test_a_requeued_task_keeps_its_holder_its_attempt_and_its_age(store: Store) -> None:
    await store.commit(Change(job=job(), enqueue=[task("a"), task("b")]))
    await lease(store)
    await store.commit(Change(job=job(version=2), requeue=[ref("a", leased=True)]))
    loaded = await store.load("j1")
    assert loaded is not None
    assert loaded.tasks == (task("a", worker_id="w", incarnation="i"), task("b"))
    assert [one.task_id for one in await lease(store, limit=2)] == ["a", "b"]


@every_store
async def test_a_task_may_be_dropped_and_queued_anew_in_one_change(store: Store) -> None:
    await store.commit(Change(job=job(), enqueue=[task("a"), task("b")]))
    await store.commit(Change(job=job(version=2), drop=[ref("a")], enqueue=[task("a", attempt=2)]))
    loaded = await store.load("j1")
    assert loaded is not None
    assert loaded.tasks == (task("b"), task("a", attempt=2))


@every_store
async def test_a_task_may_be_committed_with_its_lease(store: Store) -> None:
    leased = task(worker_id="w", incarnation="i", until=NOW + 5)
    await store.commit(Change(job=job(), enqueue=[leased]))
    assert await lease(store) == []
    assert await store.leases("w") == [leased]
    assert (await store.due(NOW + 5)).lapsed == (leased,)


@every_store
async def test_timers_begin_move_and_end(store: Store) -> None:
    first, moved, other = Timer("k", "j1", "n", NOW + 1), Timer("k", "j1", "m", NOW + 9), Timer("o", "j1", "n", NOW + 5)
    await store.commit(Change(job=job(), set_timers=[first, other]))
    assert await store.due(NOW + 10) == Due((first, other), (), None)
    await store.commit(Change(job=job(version=2), set_timers=[moved]))
    assert await store.due(NOW + 10) == Due((other, moved), (), None)
    await store.commit(Change(job=job(version=3), clear_timers=["k", "never there"]))
    assert await store.due(NOW + 10) == Due((other,), (), None)
    await store.commit(Change(job=job(version=4), clear_timers=["o"], set_timers=[Timer("o", "j1", "n", NOW + 7)]))
    assert await store.due(NOW + 6) == Due((), (), NOW + 7)


@every_store
async def test_history_is_read_in_order_and_after_an_event(store: Store) -> None:
    await store.commit(Change(job=job(), events=[event(b"1", at=NOW + 5), event(b"2", at=NOW + 1)]))
    await store.commit(Change(job=job("j2"), events=[event(b"other", "j2")]))
    await store.commit(Change(job=job(version=2), events=[event(b"3")]))
    events = await store.events_after("j1")
    assert [(one.job_id, one.at, one.doc) for one in events] == [
        ("j1", NOW + 5, b"1"),
        ("j1", NOW + 1, b"2"),
        ("j1", NOW, b"3"),
    ]
    (between,) = await store.events_after("j2")
    assert events[0].seq < events[1].seq < between.seq < events[2].seq
    assert await store.events_after("j1", events[0].seq) == events[1:]
    assert await store.events_after("j1", events[0].seq, 1) == events[1:2]
    assert await store.events_after("j1", events[2].seq) == []
    assert await store.events_after("nobody") == []
    assert await store.events_after("j1", limit=0) == []


@every_store
async def test_runnable_lists_jobs_that_are_owed_a_handler(store: Store) -> None:
    states = {"j5": "pending", "j1": "running", "j2": "finished", "j3": "waiting_for_worker", "j4": "running"}
    for job_id, status in states.items():
        await store.commit(Change(job=job(job_id, status=status)))
    assert await store.runnable() == ["j1", "j4", "j5"]
    assert await store.runnable(2) == ["j1", "j4"]
    assert await store.runnable(2, after="j1") == ["j4", "j5"]
    assert await store.runnable(after="j5") == []
    assert await store.runnable(0) == []
    await store.commit(Change(job=job("j4", version=2, status="failed")))
    await store.commit(Change(job=job("j3", version=2, status="running")))
    assert await store.runnable() == ["j1", "j3", "j5"]
