"""Quarantined jobs: those of a client, and their way back (`spec/avtomatika.md` §5; retry and release are ours)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from avtomatika_client.protocol._base import Received
from avtomatika_client.protocol.files import JobReleased
from avtomatika_client.protocol.jobs import Job, JobRetried
from orchestrator_lite.api import _views
from orchestrator_lite.api._document import errors, json_body
from orchestrator_lite.api._http import ApiError, DirectRoute, answer, checked, core_of, read_object
from orchestrator_lite.api._owned import client_of, owned
from orchestrator_lite.runtime.core import UnknownStateError
from orchestrator_lite.runtime.runner import Applied

router = APIRouter(route_class=DirectRoute, tags=["jobs"])

MOST = 100
"""Quarantined jobs one answer holds at most, the newest."""


class ReleaseBody(Received):
    """Body of a release, which may also be empty."""

    state: str | None = Field(default=None, min_length=1, max_length=256)


@router.get("/api/{api_version}/jobs/quarantined", responses={200: {"model": list[Job]}})
@router.get("/api/jobs/quarantined", include_in_schema=False)
async def quarantined(request: Request) -> Response:
    """The client's quarantined jobs with their evidence, the newest first: a hundred at most; lists tell of all."""
    core = core_of(request)
    found = []
    for listed in await core.jobs(client_of(request), status="quarantined", limit=MOST):
        live = await core.get(listed.id, client_of(request))
        if live is not None and live.job.status == "quarantined":
            found.append(_views.full(live, None, None))
    return answer(found)


@router.post(
    "/api/{api_version}/jobs/{job_id}/retry",
    responses={200: {"model": JobRetried}, **errors(404, 409)},
)
@router.post("/api/jobs/{job_id}/retry", include_in_schema=False)
async def retry(request: Request) -> Response:
    """Have a quarantined job try the task again that it gave up on: as a new task, with all its tries."""
    live = await owned(request)
    _succeeded(await core_of(request).retry(live.job.id))
    return answer({"status": "retried", "job_id": live.job.id})


@router.post(
    "/api/{api_version}/jobs/{job_id}/release",
    responses={200: {"model": JobReleased}, **errors(400, 404, 409, 413)},
    openapi_extra=json_body(ReleaseBody, required=False),
)
@router.post("/api/jobs/{job_id}/release", include_in_schema=False)
async def release(request: Request) -> Response:
    """Let a held job start, or a quarantined one out: into `state`, or as `failed` without one.

    Again, when it has been released already, changes nothing.
    """
    live = await owned(request)
    body = checked(ReleaseBody, await read_object(request) if await request.body() else {})
    if live.job.status == "quarantined":
        try:
            _succeeded(await core_of(request).let_out(live.job.id, body.state))
        except UnknownStateError as error:
            raise ApiError(400, str(error)) from error
        return answer({"status": "released", "job_id": live.job.id})
    applied = await core_of(request).release(live.job.id)
    job = live.job if applied is None else applied.job
    if job.hold != "released":
        raise ApiError(409, "Job has ended" if job.is_final else "Job is not held")
    return answer({"status": "released", "job_id": job.id})


def _succeeded(applied: Applied | None) -> None:
    if applied is None or applied.verdict is None:
        raise ApiError(404, "Job not found")
    if applied.verdict.reason is not None:
        raise ApiError(409, applied.verdict.message or applied.verdict.reason)
