"""Skills for clients: what workers have published, and calling one without a blueprint (feature `calls`)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from avtomatika_client.protocol._base import Received
from avtomatika_client.protocol.jobs import Job
from avtomatika_client.protocol.skills import CallAccepted, SkillRecord
from orchestrator_lite.api import _views
from orchestrator_lite.api._accepting import IDEMPOTENCY_HEADER, Priority, Seconds, accept, key_of
from orchestrator_lite.api._document import errors, json_body
from orchestrator_lite.api._http import ApiError, DirectRoute, answer, checked, core_of, read_object, until_gone
from orchestrator_lite.api._query import WAIT, wait_seconds
from orchestrator_lite.runtime.skill_flows import PREFIX, skill_flow

router = APIRouter(route_class=DirectRoute, tags=["skills"])


class CallBody(Received):
    """Body of a call; the timeouts and the priority are those of any job."""

    params: dict[str, Any] = Field(default_factory=dict)
    dispatch_timeout: Seconds | None = Field(default=None, gt=0)
    result_timeout: Seconds | None = Field(default=None, gt=0)
    priority: Priority | None = None


class CatalogEntry(BaseModel):
    """A skill in the form of release 1.0b30."""

    contract: dict[str, Any]
    providers_count: int
    worker_types: list[str]


@router.get("/api/{api_version}/skills", responses={200: {"model": list[SkillRecord]}})
@router.get("/api/skills", include_in_schema=False)
async def listed(request: Request) -> Response:
    """Every skill that a worker has ever published, by name, and who offers it now."""
    return answer(_catalogue(request))


@router.get("/api/{api_version}/workers/catalog", responses={200: {"model": dict[str, CatalogEntry]}})
@router.get("/api/workers/catalog", include_in_schema=False)
async def catalog(request: Request) -> Response:
    """The skills that are offered now, in the form of release 1.0b30 (which routes its own catalogue elsewhere)."""
    core = core_of(request)
    offered = [skill for skill in _catalogue(request) if skill["available"]]
    types = {worker.worker_id: worker.doc.get("worker_type") for worker in core.desk.workers.all()}
    return answer(
        {
            skill["name"]: {
                "contract": {key: item for key, item in skill.items() if key not in {"workers", "available"}},
                "providers_count": len(skill["workers"]),
                "worker_types": sorted({types.get(worker_id) or "unknown" for worker_id in skill["workers"]}),
            }
            for skill in offered
        }
    )


@router.post(
    "/api/{api_version}/skills/{name:path}/call",
    status_code=202,
    responses={200: {"model": Job}, 202: {"model": CallAccepted}, **errors(400, 401, 404, 409)},
    openapi_extra=json_body(CallBody, required=False, parameters=[WAIT, IDEMPOTENCY_HEADER]),
)
@router.post("/api/skills/{name:path}/call", include_in_schema=False)
async def call(request: Request) -> Response:
    """Call a skill: a job of one task without a blueprint.

    `Idempotency-Key` counts as for jobs. Answers 202 with its id; with `?wait=seconds` 200 with the job when it has
    ended within that time.
    """
    core, name = core_of(request), request.path_params["name"]
    seconds = wait_seconds(request)
    read = checked(CallBody, await read_object(request) if await request.body() else {})
    flow = skill_flow(PREFIX + name)
    if flow is None or not core.catalogue.knows(name):
        raise ApiError(404, f"No worker has ever published a skill {name!r}")
    body = {**read.model_dump(exclude={"params"}), "initial_data": read.params}
    job_id = await accept(request, flow, body, key_of(request))
    if seconds > 0:
        async with until_gone(request) as gone:
            await core.wait(job_id, seconds, gone)
        live = await core.find(job_id)
        if live is not None and live.job.is_final:
            return answer(_views.full(live, None, None))
    return answer({"status": "accepted", "job_id": job_id}, 202)


def _catalogue(request: Request) -> list[dict[str, Any]]:
    core = core_of(request)
    return core.catalogue.listed(core.desk.workers.all(), core.clock.now())
