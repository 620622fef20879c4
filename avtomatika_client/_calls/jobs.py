"""The jobs API (seeds 000-002 §2, `spec/avtomatika.md` §5): one function per call."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, urlencode

from pydantic import BaseModel, TypeAdapter

from avtomatika_client._calls._paging import Fetch, Page
from avtomatika_client._calls._session import UNSET, call, parse
from avtomatika_client._calls._versions import VERSIONED, versioned_call
from avtomatika_client.errors import ConflictError, JobFailed, NotFoundError, NotSupportedByServerError
from avtomatika_client.protocol._base import JSON
from avtomatika_client.protocol.headers import EXPLAIN, FILTERS, NEXT_CURSOR, WAIT, WAIT_MANY
from avtomatika_client.protocol.jobs import CancelReply, HistoryEvent, Job, ServerStatus
from avtomatika_client.protocol.watching import JobExplanation, JobsWaited, WaitFor
from avtomatika_client.protocol.worker import WorkerRecord

if TYPE_CHECKING:
    from collections.abc import Collection

    from avtomatika_client._calls._flow import Flow, Reply
    from avtomatika_client._calls._session import Budget, Session, Timeout

_HISTORY = TypeAdapter(list[HistoryEvent])
_ROWS = TypeAdapter(list[dict[str, JSON]])
_WORKERS = TypeAdapter(list[WorkerRecord])

_OFFSET: Final = "offset:"
"""How a cursor begins that counts what was passed over, for servers without cursors of their own."""


class JobRef(NamedTuple):
    """Where a job is found.

    Attributes:
        id: Its id.
        prefix: The API it was accepted by: a server may serve a version only for the blueprints that name it.
    """

    id: str
    prefix: str = VERSIONED


def get(session: Session, ref: JobRef, budget: Budget, *, hold: float | None = None) -> Flow[Job]:
    """A job's state.

    Args:
        session: Whose call it is.
        ref: Which job.
        budget: The time for it.
        hold: Seconds the server may wait for the job's end before it answers; None: it answers at once.
    """
    path = _job_path(ref, "" if hold is None else f"?wait={hold:.3f}")
    request, reply = yield from versioned_call(session, "GET", ref.prefix, path, budget, long=hold is not None)
    return without_secrets(parse(Job.model_validate_json, reply, request))


def cancel(session: Session, ref: JobRef, budget: Budget) -> Flow[CancelReply]:
    """Ask for a job's cancellation; of a job that is cancelled already it is accepted.

    A lost answer is asked for again: then the server may call the repetition out of place, and the job's own state
    tells whether it was cancelled.
    """
    try:
        path = _job_path(ref, "/cancel")
        request, reply = yield from versioned_call(session, "POST", ref.prefix, path, budget, safe=True)
    except (NotFoundError, ConflictError):
        job = yield from get(session, ref, budget)
        if job.end_status != "cancelled":
            raise
        return CancelReply(status="cancellation_request_accepted")
    return parse(CancelReply.model_validate_json, reply, request)


def history(session: Session, ref: JobRef, timeout: Timeout = UNSET) -> Flow[list[HistoryEvent]]:
    """A job's history, oldest event first.

    Raises:
        NotSupportedByServerError: Releases before 1.0b14 serve no history.
    """
    path, budget = _job_path(ref, "/history"), session.budget(timeout)
    request, reply = yield from versioned_call(session, "GET", ref.prefix, path, budget, optional=True)
    events = parse(_HISTORY.validate_json, reply, request)
    for event in events:
        _drop(event, "client_token")
    return events


def explain(session: Session, ref: JobRef, timeout: Timeout = UNSET) -> Flow[JobExplanation]:
    """Why a job does not go on.

    Raises:
        NotSupportedByServerError: The server does not say (feature `explain`).
    """
    budget = session.budget(timeout)
    if EXPLAIN not in (yield from features(session, budget)):
        raise NotSupportedByServerError("this server does not explain what a job waits for")
    request, reply = yield from versioned_call(session, "GET", ref.prefix, _job_path(ref, "/explain"), budget)
    return parse(JobExplanation.model_validate_json, reply, request)


def pages_of_jobs(
    session: Session,
    *,
    limit: int,
    status: str | Collection[str] | None = None,
    blueprint: str | None = None,
    created_after: float | datetime | None = None,
    created_before: float | datetime | None = None,
    begin: str | None = None,
    timeout: Timeout = UNSET,
) -> Fetch[Job]:
    """The client's jobs, newest first, page by page.

    Official servers answer with the latest history event of each job, go by `offset` and know no filter: their pages
    are filtered here, so a page may hold fewer jobs than `limit` and not be the last.

    Raises:
        NotSupportedByServerError: The server has no such list, or cannot narrow it so.
        ValueError: The limit is below 1, or there is no status.
    """
    if limit < 1:
        raise ValueError("limit: must be 1 or more")
    statuses = None if status is None else [status] if isinstance(status, str) else list(status)
    if statuses == []:
        raise ValueError("status: name one at least")
    moments = {"created_after": _moment(created_after), "created_before": _moment(created_before)}
    wanted = {"status": ",".join(statuses) if statuses else None, "blueprint": blueprint, **moments}
    narrower = {name: value for name, value in wanted.items() if value is not None}
    is_newer = len(statuses or ()) > 1 or not narrower.keys().isdisjoint(moments)

    def fetch(cursor: str | None) -> Flow[Page[Job]]:
        place = begin if cursor is None else cursor
        budget, query = session.budget(timeout), {"limit": limit, **narrower, **_place(place)}
        if is_newer and FILTERS not in (yield from features(session, budget)):
            raise NotSupportedByServerError("this server can narrow a list to one status and one blueprint only")
        request, reply = yield from versioned_call(
            session, "GET", VERSIONED, f"/jobs?{urlencode(query)}", budget, optional=True
        )
        rows = parse(_ROWS.validate_json, reply, request)
        jobs = parse(lambda _: [_listed(row) for row in rows], reply, request)
        fitting = [job for job in jobs if _fits(job, statuses, blueprint)]
        return Page(fitting, _next_place(place, reply, rows))

    return fetch


def workers(session: Session, timeout: Timeout = UNSET) -> Flow[list[WorkerRecord]]:
    """The workers that are registered.

    Raises:
        NotSupportedByServerError: The server has no such list.
    """
    budget = session.budget(timeout)
    request, reply = yield from versioned_call(session, "GET", VERSIONED, "/workers", budget, optional=True)
    records = parse(_WORKERS.validate_json, reply, request)
    for record in records:
        _drop(record, "security", "token")
    return records


def status(session: Session, timeout: Timeout = UNSET) -> Flow[ServerStatus]:
    """How the server is, and what it can do beyond the seed protocol."""
    request = session.request("GET", "/_public/status")
    reply = yield from call(session, request, session.budget(timeout))
    found = parse(ServerStatus.model_validate_json, reply, request)
    session.facts.features = frozenset(found.features)
    return found


def can_wait(session: Session, budget: Budget) -> Flow[bool]:
    """Whether the server holds `GET /jobs/{id}?wait=`."""
    return WAIT in (yield from features(session, budget))


def can_wait_for_many(session: Session, budget: Budget) -> Flow[bool]:
    """Whether the server has `POST /jobs:wait`."""
    return WAIT_MANY in (yield from features(session, budget))


def wait_for_many(session: Session, ids: list[str], hold: float, budget: Budget) -> Flow[JobsWaited]:
    """Which of many jobs have ended (feature `wait_many`).

    Args:
        session: Whose call it is.
        ids: The jobs; up to `MOST_WAITED`.
        hold: Seconds the server may wait for the first of them to end.
        budget: The time for it.
    """
    body = WaitFor(ids=ids, wait=round(hold, 3)).model_dump_json().encode()
    request = session.request("POST", f"{VERSIONED}/jobs:wait", content=body, long=hold > 0)
    reply = yield from call(session, request, budget, safe=True)
    found = parse(JobsWaited.model_validate_json, reply, request)
    for job in found.jobs:
        without_secrets(job)
    return found


def features(session: Session, budget: Budget) -> Flow[frozenset[str]]:
    """What the server can do beyond the seed protocol; asked once per client."""
    if session.facts.features is None:
        request = session.request("GET", "/_public/status")
        reply = yield from call(session, request, budget, passing=frozenset({400, 401, 403, 404, 405}))
        session.facts.features = _features(reply)
    return session.facts.features


def result_of(job: Job) -> JSON:
    """What an ended job returned; on servers without a `result`, its `state_history`.

    Raises:
        JobFailed: It ended, but not as `finished`.
    """
    if job.end_status != "finished":
        error = job.error if job.error is not None else job.error_message
        raise JobFailed(
            _failure_text(job, error), job_id=job.id, status=job.end_status, end_state=job.current_state, error=error
        )
    return job.result if "result" in job.model_fields_set else job.state_history


def _moment(value: float | datetime | None) -> float | None:
    """UTC seconds; a time without a zone is this machine's."""
    return value.timestamp() if isinstance(value, datetime) else value


