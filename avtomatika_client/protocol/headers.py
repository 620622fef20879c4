"""Names of headers and features, in one place.

Features are what a server says it can do beyond the seed protocol (`GET /_public/status`, key `features`); towards a
server that does not say so, none of it is used.
"""

from __future__ import annotations

from typing import Final

CLIENT_TOKEN: Final = "x-client-token"  # noqa: S105
WORKER_TOKEN: Final = "x-worker-token"  # noqa: S105
WORKER_ID: Final = "x-worker-id"
PROTOCOL_VERSION: Final = "x-rxon-version"
"""Which release of the protocol speaks (from 1.0b13)."""

PROTOCOL: Final = "1.0b17"  # the latest release of `rxon` that is understood; not a feature

INCARNATION: Final = "x-avtomatika-incarnation"
"""Which start of a worker speaks; a server with LEASES answers a superseded one 409 `superseded`."""

ACK: Final = "x-avtomatika-ack"
"""Tasks whose delivery this request acknowledges: `task_id:attempt`, separated by commas."""

NEXT_CURSOR: Final = "x-next-cursor"
"""Of an answer that is one page of a list: what `?cursor=` continues with; absent on the last page."""

IDEMPOTENCY_KEY: Final = "idempotency-key"
"""Of a creation: the server makes one job of all requests with the same key."""

LAST_EVENT_ID: Final = "last-event-id"
"""Of a stream of events: the last one that was read."""

LEASES: Final = "leases"
"""Attempts, incarnations, `holding` and acknowledgements are understood."""

WAIT: Final = "wait"
"""`GET /jobs/{id}?wait=seconds` answers when the job has ended, or after that time."""

BATCH: Final = "batch"
"""`GET …/tasks/next?limit=n` answers `{"tasks": [...]}` with up to n tasks."""

DRAINING: Final = "draining"
"""A heartbeat with status `draining` makes the server answer that worker's open poll at once."""

FILES: Final = "files"
"""A job's files are kept: put, fetched, listed and deleted, by clients and by workers."""

HOLD: Final = "hold"
"""A job created with `"hold": true` waits for `POST /jobs/{id}/release`."""

DELAY: Final = "delay"
"""A job created with `"delay": seconds` starts that much later."""

PRIORITY: Final = "priority"
"""A job created with `"priority": n` has the priorities of its tasks raised by n."""

IDEMPOTENCY: Final = "idempotency"
"""A creation with the header `Idempotency-Key` may be repeated for 24 hours: there is one job all the same."""

SUBMIT_MANY: Final = "submit_many"
"""`POST /jobs:submit` creates many jobs and answers with a result for each."""

VIEWS: Final = "views"
"""`GET /jobs/{id}` takes `?view=compact` and `?fields=a,b`."""

FILTERS: Final = "filters"
"""`GET /jobs` takes several statuses, `?created_after=` and `?created_before=`."""

WAIT_MANY: Final = "wait_many"
"""`POST /jobs:wait` waits for many jobs at once."""

EVENTS: Final = "events"
"""`GET /jobs/{id}/events` and `GET /events` tell what happens, and with `?wait=` end with the first news."""

EXPLAIN: Final = "explain"
"""`GET /jobs/{id}/explain` says why a job does not go on."""

WORKER_EVENTS: Final = "worker_events"
"""`POST /_worker/events` takes events of skills into the history of their jobs."""

CALLS: Final = "calls"
"""Skills are listed and called: `POST /skills/{name}/call`, and by running tasks `POST /_worker/tasks/{id}/calls`."""

CHECKPOINTS: Final = "checkpoints"
"""`PUT /_worker/tasks/{id}/checkpoint` keeps what the task's next attempt is handed."""

WEBHOOKS: Final = "webhooks"
"""Deliveries of webhooks are listed at `/webhooks/deliveries`, and sent again."""

SCHEDULES: Final = "schedules"
"""Schedules begin jobs by themselves: `/api/v1/schedules`."""

DEV_CLIENT_TOKEN: Final = "dev-client-token"  # noqa: S105
DEV_WORKER_TOKEN: Final = "dev-worker-token"  # noqa: S105
DEFAULT_URL: Final = "http://127.0.0.1:8080"


def format_acks(acks: list[tuple[str, int]]) -> str:
    """The value of the ACK header for (task_id, attempt) pairs."""
    return ",".join(f"{task_id}:{attempt}" for task_id, attempt in acks)


def parse_acks(value: str) -> list[tuple[str, int]]:
    """The (task_id, attempt) pairs of an ACK header; what is malformed is left out."""
    pairs = []
    for item in value.split(","):
        task_id, _, attempt = item.strip().rpartition(":")
        if task_id and attempt.isascii() and attempt.isdigit() and len(attempt) < 10:
            pairs.append((task_id, int(attempt)))
    return pairs
