"""The client API of jobs (seeds 000-002 §2), under `/api/{version}` and, as the official server does, under `/api`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic_core import from_json
from starlette.responses import Response

from avtomatika_client.protocol import headers
from avtomatika_client.protocol.jobs import CancelReply, HistoryEvent, Job
from avtomatika_client.protocol.worker import WorkerRecord
from orchestrator_lite.api import _views
from orchestrator_lite.api._document import errors, query
from orchestrator_lite.api._http import (
    ApiError,
    DirectRoute,
    answer,
    core_of,
    until_gone,
)
from orchestrator_lite.api._listing import LIST_PARAMETERS, read_query
from orchestrator_lite.api._owned import client_of, owned
from orchestrator_lite.api._query import wait_seconds

_ENDED = "Job not found or already terminal."


_GET_PARAMETERS = [
    query("wait", {"type": "number", "minimum": 0}, "Seconds to wait for the job's end; more than 60 are 60."),
    query("view", {"enum": ["full", "compact"]}, "All of it, or what release 1.0b30 shows."),
    query("fields", {"type": "string"}, "Only these fields, separated by commas, and `id`."),
]

router = APIRouter(route_class=DirectRoute, tags=["jobs"])


@router.get(
    "/api/{api_version}/jobs",
    responses={200: {"model": list[Job]}, **errors(400, 401)},
    openapi_extra={"parameters": LIST_PARAMETERS},
)
@router.get("/api/jobs", include_in_schema=False)
async def listed(request: Request) -> Response:
    """The client's own jobs, newest first: an array, as officially, of what tells them apart.

    `?status=`, `?blueprint=`, `?created_after=` and `?created_before=` narrow it. While there are more, the header
    `X-Next-Cursor` holds what `?cursor=` continues with.
    """
    asked = read_query(request)
    found = await core_of(request).jobs(client_of(request), limit=asked.page + 1, **asked.narrowed)
    reply = answer([_views.listed(job) for job in found[: asked.page]])
    if len(found) > asked.page:
        reply.headers[headers.NEXT_CURSOR] = found[asked.page - 1].id
    return reply


@router.get(
    "/api/{api_version}/jobs/{job_id}",
    responses={200: {"model": Job}, **errors(400, 401, 404)},
    openapi_extra={"parameters": _GET_PARAMETERS},
)
@router.get("/api/jobs/{job_id}", include_in_schema=False)
async def get(request: Request) -> Response:
    """A job's full state; `?wait=seconds` answers when it has ended, or after that time.

    `?view=compact` gives what release 1.0b30 gives, `?fields=a,b` these fields and `id`.
    """
    core, job_id = core_of(request), request.path_params["job_id"]
    await owned(request)
    seconds, view = wait_seconds(request), _view(request)
    if seconds > 0:
        async with until_gone(request) as gone:
            await core.wait(job_id, seconds, gone)
    live = await owned(request)
    shown = _views.compact(live.job) if view == "compact" else _views.full(live, *core.progress(live))
    fields = request.query_params.get("fields")
    return answer(_views.only(shown, fields) if fields else shown)


@router.post(
    "/api/{api_version}/jobs/{job_id}/cancel", responses={200: {"model": CancelReply}, **errors(401, 404, 503)}
)
@router.post("/api/jobs/{job_id}/cancel", include_in_schema=False)
async def cancel(request: Request) -> Response:
    """Ask for a job's end: waiting work ends at once, running work on its worker's word."""
    live = await owned(request, _ENDED)
    if live.job.is_final:
        raise ApiError(404, _ENDED)
    applied = await core_of(request).cancel(live.job.id)
    if applied is None or (applied.job.is_final and applied.job.status != "cancelled"):
        raise ApiError(404, _ENDED)
    sent = applied.sent
    return answer({"status": "cancellation_request_sent" if sent else "cancellation_request_accepted"})


@router.get("/api/{api_version}/jobs/{job_id}/history", responses={200: {"model": list[HistoryEvent]}, **errors(404)})
@router.get("/api/jobs/{job_id}/history", include_in_schema=False)
async def history(request: Request) -> Response:
    """Everything that happened to a job, oldest first."""
    live = await owned(request)
    rows = await core_of(request).store.events_after(live.job.id)
    return answer([from_json(row.doc) for row in rows])


@router.get("/api/{api_version}/workers", responses={200: {"model": list[WorkerRecord]}})
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
                "reputation": worker.reputation,
            }
            for worker in desk.workers.all()
            if worker.is_active(now)
        ]
    )


def _view(request: Request) -> str:
    view = request.query_params.get("view", "full")
    if view not in {"full", "compact"}:
        raise ApiError(400, "view: must be full or compact")
    return view
