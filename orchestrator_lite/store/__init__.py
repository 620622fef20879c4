"""The store: where jobs, history, queue, timers and workers lie, behind one small interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator_lite.store._interface import Store
from orchestrator_lite.store._rows import (
    Change,
    Checkpoint,
    Conflict,
    Counts,
    Due,
    EventRow,
    JobRow,
    Keyed,
    KeyTaken,
    ListedJob,
    Loaded,
    Outgoing,
    Renewal,
    StoreError,
    StoreUnavailable,
    TaskRef,
    TaskRow,
    Timer,
    WorkerRow,
)
from orchestrator_lite.store._urls import back_up_store, open_store

if TYPE_CHECKING:
    from orchestrator_lite.store.sqlite import SqliteStore

__all__ = [
    "Change",
    "Checkpoint",
    "Conflict",
    "Counts",
    "Due",
    "EventRow",
    "JobRow",
    "KeyTaken",
    "Keyed",
    "ListedJob",
    "Loaded",
    "Outgoing",
    "Renewal",
    "SqliteStore",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "TaskRef",
    "TaskRow",
    "Timer",
    "WorkerRow",
    "back_up_store",
    "open_store",
]


def __getattr__(name: str) -> Any:
    # SQLite is loaded when a store is wanted, not when its interface is imported.
    if name == "SqliteStore":
        from orchestrator_lite.store.sqlite import SqliteStore

        return SqliteStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
