"""jobs_of: whose jobs, which of them, in which order, page by page."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from orchestrator_lite.store import Change, ListedJob, SqliteStore
from tests.conftest import run
from tests.store.old_files import make_old_file
from tests.store.rows import NOW, every_store, is_open, job

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator_lite.store import Store


def names(found: list[ListedJob]) -> list[str]:
    return [one.id for one in found]


async def mixed(store: Store) -> None:
    """Six jobs of `ada`, every second one finished, every third one of blueprint `scan`; one of `bob`."""
    for number in range(6):
        row = job(
            f"j{number}",
            status="finished" if number % 2 else "running",
            client="ada",
            blueprint="greet" if number % 3 else "scan",
            created_at=NOW + number,
        )
        await store.commit(Change(job=row))
    await store.commit(Change(job=job("j9", client="bob")))


@every_store
async def test_a_client_sees_its_own_jobs_newest_first(store: Store) -> None:
    assert await store.jobs_of("ada") == []
    await mixed(store)
    assert names(await store.jobs_of("ada")) == ["j5", "j4", "j3", "j2", "j1", "j0"]
    assert await store.jobs_of("bob") == [ListedJob("j9", "running", "b", NOW)]
    assert await store.jobs_of("nobody") == []


@every_store
async def test_status_and_blueprint_narrow_the_list(store: Store) -> None:
    await mixed(store)
    assert names(await store.jobs_of("ada", status="finished")) == ["j5", "j3", "j1"]
    assert names(await store.jobs_of("ada", blueprint="scan")) == ["j3", "j0"]
    assert names(await store.jobs_of("ada", status="finished", blueprint="scan")) == ["j3"]
    assert await store.jobs_of("ada", status="cancelled") == []
    assert await store.jobs_of("bob", status="finished") == []


@every_store
async def test_several_statuses_are_one_list_in_order(store: Store) -> None:
    await mixed(store)
    await store.commit(Change(job=job("j7", client="ada", status="failed")))
    assert names(await store.jobs_of("ada", status=["finished", "failed"])) == ["j7", "j5", "j3", "j1"]
    assert names(await store.jobs_of("ada", status=["failed", "finished", "failed"], limit=2)) == ["j7", "j5"]
    assert names(await store.jobs_of("ada", status={"running", "failed"}, blueprint="scan", offset=0)) == ["j0"]
    assert names(await store.jobs_of("ada", status=["running", "finished"], before="j5", offset=1)) == [
        *("j3", "j2", "j1", "j0"),
    ]
    assert await store.jobs_of("ada", status=[]) == []


@every_store
async def test_a_list_goes_down_to_an_id(store: Store) -> None:
    await mixed(store)
    assert names(await store.jobs_of("ada", after="j3")) == ["j5", "j4", "j3"]
    assert names(await store.jobs_of("ada", after="j1", before="j3")) == ["j2", "j1"]
    assert names(await store.jobs_of("ada", "running", after="j1")) == ["j4", "j2"]
    assert await store.jobs_of("ada", after="j6") == []


@every_store
async def test_pages_go_on_below_the_last_id(store: Store) -> None:
    await mixed(store)
    assert names(await store.jobs_of("ada", limit=2)) == ["j5", "j4"]
    assert names(await store.jobs_of("ada", before="j4", limit=2)) == ["j3", "j2"]
    assert names(await store.jobs_of("ada", status="running", before="j4")) == ["j2", "j0"]
    assert await store.jobs_of("ada", before="j0") == []
    assert await store.jobs_of("ada", limit=0) == []


@every_store
async def test_an_offset_passes_over_the_newest(store: Store) -> None:
    await mixed(store)
    assert names(await store.jobs_of("ada", limit=2, offset=3)) == ["j2", "j1"]
    assert await store.jobs_of("ada", offset=6) == []


@every_store
async def test_a_job_is_listed_as_it_was_last_committed(store: Store) -> None:
    await store.commit(Change(job=job()))
    await store.commit(Change(job=job(version=2, status="finished")))
    assert await store.jobs_of("c", status="running") == []
    assert (
        await store.jobs_of("c")
        == await store.jobs_of("c", status="finished")
        == [ListedJob("j1", "finished", "b", NOW)]
    )


def test_a_file_of_the_first_release_is_listed_too(tmp_path: Path) -> None:
    path = tmp_path / "lite.db"
    make_old_file(path, 1)

    async def body(store: Store) -> None:
        assert names(await store.jobs_of("ada", limit=1)) == ["running"]
        assert names(await store.jobs_of("ada", status="finished")) == ["finished"]

    run(is_open(lambda: SqliteStore(str(path)), body))
    with sqlite3.connect(path) as connection:
        found = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    connection.close()
    assert found >= {"jobs_of_client", "jobs_in_status"}
    assert "jobs_by_status" not in found
