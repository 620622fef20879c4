"""Checkpoints of tasks, and small documents by name."""

from __future__ import annotations

from orchestrator_lite.store import Change, Checkpoint, Store
from tests.store.rows import NOW, every_store, job, ref, task


def put_aside(version: int, doc: bytes, *dropped: str) -> Change:
    return Change(
        job=job(version=version), checkpoints=[Checkpoint("t1", "j1", NOW, doc)], drop_checkpoints=list(dropped)
    )


@every_store
async def test_the_last_checkpoint_of_a_task_counts_until_it_is_dropped(store: Store) -> None:
    assert await store.checkpoint("t1") is None
    await store.commit(Change(job=job(), enqueue=[task()]))
    await store.commit(put_aside(2, b"one"))
    await store.commit(put_aside(3, b"two"))
    assert await store.checkpoint("t1") == b"two"
    await store.commit(Change(job=job(version=4), drop=[ref()], drop_checkpoints=["t1", "unknown"]))
    assert await store.checkpoint("t1") is None


@every_store
async def test_a_checkpoint_that_is_put_with_its_own_dropping_is_kept(store: Store) -> None:
    await store.commit(put_aside(1, b"new", "t1"))
    assert await store.checkpoint("t1") == b"new"


@every_store
async def test_notes_are_found_by_the_beginning_of_their_names(store: Store) -> None:
    await store.put_notes({"schedule:b": b"2", "schedule:a": b"1", "schedules": b"x", "Schedule:c": b"y", "é:1": b"z"})
    assert await store.notes("schedule:") == {"schedule:a": b"1", "schedule:b": b"2"}
    assert list(await store.notes("schedule:")) == ["schedule:a", "schedule:b"]
    assert await store.notes("é") == {"é:1": b"z"}
    assert await store.notes("%") == {}
    assert len(await store.notes()) == 5


@every_store
async def test_a_note_is_replaced_and_deleted(store: Store) -> None:
    await store.put_notes({"a": b"1", "b": b"1"})
    await store.put_notes({"a": None, "b": b"\x00", "never": None})
    assert await store.notes() == {"b": b"\x00"}
    await store.put_notes({})
