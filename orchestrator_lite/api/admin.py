"""Reading the files of credentials again while the server runs (`spec/avtomatika.md` §5)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from avtomatika_client.protocol._base import Received
from orchestrator_lite.access import AccessError
from orchestrator_lite.api._document import errors
from orchestrator_lite.api._http import ApiError, DirectRoute, answer, core_of
from orchestrator_lite.api._identity import access_of

router = APIRouter(route_class=DirectRoute, tags=["admin"])


class Reloaded(Received):
    """What has been read again."""

    status: str


_ANSWERS: dict[int | str, dict[str, Any]] = {200: {"model": Reloaded}, **errors(422)}


@router.post("/api/{api_version}/admin/reload-workers", responses=_ANSWERS)
@router.post("/api/admin/reload-workers", include_in_schema=False)
async def reload_workers(request: Request) -> Response:
    """Read `workers.toml` again; when it means nothing, what was read before holds on.

    Sockets of workers whose tokens have changed are closed and their polls answered: they come back with the new ones.
    """
    try:
        changed = await access_of(request).reload_workers()
    except AccessError as error:
        raise ApiError(422, str(error)) from error
    core_of(request).desk.turn_away(changed)
    await core_of(request).channels.part(changed, "Token changed")
    return answer({"status": "worker_configs_reloaded"})


@router.post("/api/{api_version}/admin/reload-clients", responses=_ANSWERS)
@router.post("/api/admin/reload-clients", include_in_schema=False)
async def reload_clients(request: Request) -> Response:
    """Read `clients.toml` again; when it means nothing, what was read before holds on."""
    try:
        await access_of(request).reload_clients()
    except AccessError as error:
        raise ApiError(422, str(error)) from error
    return answer({"status": "client_configs_reloaded"})
