"""Idempotency keys: one job a key, until the key expires."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from orchestrator_lite.store import Change, Conflict, Keyed, KeyTaken, Store
from tests.store.rows import NOW, every_store, job

KEY = Keyed("c:jobs:1", "digest", "j1", NOW + 60)


def second(at: float = NOW) -> Change:
    return Change(job=job("j2", created_at=at), key=Keyed(KEY.key, "other", "j2", at + 60))


@every_store
async def test_a_key_in_use_makes_no_second_job_and_tells_of_the_first(store: Store) -> None:
    await store.commit(Change(job=job(), key=KEY))
    with pytest.raises(KeyTaken) as refused:
        await store.commit(second(NOW + 59))
    assert refused.value.taken == KEY == await store.key(KEY.key)
    assert await store.load("j2") is None
    assert await store.key("another") is None


@every_store
async def test_an_expired_key_is_used_anew_whether_or_not_it_was_purged(store: Store) -> None:
    await store.commit(Change(job=job(), key=KEY))
    await store.commit(second(NOW + 60))
    found = await store.key(KEY.key)
    assert found is not None
    assert (found.job_id, found.until) == ("j2", NOW + 120)


@every_store
async def test_a_key_that_is_taken_keeps_the_other_jobs_of_its_commit_out(store: Store) -> None:
    await store.commit(Change(job=job(), key=KEY))
    for changes in ([Change(job=job("j3")), second()], [second(), Change(job=job("j3"))]):
        with pytest.raises(KeyTaken):
            await store.commit(*changes)
    assert await store.load("j3") is None
    assert await store.load("j2") is None


@every_store
async def test_one_key_twice_in_a_commit_is_taken(store: Store) -> None:
    with pytest.raises(KeyTaken) as refused:
        await store.commit(Change(job=job(), key=KEY), second())
    assert refused.value.taken == KEY
    assert await store.key(KEY.key) is None


@every_store
async def test_of_a_hundred_that_race_for_a_key_one_wins(store: Store) -> None:
    def racer(number: int) -> Change:
        return Change(job=job(f"j{number}"), key=Keyed("same", "d", f"j{number}", NOW + 9))

    answers = await asyncio.gather(*(store.commit(racer(n)) for n in range(100)), return_exceptions=True)
    won = [n for n, answer in enumerate(answers) if answer is None]
    (winner,) = won
    assert {answer.taken.job_id for answer in answers if isinstance(answer, KeyTaken)} == {f"j{winner}"}
    assert sum((await store.counts()).jobs.values()) == 1


@every_store
async def test_a_key_is_not_used_by_a_change_that_conflicts(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.commit(Change(job=job(version=3), key=KEY))
    await store.commit(Change(job=job(), key=KEY))


@every_store
async def test_purging_forgets_the_keys_that_have_expired(store: Store) -> None:
    for number in range(3):
        key = Keyed(f"k{number}", "d", f"j{number}", NOW + number)
        await store.commit(Change(job=job(f"j{number}"), key=key))
    assert await store.purge(NOW + 1, limit=1) == 1
    assert await store.purge(NOW + 1) == 1
    assert await store.purge(NOW + 1) == 0
    assert [await store.key("k0"), await store.key("k1")] == [None, None]
    assert await store.key("k2") is not None


def test_the_error_travels_between_processes() -> None:
    copy = pickle.loads(pickle.dumps(KeyTaken(KEY)))
    assert copy.taken == KEY
    assert str(copy) == str(KeyTaken(KEY))
