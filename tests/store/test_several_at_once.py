"""One commit of several jobs: all of it or nothing."""

from __future__ import annotations

import pytest

from orchestrator_lite.store import Change, Conflict, Store, Timer
from tests.store.rows import NOW, event, every_store, ids, job, lease, queued, ref, task


async def left(store: Store) -> tuple[object, ...]:
    """Everything that a refused commit must not have touched."""
    return (
        await store.load("parent"),
        await store.load("child"),
        await store.events_after("parent"),
        await store.last_event(),
        await store.due(NOW + 99),
        await store.counts(),
        await store.checkpoint("t1"),
    )


def parent_and_child(**child: object) -> list[Change]:
    parent = Change(job=job("parent", 2), events=[event(job_id="parent")], drop=[ref("t1")])
    return [parent, Change(job=job("child"), enqueue=[task("t2", "child")], **child)]  # type: ignore[arg-type]


async def with_parent(store: Store) -> None:
    await store.commit(Change(job=job("parent"), enqueue=[task("t1", "parent")]))


@every_store
async def test_a_parent_and_its_children_are_written_together(store: Store) -> None:
    await with_parent(store)
    await store.commit(*parent_and_child(set_timers=[Timer("wake", "parent", "wake", NOW)]))
    parent, child = await store.load("parent"), await store.load("child")
    assert parent is not None
    assert (parent.job.version, parent.tasks) == (2, ())
    assert child is not None
    assert ids(child.tasks) == ["t2"]
    assert [timer.job_id for timer in (await store.due(NOW)).timers] == ["parent"]
    assert ids(await lease(store)) == ["t2"]


@every_store
async def test_when_one_job_has_moved_on_nothing_of_the_others_is_written(store: Store) -> None:
    await with_parent(store)
    await store.commit(Change(job=job("child")))
    before = await left(store)
    for changes in (parent_and_child(), parent_and_child()[::-1]):
        with pytest.raises(Conflict):
            await store.commit(*changes)
        assert await left(store) == before


@every_store
async def test_when_one_task_is_elsewhere_nothing_of_the_others_is_written(store: Store) -> None:
    await with_parent(store)
    await queued(store, task("t2"))
    before = await left(store)
    with pytest.raises(Conflict):
        await store.commit(*parent_and_child())
    assert await left(store) == before


@every_store
async def test_two_changes_of_one_job_or_task_are_no_commit(store: Store) -> None:
    await with_parent(store)
    before = await left(store)
    for changes in (
        [Change(job=job("child")), Change(job=job("child"))],
        [Change(job=job("child")), Change(job=job("child", 2))],
        [Change(job=job("parent", 2), drop=[ref("t1")]), Change(job=job("child"), drop=[ref("t1")])],
        [Change(job=job("parent", 2), drop=[ref("t1")]), Change(job=job("child"), enqueue=[task("t1", "child")])],
        [Change(job=job(name), enqueue=[task("new", name)]) for name in ("a", "b")],
    ):
        with pytest.raises(Conflict):
            await store.commit(*changes)
        assert await left(store) == before


@every_store
async def test_a_commit_of_nothing_does_nothing(store: Store) -> None:
    await store.commit()
    assert (await store.counts()).jobs == {}


@every_store
async def test_many_children_come_in_one_commit(store: Store) -> None:
    await store.commit(*(Change(job=job(f"j{n:03}"), enqueue=[task(f"t{n:03}", f"j{n:03}")]) for n in range(200)))
    assert (await store.counts()).queued == 200
    assert ids(await lease(store, limit=3)) == ["t000", "t001", "t002"]
