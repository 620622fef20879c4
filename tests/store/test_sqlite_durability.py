"""What waits for the disk, and what need not."""

from __future__ import annotations

import pytest

from orchestrator_lite.store import Change
from orchestrator_lite.store.sqlite import SqliteStore
from tests.conftest import run
from tests.store.rows import job, task


async def synchronous(store: SqliteStore) -> int:
    """SQLite's own word for how the last transaction was written: 1 NORMAL, 2 FULL."""
    assert store._tx is not None
    return store._tx.read("PRAGMA synchronous")[0][0]


@pytest.mark.parametrize(("durability", "expected"), [("power", [2, 1, 2, 1, 1, 2]), ("process", [1] * 6)])
def test_only_what_must_survive_a_power_cut_waits_for_an_fsync(tmp_path, durability, expected):
    async def body():
        store = SqliteStore(str(tmp_path / "lite.db"), durability=durability, inline=True)
        await store.open()
        seen = []
        verbs = (
            store.commit(Change(job=job("a"), enqueue=[task("a-1", "a")])),
            store.lease("w", "i", ["greet"], 10.0),
            store.commit(Change(job=job("b"))),
            store.renew([]),
            store.due(0.0),
            store.wipe(),
        )
        for verb in verbs:
            await verb
            seen.append(await synchronous(store))
        assert seen == expected
        await store.close()

    run(body())
