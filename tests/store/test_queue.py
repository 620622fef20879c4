"""lease, renew, hand_back, take_over, grace, leases: who holds which task, and until when."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator_lite.store import Change, Conflict, Renewal
from tests.store.rows import NOW, every_store, ids, job, lease, queued, ref, task

if TYPE_CHECKING:
    from orchestrator_lite.store import Store


@every_store
async def test_higher_priority_goes_first_and_equals_by_age(store: Store) -> None:
    await queued(store, task("b"), task("high", priority=2.5), task("a"), task("low", priority=-1.0), task("c"))
    assert ids(await lease(store, limit=2)) == ["high", "b"]
    assert ids(await lease(store)) == ["a"]
    assert ids(await lease(store, limit=9)) == ["c", "low"]


@every_store
async def test_the_order_holds_over_several_skills(store: Store) -> None:
    tasks = [task(f"t{n}", skill="abc"[n % 3], priority=float(n % 2)) for n in range(12)]
    await queued(store, *tasks, task("other", skill="d", priority=9.0))
    handed_out = await lease(store, "w", "c", "a", "b", "a", limit=99)
    assert ids(handed_out) == [f"t{n}" for n in (1, 3, 5, 7, 9, 11, 0, 2, 4, 6, 8, 10)]


@every_store
async def test_only_tasks_of_the_skills_are_handed_out(store: Store) -> None:
    await queued(store, task("a", skill="a"), task("b", skill="b"))
    assert await lease(store, "w", "c") == []
    assert await lease(store, skills=[]) == []
    assert await lease(store, "w", "a", limit=0) == []
    assert ids(await lease(store, skills={"b"}, limit=9)) == ["b"]


@every_store
async def test_leased_rows_come_back_as_they_are_stored(store: Store) -> None:
    await queued(store, task(priority=1.5, payload=b'{"x": 1}'))
    (row,) = await lease(store, "w1", incarnation=None, until=NOW + 7)
    assert row == task(priority=1.5, payload=b'{"x": 1}', worker_id="w1", until=NOW + 7)
    assert await store.leases() == [row]
    assert await lease(store, "w2") == []


@every_store
async def test_without_evidence_of_a_start_the_attempt_stays(store: Store) -> None:
    await queued(store, task())
    await lease(store)
    await store.hand_back([ref(leased=True)])
    (row,) = await lease(store, "w2")
    assert (row.attempt, row.spent, row.worker_id) == (1, False, "w2")


@every_store
async def test_after_evidence_of_a_start_the_attempt_is_raised(store: Store) -> None:
    await queued(store, task())
    await lease(store)
    await store.renew([Renewal(task_id="t1", attempt=1, worker_id="w", until=NOW + 20)])
    (row,) = await store.hand_back([ref()])
    assert (row.attempt, row.spent) == (1, True)
    (row,) = await lease(store, "w2")
    assert (row.attempt, row.spent) == (2, False)
    assert await store.leases() == [row]
    await store.commit(Change(job=job("of-t1", 2), drop=[ref(attempt=2, leased=True)]))


@every_store
async def test_a_sign_of_life_moves_the_end_of_the_lease(store: Store) -> None:
    await queued(store, task("a"), task("b"))
    rows = await lease(store, limit=2)
    await store.renew([Renewal(task_id=row.task_id, attempt=1, worker_id="w", until=NOW + 30) for row in rows])
    assert await store.leases("w") == [replace(row, until=NOW + 30, spent=True) for row in rows]
    await store.renew([])


@every_store
async def test_signs_that_do_not_count_are_passed_over(store: Store) -> None:
    await queued(store, task(), task("fresh"))
    (row,) = await lease(store)
    right = Renewal(task_id="t1", attempt=1, worker_id="w", until=NOW + 99)
    wrong = [{"task_id": "nobody"}, {"attempt": 2}, {"worker_id": "w2"}, {"task_id": "fresh"}]
    await store.renew([replace(right, **change) for change in wrong])
    assert await store.leases() == [row]
    assert ids(await lease(store)) == ["fresh"]


@every_store
async def test_the_last_holder_revives_a_task_that_nobody_else_has_got(store: Store) -> None:
    await queued(store, task())
    (row,) = await lease(store)
    await store.commit(Change(job=job("of-t1", 2), requeue=[ref()]))
    await store.renew([Renewal(task_id="t1", attempt=1, worker_id="other", until=NOW + 99)])
    assert await store.leases() == []
    await store.renew([Renewal(task_id="t1", attempt=1, worker_id="w", until=NOW + 99)])
    assert await store.leases("w") == [replace(row, until=NOW + 99, spent=True)]
    assert await lease(store, "other") == []


@every_store
async def test_the_last_holder_comes_too_late_once_the_task_is_handed_out_again(store: Store) -> None:
    for started in (True, False):
        name = f"t-{started}"
        await queued(store, task(name))
        await lease(store)
        if started:
            await store.renew([Renewal(task_id=name, attempt=1, worker_id="w", until=NOW + 1)])
        await store.hand_back([ref(name)])
        (row,) = await lease(store, "w2")
        await store.renew([Renewal(task_id=name, attempt=1, worker_id="w", until=NOW + 99)])
        assert await store.leases("w2") == [row]
        await store.commit(Change(job=job(f"of-{name}", 2), drop=[ref(name, row.attempt)]))


@every_store
async def test_hand_back_returns_those_that_were_as_referred_to(store: Store) -> None:
    await queued(store, *(task(name) for name in "abcd"))
    await lease(store, limit=3)
    refs = [ref("c", leased=True), ref("a"), ref("b", 2), ref("d"), ref("nobody"), ref("b", leased=False), ref("a")]
    rows = await store.hand_back(refs)
    assert rows == [task("c", worker_id="w", incarnation="i"), task("a", worker_id="w", incarnation="i")]
    assert ids(await store.leases()) == ["b"]
    assert ids(await lease(store, limit=9)) == ["a", "c", "d"]


@every_store
async def test_a_new_start_of_a_worker_frees_the_leases_of_earlier_ones(store: Store) -> None:
    await queued(store, *(task(name) for name in "abcde"))
    await lease(store, incarnation="i1", limit=2)
    await lease(store, incarnation=None)
    await lease(store, "other")
    await lease(store, incarnation="i2")
    freed = await store.take_over("w", "i2", [], NOW + 50)
    assert ids(freed) == ["a", "b", "c"]
    assert [row.until for row in freed] == [None] * 3
    assert [(row.task_id, row.worker_id, row.until) for row in await store.leases()] == [
        ("d", "other", NOW + 15),
        ("e", "w", NOW + 15),
    ]
    assert ids(await lease(store, "other", limit=9)) == ["a", "b", "c"]
    assert await store.take_over("w", "i3", [], NOW + 50) != []
    assert await store.take_over("w", "i3", [], NOW + 50) == []


@every_store
async def test_tasks_whose_results_it_holds_pass_to_the_new_start(store: Store) -> None:
    await queued(store, *(task(name) for name in "abc"))
    await lease(store, incarnation="i1", limit=3)
    freed = await store.take_over("w", "i2", [("a", 1), ("b", 2), ("nobody", 1)], NOW + 50)
    assert ids(freed) == ["b", "c"]
    (held,) = await store.leases("w")
    assert (held.task_id, held.attempt, held.incarnation, held.until) == ("a", 1, "i2", NOW + 50)


@every_store
async def test_a_held_result_keeps_its_task_from_being_run_again_after_the_lease_has_ended(store: Store) -> None:
    await queued(store, task())
    await lease(store, incarnation="i1")
    await store.commit(Change(job=job("of-t1", 2), requeue=[ref()]))
    assert await store.take_over("other", "i2", [("t1", 1)], NOW + 50) == []
    assert await store.leases() == []
    assert await store.take_over("w", "i2", {("t1", 1)}, NOW + 50) == []
    assert ids(await store.leases("w")) == ["t1"]
    assert await lease(store, "other") == []


@every_store
async def test_a_held_result_counts_as_evidence_of_a_start(store: Store) -> None:
    await queued(store, task())
    await lease(store, incarnation="i1")
    await store.take_over("w", "i2", [("t1", 1)], NOW + 50)
    await store.hand_back([ref()])
    (row,) = await lease(store)
    assert row.attempt == 2


@every_store
async def test_grace_moves_every_lease_forward_and_none_back(store: Store) -> None:
    await queued(store, *(task(name) for name in "abc"))
    await lease(store, until=NOW + 1)
    await lease(store, "w2", until=NOW + 90)
    await store.grace(NOW + 60)
    assert [row.until for row in await store.leases()] == [NOW + 60, NOW + 90]
    assert ids(await lease(store)) == ["c"]


@every_store
async def test_leases_are_of_one_worker_or_of_all(store: Store) -> None:
    await queued(store, *(task(name) for name in "abcd"))
    await lease(store, "w2")
    await lease(store, "w1", limit=2)
    assert ids(await store.leases()) == ["a", "b", "c"]
    assert ids(await store.leases("w1")) == ["b", "c"]
    assert await store.leases("nobody") == []
    await store.hand_back([ref("b")])
    assert ids(await store.leases("w1")) == ["c"]


@every_store
async def test_what_was_computed_from_a_lease_that_is_over_is_a_conflict(store: Store) -> None:
    await queued(store, task())
    await lease(store)
    await store.renew([Renewal(task_id="t1", attempt=1, worker_id="w", until=NOW + 1)])
    await store.hand_back([ref()])
    await lease(store, "w2")
    with pytest.raises(Conflict):
        await store.commit(Change(job=job("of-t1", 2), drop=[ref(attempt=1)]))
    await store.commit(Change(job=job("of-t1", 2), drop=[ref(attempt=2)]))
