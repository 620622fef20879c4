"""The store: where jobs, history, queue, timers and workers lie, behind one small interface."""

from __future__ import annotations

from orchestrator_lite.store._interface import (
    Change,
    Conflict,
    Counts,
    Due,
    EventRow,
    JobRow,
    Loaded,
    Renewal,
    Store,
    StoreError,
    StoreUnavailable,
    TaskRef,
    TaskRow,
    Timer,
    WorkerRow,
)

__all__ = [
    "Change",
    "Conflict",
    "Counts",
    "Due",
    "EventRow",
    "JobRow",
    "Loaded",
    "Renewal",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "TaskRef",
    "TaskRow",
    "Timer",
    "WorkerRow",
]
