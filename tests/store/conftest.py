"""The stores that must keep the promises, and a way to say a promise about an open one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator_lite.store import SqliteStore
from tests.store.dict_store import DictStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator_lite.store import Store


@pytest.fixture(params=["memory", "file", "inline", "inline file", "dict"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Makes a store of one kind, not yet open."""
    kinds: dict[str, Callable[[], Store]] = {
        "memory": lambda: SqliteStore(None),
        "file": lambda: SqliteStore(str(tmp_path / "lite.db")),
        "inline": lambda: SqliteStore(None, inline=True),
        "inline file": lambda: SqliteStore(str(tmp_path / "lite.db"), durability="process", inline=True),
        "dict": DictStore,
    }
    return kinds[request.param]
