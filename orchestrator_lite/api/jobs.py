"""The client API of jobs (seeds 000-002 §2), under `/api/{version}` and, as the official server does, under `/api`."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from fastapi import APIRouter, Request
from pydantic import Field
from pydantic_core import from_json
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from avtomatika_client.protocol import headers
from avtomatika_client.protocol._base import Received
from avtomatika_client.protocol.files import JobReleased
from avtomatika_client.protocol.jobs import CancelReply, HistoryEvent, Job, JobAccepted
from orchestrator_lite.api import _views
from orchestrator_lite.api._http import (
    ApiError,
    DirectRoute,
    answer,
    checked,
    core_of,
    read_object,
    until_gone,
)
from orchestrator_lite.api._site import site_of
from orchestrator_lite.engine.json_values import copied
from orchestrator_lite.engine.state import Client
from orchestrator_lite.runtime.jobs import Live

LONGEST_WAIT = 60.0
"""Seconds one `?wait=` holds at most."""

LONGEST_PAGE = 500
"""Jobs one page of a list holds at most."""

CATCH_ALL = "/api/{path:path}"
"""Where a POST to no blueprint ends."""

_UNKNOWN = "Job not found"
_ENDED = "Job not found or already terminal."
_BODY_KEYS = frozenset({"initial_data", "webhook_url", "dispatch_timeout", "result_timeout"})


Status: TypeAlias = Literal[
    "pending",
    "running",
    "waiting_for_worker",
    "waiting_for_human",
    "waiting_for_parallel_tasks",
    "finished",
    "failed",
    "error",
    "quarantined",
    "cancelled",
]
"""What a list can be narrowed to: the statuses of the releases."""


class CreateBody(Received):
    """Body of a creation, read tolerantly: keys of later releases are passed over."""

    initial_data: dict[str, Any] = Field(default_factory=dict)
    webhook_url: str | None = Field(default=None, max_length=2048, pattern=r"^https?://")
    dispatch_timeout: float | None = Field(default=None, gt=0, le=10 * 366 * 86_400, allow_inf_nan=False)
    result_timeout: float | None = Field(default=None, gt=0, le=10 * 366 * 86_400, allow_inf_nan=False)
    hold: bool = Field(default=False, strict=True)


class ListQuery(Received):
    """Query of a list; `offset` is the official servers' way to the next page."""

    limit: int = Field(default=50, ge=1)
    status: Status | None = None
    blueprint: str | None = Field(default=None, min_length=1, max_length=256)
    cursor: str | None = Field(default=None, pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    offset: int = Field(default=0, ge=0, le=2**62)


class BlueprintRoute(DirectRoute):
    """Creation of jobs: one route for all blueprints, which may come and go while the server runs."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """A POST to the endpoint of a blueprint, and nothing else."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return Match.NONE, {}
        if site_of(scope).blueprints.at(scope["path"]) is None:
            return Match.NONE, {}
        return Match.FULL, {"endpoint": self.endpoint, "path_params": {}}


creation = APIRouter(route_class=BlueprintRoute, tags=["jobs"])
router = APIRouter(route_class=DirectRoute, tags=["jobs"])


@creation.post("/api/{api_version}/{endpoint:path}", status_code=202, responses={202: {"model": JobAccepted}})
async def create(request: Request) -> Response:
    """Create a job of the blueprint behind this endpoint; it is stored when the answer leaves."""
    core = core_of(request)
    blueprint = core.blueprints.at(request.scope["path"])
    if blueprint is None:
        raise ApiError(404, _no_blueprint(request))
    body = _whole(await read_object(request))
    read = checked(CreateBody, body)
    job = await core.create(
        blueprint,
        _client(request),
        {
            "initial_data": copied(read.initial_data),
            "webhook_url": read.webhook_url,
            "dispatch_timeout": read.dispatch_timeout,
            "result_timeout": read.result_timeout,
            "tracing_context": _tracing(request),
            "hold": "held" if read.hold else None,
        },
    )
    return answer({"status": "accepted", "job_id": job.id}, 202)


@router.get("/api/{api_version}/jobs", responses={200: {"model": list[Job]}})
@router.get("/api/jobs", include_in_schema=False)
async def listed(request: Request) -> Response:
    """The client's own jobs, newest first: an array, as officially, of compact jobs.

    While there are more, the header `X-Next-Cursor` holds what `?cursor=` continues with.
    """
    asked = checked(ListQuery, dict(request.query_params))
    limit = min(asked.limit, LONGEST_PAGE)
    found = await core_of(request).jobs(
        _client(request),
        status=asked.status,
        blueprint=asked.blueprint,
        before=asked.cursor,
        limit=limit + 1,
        offset=asked.offset,
    )
    reply = answer([_views.compact(job) for job in found[:limit]])
    if len(found) > limit:
        reply.headers[headers.NEXT_CURSOR] = found[limit - 1].id
    return reply


@router.get("/api/{api_version}/jobs/{job_id}", responses={200: {"model": Job}})
@router.get("/api/jobs/{job_id}", include_in_schema=False)
async def get(request: Request) -> Response:
    """A job's full state; `?wait=seconds` answers when it has ended, or after that time."""
    core, job_id = core_of(request), request.path_params["job_id"]
    await _owned(request)
    seconds = _wait_seconds(request)
    if seconds > 0:
        async with until_gone(request) as gone:
            await core.wait(job_id, seconds, gone)
    live = await _owned(request)
    return answer(_views.full(live, *core.progress(live)))


@router.post("/api/{api_version}/jobs/{job_id}/cancel", responses={200: {"model": CancelReply}})
@router.post("/api/jobs/{job_id}/cancel", include_in_schema=False)
async def cancel(request: Request) -> Response:
    """Ask for a job's end: waiting work ends at once, running work on its worker's word."""
    live = await _owned(request, _ENDED)
    if live.job.is_final:
        raise ApiError(404, _ENDED)
    applied = await core_of(request).cancel(live.job.id)
    sent = applied is not None and applied.sent
    return answer({"status": "cancellation_request_sent" if sent else "cancellation_request_accepted"})


@router.post("/api/{api_version}/jobs/{job_id}/release", responses={200: {"model": JobReleased}})
@router.post("/api/jobs/{job_id}/release", include_in_schema=False)
async def release(request: Request) -> Response:
    """Let a held job start; again, when it has been released already, changes nothing."""
    live = await _owned(request)
    applied = await core_of(request).release(live.job.id)
    job = live.job if applied is None else applied.job
    if job.hold != "released":
        raise ApiError(409, "Job has ended" if job.is_final else "Job is not held")
    return answer({"status": "released", "job_id": job.id})


@router.get("/api/{api_version}/jobs/{job_id}/history", responses={200: {"model": list[HistoryEvent]}})
@router.get("/api/jobs/{job_id}/history", include_in_schema=False)
async def history(request: Request) -> Response:
    """Everything that happened to a job, oldest first."""
    live = await _owned(request)
    rows = await core_of(request).store.events_after(live.job.id)
    return answer([from_json(row.doc) for row in rows])


@router.get("/api/{api_version}/workers")
@router.get("/api/workers", include_in_schema=False)
async def workers(request: Request) -> Response:
    """The workers that are active: heard lately, and not signed off."""
    core = core_of(request)
    desk, now = core.desk, core.clock.now()
    return answer(
        [
            {
                **{key: item for key, item in worker.doc.items() if key != "incarnation"},
                "worker_id": worker.worker_id,
                "status": worker.status,
                "last_seen": worker.seen_at,
                "current_tasks": [lease.row.task_id for lease in desk.leases.of(worker.worker_id)],
                "reputation": 1.0,
            }
            for worker in desk.workers.all()
            if worker.is_active(now)
        ]
    )


@router.post(CATCH_ALL, include_in_schema=False)
async def unknown(request: Request) -> Response:
    """A POST to no blueprint."""
    raise ApiError(404, _no_blueprint(request))


def _no_blueprint(request: Request) -> str:
    return f"No blueprint is served at {request.scope['path']}"


def _client(request: Request) -> Client:
    client: Client = request.scope["client_identity"]
    return client


async def _owned(request: Request, unknown_text: str = _UNKNOWN) -> Live:
    live = await core_of(request).get(request.path_params["job_id"], _client(request))
    if live is None:
        raise ApiError(404, unknown_text)
    return live


def _whole(body: dict[str, Any]) -> dict[str, Any]:
    """Releases 1.0b9-1.0b13 take a body without any known key as the initial data itself."""
    whole = body and not body.keys() & _BODY_KEYS and body.keys() != {"hold"}
    return {"initial_data": body} if whole else body


def _tracing(request: Request) -> dict[str, str]:
    trace = request.headers.get("traceparent")
    return {} if trace is None else {"traceparent": trace}


def _wait_seconds(request: Request) -> float:
    text = request.query_params.get("wait")
    if text is None:
        return 0.0
    try:
        seconds = float(text)
    except ValueError as error:
        raise ApiError(400, "wait: must be a number of seconds") from error
    if not 0 <= seconds < float("inf"):
        raise ApiError(400, "wait: must be a number of seconds, zero or more")
    return min(seconds, LONGEST_WAIT)
