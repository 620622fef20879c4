"""What lies in the database file, and how the connection to it is set."""

from __future__ import annotations

from typing import Literal

Durability = Literal["power", "process"]

# Goes up also when only the documents hold something new: a release that would not understand it refuses the file.
SCHEMA_VERSION = 3
# "AvLi": tells our files from other programs' (sqlite.org/pragma.html#pragma_application_id).
APPLICATION_ID = 0x41764C69

# Lists of jobs are answered from these alone, whatever the filter: what stands after `id` is there to be compared only.
# Measured over 100,000 jobs of which none fits: 10 ms, against 75 ms where each row is looked up.
_JOB_INDEXES = (
    "CREATE INDEX IF NOT EXISTS jobs_in_status ON jobs (status, id, client, blueprint)",
    "CREATE INDEX IF NOT EXISTS jobs_of_client ON jobs (client, id, blueprint)",
)

# Only ended jobs stand in it, in the order they ended.
_ENDED = "CREATE INDEX IF NOT EXISTS jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL"

# Beside the jobs: what only some of them use.
_BESIDE = (
    """
    CREATE TABLE keys (
        key TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        job_id TEXT NOT NULL,
        until REAL NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX keys_by_time ON keys (until)",
    # AUTOINCREMENT: an id that clients have seen never means another message.
    """
    CREATE TABLE outgoing (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        event_id TEXT NOT NULL,
        job_id TEXT NOT NULL,
        client TEXT NOT NULL,
        kind TEXT NOT NULL,
        created_at REAL NOT NULL,
        due_at REAL,
        attempts INTEGER NOT NULL,
        status TEXT NOT NULL,
        code INTEGER,
        error TEXT,
        delivered_at REAL,
        url TEXT NOT NULL,
        body BLOB NOT NULL
    )
    """,
    "CREATE INDEX outgoing_pending ON outgoing (due_at) WHERE status = 'pending'",
    "CREATE INDEX outgoing_of_client ON outgoing (client, id)",
    "CREATE INDEX outgoing_of_job ON outgoing (job_id, status)",
    """
    CREATE TABLE checkpoints (
        task_id TEXT NOT NULL UNIQUE,
        job_id TEXT NOT NULL,
        at REAL NOT NULL,
        doc BLOB NOT NULL
    )
    """,
    "CREATE INDEX checkpoints_of_job ON checkpoints (job_id)",
    "CREATE TABLE notes (name TEXT PRIMARY KEY, doc BLOB NOT NULL) WITHOUT ROWID",
)

UPGRADES: dict[int, tuple[str, ...]] = {
    # 2: lists of jobs; jobs that are held.
    2: ("DROP INDEX IF EXISTS jobs_by_status", *_JOB_INDEXES),
    # 3: when jobs ended; keys, messages, checkpoints and notes.
    3: (
        "ALTER TABLE jobs ADD COLUMN ended_at REAL",
        """
        UPDATE jobs SET ended_at = coalesce((SELECT max(at) FROM events WHERE job_id = jobs.id), created_at)
        WHERE status IN ('finished', 'failed', 'error', 'cancelled', 'quarantined')
        """,
        _ENDED,
        *_BESIDE,
    ),
}
"""What makes a file of the version before one of this version."""

# Keys grow with time (rowids; ids are UUIDv7), so inserts touch the last pages only. Each hot question has an index
# that answers it without a scan; those on `until` are partial, so a queued task is in one of them and a leased task in
# the other. Large columns stand last, so that reading the small ones follows no overflow page.
TABLES = (
    """
    CREATE TABLE jobs (
        id TEXT NOT NULL UNIQUE,
        version INTEGER NOT NULL,
        status TEXT NOT NULL,
        client TEXT NOT NULL,
        blueprint TEXT NOT NULL,
        created_at REAL NOT NULL,
        ended_at REAL,
        doc BLOB NOT NULL
    )
    """,
    """
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
    )
    """,
    "CREATE INDEX tasks_of_job ON tasks (job_id)",
    "CREATE INDEX tasks_ready ON tasks (skill, priority DESC) WHERE until IS NULL",
    "CREATE INDEX tasks_leased ON tasks (until) WHERE until IS NOT NULL",
    "CREATE INDEX tasks_held ON tasks (worker_id) WHERE until IS NOT NULL",
    """
    CREATE TABLE timers (
        key TEXT PRIMARY KEY,
        job_id TEXT NOT NULL,
        name TEXT NOT NULL,
        at REAL NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX timers_by_time ON timers (at)",
    """
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        job_id TEXT NOT NULL,
        at REAL NOT NULL,
        doc BLOB NOT NULL
    )
    """,
    "CREATE INDEX events_of_job ON events (job_id)",
    "CREATE TABLE workers (worker_id TEXT PRIMARY KEY, seen_at REAL NOT NULL, doc BLOB NOT NULL) WITHOUT ROWID",
    *_JOB_INDEXES,
    _ENDED,
    *_BESIDE,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


def pragmas(durability: Durability) -> tuple[str, ...]:
    """How the connection is set.

    Args:
        durability: `power` syncs the log at each COMMIT, `process` leaves that to the operating system.
    """
    return (
        "PRAGMA journal_mode = WAL",
        f"PRAGMA synchronous = {'FULL' if durability == 'power' else 'NORMAL'}",
        # The live part of the database (queue, leases, timers, newest history) stays in memory: 64 MiB.
        "PRAGMA cache_size = -65536",
        "PRAGMA temp_store = MEMORY",
        # 4 MiB of log: a checkpoint stops all verbs while it writes and syncs. Measured at 50 in flight, four times as
        # much saves no time that can be told and doubles the longest wait (15 ms to 30 ms).
        "PRAGMA wal_autocheckpoint = 1000",
        "PRAGMA journal_size_limit = 67108864",
        # Some distributions build SQLite so that it overwrites what it deletes; every finished task would pay for it.
        "PRAGMA secure_delete = OFF",
        # Mapped reads save little beside that cache, and turn a failing disk into a signal that ends the process.
        "PRAGMA mmap_size = 0",
    )
