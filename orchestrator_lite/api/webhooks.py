"""What a client's webhooks have been told, and telling them again."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from avtomatika_client.protocol import headers
from avtomatika_client.protocol._base import Received
from avtomatika_client.protocol.webhooks import WebhookDelivery
from orchestrator_lite.api._document import errors, query
from orchestrator_lite.api._http import ApiError, DirectRoute, answer, checked, core_of
from orchestrator_lite.api._owned import client_of
from orchestrator_lite.store import Outgoing

LONGEST_PAGE = 500
"""Deliveries one page of a list holds at most."""

_HIGHEST = 2**63 - 1

router = APIRouter(route_class=DirectRoute, tags=["webhooks"])

_QUERY = [
    query("job_id", {"type": "string", "minLength": 1, "maxLength": 64}, "Only those that tell of this job."),
    query("status", {"type": "string", "enum": ["pending", "delivered", "failed"]}, "Only those that stand so."),
    query("limit", {"type": "integer", "minimum": 1}, "Deliveries on a page; more than 500 are 500."),
    query("cursor", {"type": "integer", "minimum": 0, "maximum": _HIGHEST}, "What `X-Next-Cursor` held."),
]


class DeliveriesQuery(Received):
    """Query of a list of deliveries."""

    job_id: str | None = Field(default=None, min_length=1, max_length=64)
    status: Literal["pending", "delivered", "failed"] | None = None
    limit: int = Field(default=50, ge=1)
    cursor: int | None = Field(default=None, ge=0, le=_HIGHEST)


@router.get(
    "/api/{api_version}/webhooks/deliveries",
    responses={200: {"model": list[WebhookDelivery]}, **errors(400)},
    openapi_extra={"parameters": _QUERY},
)
@router.get("/api/webhooks/deliveries", include_in_schema=False)
async def listed(request: Request) -> Response:
    """What webhooks of the client's jobs have been told, or are to be, newest first.

    While there are more, the header `X-Next-Cursor` holds what `?cursor=` continues with.
    """
    asked = checked(DeliveriesQuery, dict(request.query_params))
    limit = min(asked.limit, LONGEST_PAGE)
    found = await core_of(request).store.outgoing_of(
        client_of(request).name, job_id=asked.job_id, status=asked.status, before=asked.cursor, limit=limit + 1
    )
    reply = answer([_view(row) for row in found[:limit]])
    if len(found) > limit:
        reply.headers[headers.NEXT_CURSOR] = str(found[limit - 1].id)
    return reply


@router.get(
    "/api/{api_version}/webhooks/deliveries/{delivery_id}",
    responses={200: {"model": WebhookDelivery}, **errors(404)},
)
@router.get("/api/webhooks/deliveries/{delivery_id}", include_in_schema=False)
async def get(request: Request) -> Response:
    """One delivery: where it stands, and why."""
    return answer(_view(await _owned(request)))


@router.post(
    "/api/{api_version}/webhooks/deliveries/{delivery_id}/redeliver",
    status_code=202,
    responses={202: {"model": WebhookDelivery}, **errors(404)},
)
@router.post("/api/webhooks/deliveries/{delivery_id}/redeliver", include_in_schema=False)
async def redeliver(request: Request) -> Response:
    """Send it again at once, whether or not it arrived: the same event under the same id, with all its attempts."""
    row = await core_of(request).webhooks.again(await _owned(request))
    return answer(_view(row), 202)


async def _owned(request: Request) -> Outgoing:
    """The delivery the path names; another client's is not found."""
    text = request.path_params["delivery_id"]
    if text.isascii() and text.isdigit() and len(text) < 19:
        row = await core_of(request).store.outgoing(int(text))
        if row is not None and row.client == client_of(request).name:
            return row
    raise ApiError(404, "Delivery not found")


def _view(row: Outgoing) -> dict[str, Any]:
    return {
        "id": row.id,
        "event_id": row.event_id,
        "event": row.kind,
        "job_id": row.job_id,
        "url": row.url,
        "status": row.status,
        "attempts": row.attempts,
        "code": row.code,
        "error": row.error,
        "created_at": row.created_at,
        "next_attempt_at": row.due_at if row.status == "pending" else None,
        "delivered_at": row.delivered_at,
    }
