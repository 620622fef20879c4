"""Access tokens of workers (`spec/avtomatika.md` §6.6)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from avtomatika_client.protocol import headers
from avtomatika_client.protocol._base import Received
from orchestrator_lite.api._document import WORKER, errors, json_body
from orchestrator_lite.api._front import REFRESH, address_of
from orchestrator_lite.api._http import ApiError, DirectRoute, answer, read_object
from orchestrator_lite.api._identity import access_of, owner_of
from orchestrator_lite.api.workers import valid

router = APIRouter(route_class=DirectRoute, tags=["workers"])


class LentTokens(Received):
    """Tokens in place of a worker's credential."""

    access_token: str
    expires_in: int = Field(description="Seconds.")
    refresh_token: str
    worker_id: str


class RefreshBody(BaseModel):
    """What is exchanged for new tokens."""

    refresh_token: str = Field(min_length=1)


@router.post(
    "/_worker/auth/token",
    responses={200: {"model": LentTokens}, **errors(400, 401, 429)},
    openapi_extra={"parameters": [{**WORKER, "required": False}]},
)
async def lend(request: Request) -> Response:
    """An access token for an hour, which stands for the credential it is asked with; it is good for one worker."""
    worker_id = request.headers.get(headers.WORKER_ID) or owner_of(request)
    if worker_id is None:
        raise ApiError(400, "X-Worker-ID: is required with the token of all workers")
    access = access_of(request)
    return answer(await access.lent.lend(valid(worker_id), access.workers))


@router.post(
    REFRESH,
    responses={200: {"model": LentTokens}, **errors(400, 403, 413, 429)},
    openapi_extra=json_body(RefreshBody, security=[], parameters=[{**WORKER, "required": False}]),
)
async def refresh(request: Request) -> Response:
    """New tokens for a refresh token; no other credential is needed."""
    token = (await read_object(request)).get("refresh_token")
    if not isinstance(token, str) or not token:
        raise ApiError(400, "Missing refresh_token in payload")
    access, named = access_of(request), request.headers.get(headers.WORKER_ID)
    owner = await access.lent.refreshes(token.encode("latin-1", "replace"), access.workers)
    if owner is None or named not in (None, owner):
        await access.limits.failed(address_of(request.scope))
        raise ApiError(403, "Unauthorized: Invalid refresh token (not found)")
    return answer(await access.lent.lend(owner, access.workers))
