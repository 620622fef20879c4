"""Disks that are full, databases that others hold, files that go bad: told, nothing half written, and usable after."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys

import pytest

from orchestrator_lite.store import Change, SqliteStore, StoreError, StoreUnavailable
from tests.conftest import run
from tests.store.rows import event, ids, is_open, job, lease, queued, task
from tests.store.test_sqlite_groups import all_waiting, busy


def connection_of(store: SqliteStore) -> sqlite3.Connection:
    tx = store._tx or store._thread.tx
    return tx._connection


def limit_pages(store: SqliteStore, more: int) -> None:
    """Let the database grow by so many pages only: SQLite then answers as it does on a full disk."""
    connection = connection_of(store)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + more}").close()


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("in_file", [True, False])
def test_a_full_disk_is_told_and_the_store_works_again_when_there_is_room(tmp_path, in_file, inline):
    async def promise(store):
        await queued(store, task("before"))
        limit_pages(store, 2)
        big = Change(job=job("big", doc=bytes(100_000)), events=[event(b"e", "big")], enqueue=[task("t-big", "big")])
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="full"):
                await store.commit(big)
            assert await store.load("big") is None
            assert await store.events_after("big") == []
        assert (await store.counts()).queued == 1
        assert ids(await lease(store)) == ["before"]
        limit_pages(store, 1000)
        await store.commit(big)
        loaded = await store.load("big")
        assert len(loaded.job.doc) == 100_000

    run(is_open(lambda: SqliteStore(str(tmp_path / "lite.db") if in_file else None, inline=inline), promise))


def test_a_full_disk_is_logged_once_and_its_end_once(tmp_path, caplog):
    async def promise(store):
        limit_pages(store, 2)
        big = Change(job=job("big", doc=bytes(100_000)))
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await store.commit(big)
            await store.load("big")
        limit_pages(store, 1000)
        await store.commit(big)
        await store.commit(Change(job=job("small")))

    run(is_open(lambda: SqliteStore(str(tmp_path / "lite.db")), promise))
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [text.partition(",")[0] for text in said] == ["The store cannot write", "The store can write again."]


def test_when_the_commit_fails_every_verb_of_the_group_is_told(tmp_path):
    async def promise(store):
        limit_pages(store, 2)
        changes = [Change(job=job(f"j{number}", doc=bytes(2000))) for number in range(50)]
        async with busy(store):
            outcomes = asyncio.gather(*map(store.commit, changes), store.load("j0"), return_exceptions=True)
            await all_waiting(store, 51)
        assert {type(one) for one in await outcomes} == {StoreUnavailable}
        assert len({id(one) for one in await outcomes}) == 51
        assert (await store.counts()).jobs == {}
        limit_pages(store, 1000)
        await asyncio.gather(*map(store.commit, changes))
        assert (await store.counts()).jobs == {"running": 50}

    run(is_open(lambda: SqliteStore(str(tmp_path / "lite.db")), promise))


def test_a_database_that_another_program_holds_is_told_and_works_again_after(tmp_path):
    path = str(tmp_path / "lite.db")

    async def promise(store):
        connection_of(store).execute("PRAGMA busy_timeout = 10").close()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await store.commit(Change(job=job()))
        other.execute("ROLLBACK")
        other.close()
        await store.commit(Change(job=job()))

    run(is_open(lambda: SqliteStore(path), promise))


def test_a_damaged_file_is_an_error_and_no_hang(tmp_path):
    path = tmp_path / "lite.db"

    async def fill(store):
        for number in range(200):
            await store.commit(Change(job=job(f"j{number:03}", doc=bytes(2000))))

    run(is_open(lambda: SqliteStore(str(path)), fill))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    async def read(store):
        await store.load("j100")

    with pytest.raises(StoreError):
        run(is_open(lambda: SqliteStore(str(path)), read))


WRITER = """
import asyncio, sys
from orchestrator_lite.store import Change, EventRow, JobRow, SqliteStore, TaskRef, TaskRow

def job(name, version):
    return JobRow(id=name, version=version, status="running", client="c", blueprint="b", created_at=0.0, doc=b"{}")

def change(name, version):
    task = TaskRow(task_id=f"{name}-{version}", job_id=name, skill="s", priority=0.0, attempt=1, spent=False,
                   payload=b"{}")
    drop = [TaskRef(f"{name}-{version - 1}", 1)] if version > 1 else []
    return Change(job=job(name, version), events=[EventRow(0, name, 0.0, b"%d" % version)], enqueue=[task], drop=drop)

async def write(store, name):
    version = 0
    while True:
        version += 1
        await store.commit(change(name, version))
        print(name, version, flush=True)

async def main():
    store = SqliteStore(sys.argv[1], durability=sys.argv[2])
    await store.open()
    await asyncio.gather(*(write(store, f"j{number}") for number in range(20)))

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [300, 1000])
@pytest.mark.parametrize("durability", ["power", "process"])
def test_what_was_answered_survives_kill_9_and_nothing_is_half_written(tmp_path, durability, lines):
    path = str(tmp_path / "lite.db")
    with subprocess.Popen([sys.executable, "-c", WRITER, path, durability], stdout=subprocess.PIPE) as writer:
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        said += [line for line in writer.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]
    answered = {name.decode(): int(version) for name, version in map(bytes.split, said)}
    assert len(answered) == 20

    async def promise(store):
        for name, version in answered.items():
            loaded = await store.load(name)
            last = loaded.job.version
            assert last >= version
            assert ids(loaded.tasks) == [f"{name}-{last}"]
            assert [int(one.doc) for one in await store.events_after(name)] == list(range(1, last + 1))

    run(is_open(lambda: SqliteStore(path), promise))
