"""What a client sees of the whole server: its dashboard, and its blueprints as graphs (seeds 000-002 §2)."""

from __future__ import annotations

from collections import Counter
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from avtomatika_client.protocol.jobs import FINAL_STATUSES
from avtomatika_client.protocol.overview import Dashboard
from orchestrator_lite.api._document import errors, query
from orchestrator_lite.api._graphs import dot, mermaid, svg
from orchestrator_lite.api._http import ApiError, DirectRoute, answer, core_of
from orchestrator_lite.api._owned import client_of
from orchestrator_lite.api._site import site_of
from orchestrator_lite.runtime.graphing import graph_of

router = APIRouter(route_class=DirectRoute, tags=["overview"])

_FORMATS: Final = {"dot": dot, "mermaid": mermaid, "svg": svg}
_TEXT: Final = {"schema": {"type": "string"}}


@router.get("/api/{api_version}/dashboard", responses={200: {"model": Dashboard}})
@router.get("/api/dashboard", include_in_schema=False)
async def dashboard(request: Request) -> Response:
    """How much there is: workers, jobs and tasks of the whole server, and what is left of the client's own quota."""
    core = core_of(request)
    now, counts = core.clock.now(), await core.store.counts()
    active = Counter(worker.status for worker in core.desk.workers.all() if worker.is_active(now))
    unfinished = sum(number for status, number in counts.jobs.items() if status not in FINAL_STATUSES)
    return answer(
        {
            "workers": {"total": active.total(), "by_status": active},
            "jobs": {
                "queued": unfinished,
                "finished": counts.jobs.get("finished", 0),
                "by_status": counts.jobs,
            },
            "tasks": {"queued": counts.queued, "leased": counts.leased},
            "quota": _quota(request),
        }
    )


def _quota(request: Request) -> dict[str, float] | None:
    access = site_of(request.scope).access
    left = None if access is None else access.quotas.of(client_of(request).name)
    return (
        None if left is None else {"limit": left.monthly_attempts, "remaining": left.remaining, "until": left.resets_at}
    )


@router.get(
    "/api/{api_version}/blueprints/{blueprint_name}/graph",
    responses={
        200: {"content": {dot.MEDIA_TYPE: _TEXT, mermaid.MEDIA_TYPE: _TEXT, svg.MEDIA_TYPE: _TEXT}},
        **errors(400, 404),
    },
    openapi_extra={"parameters": [query("format", {"type": "string", "enum": [*_FORMATS]}, "Default: `dot`.")]},
)
@router.get("/api/blueprints/{blueprint_name}/graph", include_in_schema=False)
async def graph(request: Request) -> Response:
    """A blueprint's states and the ways between them, as far as its handlers' source names them."""
    blueprint = core_of(request).blueprints.named(request.path_params["blueprint_name"])
    if blueprint is None:
        raise ApiError(404, "Blueprint not found")
    asked = request.query_params.get("format", "dot")
    if asked not in _FORMATS:
        raise ApiError(400, f"format: must be one of {', '.join(_FORMATS)}")
    chosen = _FORMATS[asked]
    return Response(chosen.drawn(graph_of(blueprint)), media_type=chosen.MEDIA_TYPE)
