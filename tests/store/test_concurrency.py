"""Many callers at once: each verb is atomic, and the order is one that could have been."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from orchestrator_lite.store import Change, Conflict
from tests.store.rows import event, every_store, ids, job, lease, queued, ref, task

if TYPE_CHECKING:
    from orchestrator_lite.store import Store


@every_store
async def test_hundreds_of_commits_at_once_are_all_kept(store: Store) -> None:
    async def flow(job_id: str) -> None:
        await store.commit(Change(job=job(job_id), enqueue=[task(f"t-{job_id}", job_id)], events=[event(b"1", job_id)]))
        await store.commit(Change(job=job(job_id, 2), drop=[ref(f"t-{job_id}")], events=[event(b"2", job_id)]))
        await store.commit(Change(job=job(job_id, 3, "finished"), events=[event(b"3", job_id)]))

    names = [f"j{number:03}" for number in range(300)]
    await asyncio.gather(*map(flow, names))
    for name in names:
        loaded = await store.load(name)
        assert loaded is not None
        assert (loaded.job.version, loaded.tasks) == (3, ())
        assert [one.doc for one in await store.events_after(name)] == [b"1", b"2", b"3"]
    assert (await store.counts()).jobs == {"finished": 300}


@every_store
async def test_of_racing_commits_one_wins_and_the_others_leave_nothing(store: Store) -> None:
    await store.commit(Change(job=job()))

    async def attempt(number: int) -> bool:
        change = Change(job=job(version=2, doc=b"%d" % number), enqueue=[task(f"t{number}")], events=[event(b"e")])
        try:
            await store.commit(change)
        except Conflict:
            return False
        return True

    won = await asyncio.gather(*map(attempt, range(100)))
    assert sum(won) == 1
    loaded = await store.load("j1")
    assert loaded is not None
    assert loaded.job.doc == b"%d" % won.index(True)
    assert ids(loaded.tasks) == [f"t{won.index(True)}"]
    assert len(await store.events_after("j1")) == 1


@every_store
async def test_a_conflict_does_not_disturb_its_neighbours(store: Store) -> None:
    changes = [Change(job=job(f"j{number // 2}", 1), events=[event(b"e", f"j{number // 2}")]) for number in range(100)]
    outcomes = await asyncio.gather(*map(store.commit, changes), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), Conflict] * 50
    assert (await store.counts()).jobs == {"running": 50}


@every_store
async def test_racing_leases_hand_each_task_out_once(store: Store) -> None:
    await asyncio.gather(*(queued(store, task(f"t{number}")) for number in range(200)))
    rows = await asyncio.gather(*(lease(store, f"w{number % 7}", limit=1 + number % 3) for number in range(150)))
    handed_out = [row.task_id for some in rows for row in some]
    assert sorted(handed_out) == sorted(f"t{number}" for number in range(200))


@every_store
async def test_verbs_of_one_caller_see_each_other_without_awaiting_between(store: Store) -> None:
    outcomes = await asyncio.gather(
        store.commit(Change(job=job(), enqueue=[task()])),
        store.commit(Change(job=job(version=2))),
        lease(store),
        store.commit(Change(job=job(version=3), requeue=[ref()])),
        store.commit(Change(job=job(version=4), drop=[ref(leased=False)])),
        store.commit(Change(job=job(version=5), enqueue=[task()])),
        store.load("j1"),
    )
    assert ids(outcomes[2]) == ["t1"]
    assert outcomes[-1].job.version == 5
    assert ids(outcomes[-1].tasks) == ["t1"]


@every_store
async def test_a_cancelled_caller_harms_no_one(store: Store) -> None:
    async with asyncio.TaskGroup() as group:
        doomed = [group.create_task(store.commit(Change(job=job(f"j{number}")))) for number in range(20)]
        kept = [group.create_task(store.commit(Change(job=job(f"k{number}")))) for number in range(20)]
        await store.counts()
        for one in doomed:
            one.cancel()
    assert not any(one.cancelled() for one in kept)
    with pytest.raises(Conflict):
        await store.commit(Change(job=job("k0")))
