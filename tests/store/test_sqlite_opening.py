"""Opening a store: it works, or one line says what to do; the URLs of `--store`."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from orchestrator_lite.store import Change, SqliteStore, StoreError, Timer, WorkerRow, open_store
from orchestrator_lite.store._schema import SCHEMA_VERSION
from tests.conftest import run
from tests.store.rows import NOW, event, ids, is_open, job, lease, queued, task


def refusal(path: str | Path) -> str:
    """The text with which opening `path` is refused."""

    async def body() -> str:
        with pytest.raises(StoreError) as refused:
            await SqliteStore(str(path)).open()
        return str(refused.value)

    text = run(body())
    assert "\n" not in text
    assert str(path) in text
    return text


def create(path: Path) -> None:
    async def body(_: object) -> None: ...

    run(is_open(lambda: SqliteStore(str(path)), body))


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("durability", ["power", "process"])
def test_everything_is_there_after_a_reopening(tmp_path, durability, inline):
    path = str(tmp_path / "with ? odd # name.db")

    async def fill(store):
        change = Change(job=job(), events=[event()], set_timers=[Timer("k", "j1", "n", NOW)], enqueue=[task("own")])
        await store.commit(change)
        await queued(store, task("a"), task("b"))
        await lease(store)
        await store.put_worker(WorkerRow("w", NOW, b"{}"))

    async def everything(store):
        loaded = [await store.load("j1"), await store.load("of-a"), await store.events_after("j1")]
        return [*loaded, await store.due(NOW + 99), await store.workers(), await store.counts()]

    async def body():
        kept = []
        for fresh in (True, False):
            store = SqliteStore(path, durability=durability, inline=inline)
            await store.open()
            if fresh:
                await fill(store)
            kept.append(await everything(store))
            await store.close()
        assert kept[0] == kept[1]

    run(body())
    assert not Path(path + "-wal").exists()


def test_a_newer_schema_is_refused_with_both_versions_and_the_way_out(tmp_path):
    path = tmp_path / "lite.db"
    create(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    text = refusal(path)
    assert "schema 7" in text
    assert f"up to {SCHEMA_VERSION}" in text
    assert "upgrade" in text


def test_what_is_no_database_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("Not a database. " * 500)
    assert "not an SQLite database" in refusal(path)
    assert path.read_text() == "Not a database. " * 500


def test_a_database_of_another_program_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE jobs (mine)")
    connection.close()
    before = path.read_bytes()
    assert "another program" in refusal(path)
    assert path.read_bytes() == before


def test_a_missing_folder_is_named(tmp_path):
    path = tmp_path / "nowhere" / "lite.db"
    assert "a folder that does not exist: create it" in refusal(path)
    assert not path.parent.exists()


def test_a_folder_is_no_store(tmp_path):
    assert "is a folder" in refusal(tmp_path)


def test_an_empty_file_becomes_a_store(tmp_path):
    path = tmp_path / "lite.db"
    path.touch()
    create(path)


def _refusals_to_an_ordinary_user(path: Path) -> str:
    """The refusal; where the tests run as root, which may write everywhere, as a user who is not."""
    if os.geteuid() != 0:
        return refusal(path)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            os.write(write_end, refusal(path).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as answer:
        text = answer.read().decode()
    os.waitpid(child, 0)
    return text


@pytest.fixture
def common_folder():
    """A folder whose parents everyone may pass, unlike those of `tmp_path`."""
    folder = Path(tempfile.mkdtemp(prefix="store-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_an_unwritable_folder_is_told_at_opening(common_folder):
    common_folder.chmod(0o555)
    assert "make its folder writable" in _refusals_to_an_ordinary_user(common_folder / "lite.db")


def test_an_unwritable_file_is_told_at_opening(common_folder):
    path = common_folder / "lite.db"
    create(path)
    path.chmod(0o444)
    path.with_name("lite.db.lock").chmod(0o666)
    common_folder.chmod(0o777)
    assert "readonly" in _refusals_to_an_ordinary_user(path)


HOLDER = """
import asyncio, sys
from orchestrator_lite.store import SqliteStore

async def hold():
    await SqliteStore(sys.argv[1]).open()
    print("open", flush=True)
    await asyncio.Event().wait()

asyncio.run(hold())
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    path = tmp_path / "lite.db"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        assert "is in use by another process" in refusal(path)
        other_name = tmp_path / "other.db"
        other_name.symlink_to(path)
        assert "is in use" in run(_refusal_text(other_name))
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    create(path)


async def _refusal_text(path: Path) -> str:
    with pytest.raises(StoreError) as refused:
        await SqliteStore(str(path)).open()
    return str(refused.value)


def test_a_store_may_be_opened_again_after_a_refusal_and_after_a_close(tmp_path):
    path = tmp_path / "lite.db"
    path.write_text("Not a database. " * 500)

    async def body():
        store = SqliteStore(str(path))
        with pytest.raises(StoreError):
            await store.open()
        path.unlink()
        await store.open()
        with pytest.raises(StoreError, match="open already"):
            await store.open()
        await queued(store, task())
        await store.close()
        await store.open()
        assert ids(await lease(store)) == ["t1"]
        await store.close()

    run(body())


@pytest.mark.parametrize(("url", "path"), [("sqlite:///./lite.db", "lite.db"), ("sqlite:///lite.db", "lite.db")])
def test_a_url_with_three_slashes_is_relative(url, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(is_open(lambda: open_store(url), lambda store: queued(store, task())))
    assert (tmp_path / path).exists()


def test_a_url_with_four_slashes_is_absolute(tmp_path):
    url = f"sqlite:///{tmp_path / 'lite.db'}"
    assert url.startswith("sqlite:////")
    run(is_open(lambda: open_store(url, durability="process"), lambda store: queued(store, task())))

    async def again(store):
        assert ids(await lease(store)) == ["t1"]

    run(is_open(lambda: open_store(url, inline=True), again))


def test_memory_is_a_store_that_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(is_open(lambda: open_store("memory"), lambda store: queued(store, task())))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["redis://u:secret@host", "postgresql:///x", "sqlite:///", "sqlite://", "lite.db", ""])
def test_other_urls_are_refused_with_what_is_supported(url):
    with pytest.raises(StoreError, match="supported are memory, sqlite:///") as refused:
        open_store(url)
    assert "secret" not in str(refused.value)


def test_an_unknown_durability_is_refused():
    with pytest.raises(StoreError, match="power or process"):
        open_store("memory", durability="lots")


def test_the_interface_loads_no_sqlite():
    code = "import sys, orchestrator_lite.store as s; assert 'sqlite3' not in sys.modules; s.SqliteStore; s.open_store"
    subprocess.run([sys.executable, "-c", code], check=True)
