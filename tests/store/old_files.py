"""Files as earlier releases made them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.store.rows import NOW

if TYPE_CHECKING:
    from pathlib import Path

# What the first release wrote, word for word.
_FIRST = """
CREATE TABLE jobs (
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    status TEXT NOT NULL,
    client TEXT NOT NULL,
    blueprint TEXT NOT NULL,
    created_at REAL NOT NULL,
    doc BLOB NOT NULL
);
CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY,
    task_id TEXT NOT NULL UNIQUE,
    job_id TEXT NOT NULL,
    skill TEXT NOT NULL,
    priority REAL NOT NULL,
    attempt INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    worker_id TEXT,
    incarnation TEXT,
    until REAL,
    payload BLOB NOT NULL
);
CREATE INDEX tasks_of_job ON tasks (job_id);
CREATE INDEX tasks_ready ON tasks (skill, priority DESC) WHERE until IS NULL;
CREATE INDEX tasks_leased ON tasks (until) WHERE until IS NOT NULL;
CREATE INDEX tasks_held ON tasks (worker_id) WHERE until IS NOT NULL;
CREATE TABLE timers (
    key TEXT PRIMARY KEY,
    job_id TEXT NOT NULL,
    name TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX timers_by_time ON timers (at);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    at REAL NOT NULL,
    doc BLOB NOT NULL
);
CREATE INDEX events_of_job ON events (job_id);
CREATE TABLE workers (worker_id TEXT PRIMARY KEY, seen_at REAL NOT NULL, doc BLOB NOT NULL) WITHOUT ROWID;
"""
_INDEXES = {
    1: "CREATE INDEX jobs_by_status ON jobs (status, id);",
    2: """
        CREATE INDEX jobs_in_status ON jobs (status, id, client, blueprint);
        CREATE INDEX jobs_of_client ON jobs (client, id, blueprint);
    """,
}


def make_old_file(path: Path, version: int) -> None:
    """A file of schema `version` with jobs `running` and `finished` of client `ada`, the latter ended at NOW + 7."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(_FIRST + _INDEXES[version])
        connection.execute(f"PRAGMA application_id = {0x41764C69}")
        connection.execute(f"PRAGMA user_version = {version}")
        for status in ("running", "finished"):
            row = (status, 1, status, "ada", "b", NOW, b"{}")
            connection.execute("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            for at in (NOW + 3, NOW + 7):
                connection.execute("INSERT INTO events (job_id, at, doc) VALUES (?, ?, x'7b7d')", (status, at))
