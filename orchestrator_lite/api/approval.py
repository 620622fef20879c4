"""Decisions of people, from outside: `POST /_public/webhooks/approval/{job_id}` (seeds 000-002 §1)."""

from __future__ import annotations

import hmac
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from avtomatika_client.protocol import headers
from avtomatika_client.protocol._base import Received
from avtomatika_client.protocol.jobs import ApprovalReceived
from orchestrator_lite.access import Refused
from orchestrator_lite.api._document import errors, json_body, query
from orchestrator_lite.api._front import address_of
from orchestrator_lite.api._http import ApiError, DirectRoute, answer, checked, core_of, read_object, settings_of
from orchestrator_lite.api._identity import access_of
from orchestrator_lite.engine.json_values import copied
from orchestrator_lite.engine.state import Job

router = APIRouter(route_class=DirectRoute, tags=["public"])

_STATUS = {"not_waiting": 409, "invalid_decision": 400}


class ApprovalBody(Received):
    """Body of a decision."""

    decision: str = Field(min_length=1, max_length=256)
    token: str | None = Field(default=None, max_length=256)
    metadata: Any = None


@router.post(
    "/_public/webhooks/approval/{job_id}",
    responses={200: {"model": ApprovalReceived}, **errors(400, 401, 404, 409, 413, 429)},
    openapi_extra=json_body(ApprovalBody, parameters=[query("token", {"type": "string"}, "As `token` in the body.")]),
)
async def approve(request: Request) -> Response:
    """Decide what a job waits for. Anonymous, as in the seeds; with the setting `approval_tokens` only with a token.

    The token is the one `await_human_approval` returned, in `?token=` or in the body; it counts once. The client that
    owns the job needs none.
    """
    core, job_id = core_of(request), request.path_params["job_id"]
    body = await read_object(request)
    if not body.get("decision"):
        raise ApiError(400, "decision is required in body")
    read = checked(ApprovalBody, body)
    live = await core.find(job_id)
    if live is None:
        raise ApiError(404, "Job not found")
    if settings_of(request).approval_tokens:
        await _authorised(request, live.job, read.token or request.query_params.get("token"))
    # the question that stands now: of two who answer at once, the later one does not answer the next question
    asked = None if live.job.approval is None else live.job.approval.token
    applied = await core.decide(job_id, read.decision, copied(read.metadata, "metadata"), token=asked)
    if applied is None or applied.verdict is None:
        raise ApiError(404, "Job not found")
    if applied.verdict.reason is not None:
        raise ApiError(_STATUS[applied.verdict.reason], applied.verdict.message or applied.verdict.reason)
    return answer({"status": "approval_received", "job_id": job_id})


async def _authorised(request: Request, job: Job, token: str | None) -> None:
    """Let in the bearer of the job's own token, and the client it belongs to; wrong tokens are slowed."""
    if await _is_owner(request, job):
        return
    if token is None:
        raise ApiError(401, "Approval token or client authentication required")
    if job.approval is None:
        raise ApiError(409, "Job is not in a state that can be approved")
    if not hmac.compare_digest(token.encode("utf-8", "replace"), job.approval.token.encode()):
        await access_of(request).limits.failed(address_of(request.scope))
        raise ApiError(401, "Unauthorized: Invalid approval token")


async def _is_owner(request: Request, job: Job) -> bool:
    sent = request.headers.get(headers.CLIENT_TOKEN)
    if sent is None:
        return False
    try:
        client, _ = await access_of(request).client(sent.encode("latin-1", "replace"), address_of(request.scope))
    except Refused as refused:
        if refused.status == 429:
            raise
        return False
    return client.name == job.client.name
