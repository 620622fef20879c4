"""A copy of a store that is being written to: whole, consistent, and never in the place of another file."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.store import Change, SqliteStore, Store, StoreError
from orchestrator_lite.store._backup import copy
from tests.conftest import run
from tests.store.old_files import make_old_file
from tests.store.rows import event, is_open, job, task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def jobs_in(path: Path) -> set[str]:
    """Ids of the jobs in a copy; each must have its event and its task."""
    store = SqliteStore(str(path))
    await store.open()
    try:
        names = {row.id for row in await store.jobs_of("c", limit=100_000)}
        assert await store.last_event() == len(names) == (await store.counts()).queued
    finally:
        await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return names


async def write_until(store: Store, stop: asyncio.Event, answered: set[str]) -> None:
    """Commit job after job; each is noted once it is answered."""
    while not stop.is_set():
        number = len(answered)
        names = [f"{number + n:08}" for n in range(20)]
        await asyncio.gather(
            *(store.commit(Change(job=job(one), events=[event(job_id=one)], enqueue=[task(one, one)])) for one in names)
        )
        answered.update(names)


@pytest.mark.parametrize("kind", ["file", "memory", "inline file"])
def test_what_was_answered_before_a_backup_is_in_it_while_writing_goes_on(tmp_path: Path, kind: str) -> None:
    source = None if kind == "memory" else str(tmp_path / "lite.db")

    async def body(store: Store) -> None:
        stop, answered = asyncio.Event(), set[str]()
        writer = asyncio.create_task(write_until(store, stop, answered))
        copies = []
        for number in range(3):
            await SYSTEM_CLOCK.sleep(0.05)
            before, target = set(answered), tmp_path / f"copy{number}.db"
            await store.backup(str(target))
            copies.append((before, target))
        stop.set()
        await writer
        for before, target in copies:
            found = await jobs_in(target)
            assert before
            assert before <= found <= answered

    run(is_open(lambda: SqliteStore(source, inline="inline" in kind, durability="process"), body))
    assert not list(tmp_path.glob("*.part"))


def test_a_backup_takes_the_place_of_nothing(tmp_path: Path, make_store: Callable[[], Store]) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine")

    async def body(store: Store) -> None:
        with pytest.raises(StoreError, match="exists already"):
            await store.backup(str(target))
        await store.backup(str(tmp_path / "other.db"))
        with pytest.raises(StoreError, match="exists already"):
            await store.backup(str(tmp_path / "other.db"))

    run(is_open(make_store, body))
    assert target.read_text() == "mine"


@pytest.mark.parametrize("source", ["lite.db", None])
def test_a_folder_that_does_not_exist_is_named(tmp_path: Path, source: str | None) -> None:
    async def body(store: Store) -> None:
        with pytest.raises(StoreError, match="a folder that does not exist: create it"):
            await store.backup(str(tmp_path / "nowhere" / "copy.db"))

    run(is_open(lambda: SqliteStore(source and str(tmp_path / source)), body))


def test_a_copy_is_one_file(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await store.commit(Change(job=job(), events=[event()], enqueue=[task()]))
        await store.backup(str(tmp_path / "copies" / "copy.db"))

    (tmp_path / "copies").mkdir()
    run(is_open(lambda: SqliteStore(str(tmp_path / "lite.db")), body))
    assert [path.name for path in (tmp_path / "copies").iterdir()] == ["copy.db"]
    assert run(jobs_in(tmp_path / "copies" / "copy.db")) == {"j1"}


def test_a_file_that_no_server_has_open_is_copied_too_and_stays_of_its_version(tmp_path: Path) -> None:
    make_old_file(tmp_path / "old.db", 2)
    copy(str(tmp_path / "old.db"), str(tmp_path / "copy.db"))
    for name in ("old.db", "copy.db"):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_file_of_somebody_else_is_not_copied(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as connection:
        connection.execute("CREATE TABLE jobs (mine)")
    (tmp_path / "notes.txt").write_text("Not a database. " * 500)
    ours = "not a store of ours"
    for name, words in (("theirs.db", ours), ("notes.txt", ours), ("missing.db", "no store")):
        with pytest.raises(StoreError, match=words):
            copy(str(tmp_path / name), str(tmp_path / "copy.db"))
    assert not (tmp_path / "copy.db").exists()
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_an_earlier_release_knows_when_its_jobs_ended(tmp_path: Path, version: int) -> None:
    path = tmp_path / "lite.db"
    make_old_file(path, version)

    async def body(store: Store) -> None:
        (ended,) = await store.ended_before(1e12)
        assert ended == "finished"
        loaded = await store.load("finished")
        assert loaded is not None
        assert loaded.job.ended_at == 1_700_000_007
        assert await store.forget(["finished", "running"]) == ["finished"]
        await store.put_notes({"a": b"1"})
        assert (await store.counts()).jobs == {"running": 1}
        assert await store.last_event() == 4

    run(is_open(lambda: SqliteStore(str(path)), body))