def _fits(job: Job, statuses: list[str] | None, blueprint: str | None) -> bool:
    return (statuses is None or job.end_status in statuses) and blueprint in (None, job.blueprint_name)


def _place(cursor: str | None) -> dict[str, str]:
    """Where a page begins, in the query: by the server's own cursor, or by counting."""
    if cursor is None:
        return {}
    return {"offset": cursor.removeprefix(_OFFSET)} if cursor.startswith(_OFFSET) else {"cursor": cursor}


def _next_place(cursor: str | None, reply: Reply, rows: list[dict[str, JSON]]) -> str | None:
    if not rows or "event_type" not in rows[0]:
        return reply.headers.get(NEXT_CURSOR)
    return f"{_OFFSET}{int(_place(cursor).get('offset', 0)) + len(rows)}"


def _listed(row: dict[str, JSON]) -> Job:
    """A job of a list: as it is, or as the latest event of its history shows it."""
    if "event_type" in row:
        snapshot = row.get("context_snapshot")
        known = snapshot if isinstance(snapshot, dict) else {"current_state": row.get("state")}
        row = {**known, "id": row.get("job_id")}
    return without_secrets(Job.model_validate(row))


def _job_path(ref: JobRef, suffix: str = "") -> str:
    return f"/jobs/{quote(ref.id, safe='')}{suffix}"


def _features(reply: Reply) -> frozenset[str]:
    try:
        return frozenset(ServerStatus.model_validate_json(reply.content).features)
    except ValueError:
        return frozenset()


def _failure_text(job: Job, error: JSON) -> str:
    why = error.get("message") if isinstance(error, dict) else error
    where = f" in state {job.current_state!r}" if job.current_state else ""
    return f"job {job.id} is {job.end_status}{where}" + (f": {why}" if why else "")


def without_secrets(job: Job) -> Job:
    # Releases to 1.0b13 answer with the client's token and request headers.
    _drop(job, "client_config", "tracing_context")
    return job


def _drop(model: BaseModel, *names: str) -> None:
    for name in names:
        (model.model_extra or {}).pop(name, None)
