"""What a running task asks for itself: `/_worker/tasks/{task_id}/calls` and `…/checkpoint`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from pydantic_core import to_json
from starlette.responses import Response

from avtomatika_client.protocol._base import Received
from avtomatika_client.protocol.skills import CallAccepted, CallState
from orchestrator_lite.api._document import WORKER, errors, json_body, query
from orchestrator_lite.api._http import (
    ApiError,
    DirectRoute,
    answer,
    checked,
    core_of,
    read_json,
    read_object,
    until_gone,
)
from orchestrator_lite.api._query import WAIT, wait_seconds
from orchestrator_lite.api.workers import speaking
from orchestrator_lite.engine.json_values import copied
from orchestrator_lite.engine.state import Job

LARGEST_CHECKPOINT = 1024 * 1024
"""Bytes of a checkpoint."""

_SECONDS = 10 * 366 * 86_400
"""The longest timeout."""

_ATTEMPT = {**query("attempt", {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}), "required": True}

router = APIRouter(route_class=DirectRoute, tags=["workers"])


class CallBody(Received):
    """Body of a call, read tolerantly."""

    skill: str = Field(min_length=1, max_length=256)
    params: dict[str, Any] = Field(default_factory=dict)
    attempt: int = Field(ge=1, le=2**31 - 1)
    key: str = Field(min_length=1, max_length=128)
    dispatch_timeout: float | None = Field(default=None, gt=0, le=_SECONDS, allow_inf_nan=False, strict=True)
    result_timeout: float | None = Field(default=None, gt=0, le=_SECONDS, allow_inf_nan=False, strict=True)
    priority: float | None = Field(default=None, ge=-1e9, le=1e9, allow_inf_nan=False, strict=True)


class Attempt(Received):
    """Query of a checkpoint."""

    attempt: int = Field(ge=1, le=2**31 - 1)


@router.post(
    "/_worker/tasks/{task_id}/calls",
    status_code=202,
    responses={202: {"model": CallAccepted}, **errors(400, 401, 403, 404, 409)},
    openapi_extra=json_body(CallBody, parameters=[WORKER]),
)
async def begin(request: Request) -> Response:
    """Call a skill from a running task: a child job of one task, cancelled with the task's attempt."""
    read = checked(CallBody, await read_object(request))
    worker_id = speaking(request, read.attempt)
    core = core_of(request)
    if not core.catalogue.knows(read.skill):
        raise ApiError(404, f"No worker has ever published a skill {read.skill!r}")
    asked = {**read.model_dump(include={"skill", "dispatch_timeout", "result_timeout", "priority"})}
    asked["params"] = copied(read.params, "params")
    job_id = await core.calls.begin(worker_id, request.path_params["task_id"], read.attempt, read.key, asked)
    return answer({"status": "accepted", "job_id": job_id}, 202)


@router.get(
    "/_worker/tasks/{task_id}/calls/{job_id}",
    responses={200: {"model": CallState}, **errors(400, 401, 403, 404, 409)},
    openapi_extra={"parameters": [WORKER, WAIT]},
)
async def state(request: Request) -> Response:
    """Where a call stands; `?wait=seconds` answers when it has ended, or after that time."""
    seconds = wait_seconds(request)
    core, child = core_of(request), await _child(request)
    if seconds > 0 and not child.is_final:
        async with until_gone(request) as gone:
            await core.wait(child.id, seconds, gone)
        child = await _child(request)
    return answer(
        {
            "job_id": child.id,
            "status": child.status,
            "end_state": child.current_state,
            "result": child.result,
            "error": child.error,
        }
    )


@router.delete(
    "/_worker/tasks/{task_id}/calls/{job_id}",
    status_code=204,
    responses={204: {}, **errors(400, 401, 403, 404, 409)},
    openapi_extra={"parameters": [WORKER]},
)
async def give_up(request: Request) -> Response:
    """Cancel a call its task waits for no longer; of one that has ended nothing is changed."""
    params = request.path_params
    await core_of(request).calls.give_up(speaking(request), params["task_id"], params["job_id"])
    return Response(status_code=204)


@router.put(
    "/_worker/tasks/{task_id}/checkpoint",
    status_code=204,
    responses={204: {}, **errors(400, 401, 403, 404, 409, 413)},
    openapi_extra={
        "parameters": [
            WORKER,
            {**query("attempt", {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}), "required": True},
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}},
    },
)
async def checkpoint(request: Request) -> Response:
    """Keep any JSON value of at most 1 MiB for the task's next attempt; the last one counts."""
    attempt = checked(Attempt, dict(request.query_params)).attempt
    worker_id = speaking(request, attempt)
    body = await request.body()
    if len(body) > LARGEST_CHECKPOINT:
        raise ApiError(413, f"A checkpoint may have {LARGEST_CHECKPOINT} bytes; this one has {len(body)}")
    value = copied(await read_json(request), "checkpoint")
    await core_of(request).calls.checkpoint(worker_id, request.path_params["task_id"], attempt, to_json(value))
    return Response(status_code=204)


async def _child(request: Request) -> Job:
    params = request.path_params
    return await core_of(request).calls.child(speaking(request), params["task_id"], params["job_id"])
