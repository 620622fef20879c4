"""Events of running tasks: `POST /_worker/events` (release 1.0b14 and later, `spec/avtomatika.md` §6.5)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field, ValidationError
from starlette.responses import Response

from avtomatika_client.protocol import headers
from avtomatika_client.protocol._base import Received
from avtomatika_client.protocol.worker import WORKER_ID_PATTERN
from orchestrator_lite.api._document import errors, json_body
from orchestrator_lite.api._http import DirectRoute, answer, core_of, read_object
from orchestrator_lite.api._identity import owner_of
from orchestrator_lite.api._site import BOUND
from orchestrator_lite.api.workers import valid, worker_of
from orchestrator_lite.engine.json_values import copied
from orchestrator_lite.runtime.telling import LARGEST, Telling

router = APIRouter(route_class=DirectRoute, tags=["workers"])

KIND = r"^[A-Za-z0-9_.:/-]{1,64}$"
"""Types of events."""

_ID = Field(default=None, max_length=256)


class EventBody(Received):
    """Body of an event, read tolerantly; its task has three names."""

    event_type: str = Field(pattern=KIND)
    event_id: str | None = _ID
    worker_id: Annotated[str, Field(json_schema_extra={"pattern": WORKER_ID_PATTERN})] | None = _ID
    target_task_id: str | None = _ID
    origin_task_id: str | None = _ID
    task_id: str | None = _ID
    attempt: int | None = None
    payload: Any = None


class EventReply(Received):
    """Answer to an event: `event_accepted`, `ignored` with a reason, or `error` when it cannot be read."""

    status: str
    reason: str | None = None
    message: str | None = None


@router.post(
    "/_worker/events",
    responses={200: {"model": EventReply}, **errors(400, 401, 403, 409, 413, 503)},
    openapi_extra=json_body(EventBody),
)
async def told(request: Request) -> Response:
    """Take an event of a running task: progress, or anything a skill has to tell, into the job's history.

    The same `event_id` is written once. As officially, a body of the wrong form is answered 200 with status `error`.
    """
    bound = request.scope[BOUND]
    bound.limit = min(bound.limit, LARGEST)
    value = await read_object(request)
    try:
        read = EventBody.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        return answer({"status": "error", "message": f"Invalid event payload: {field}: {first['msg']}"})
    telling = telling_of(read)
    if telling is None:
        return answer({"status": "error", "message": "Invalid event payload: target_task_id: Field required"})
    worker_id = valid(read.worker_id or request.headers.get(headers.WORKER_ID) or owner_of(request) or "unknown")
    worker_of(request, worker_id)
    refused = await core_of(request).tellings.take(worker_id, telling)
    if refused is not None:
        return answer({"status": "ignored", "reason": refused.reason, "message": refused.message})
    return answer({"status": "event_accepted"})


def telling_of(read: EventBody) -> Telling | None:
    """The event; None when it is of no task."""
    task_id = read.target_task_id or read.task_id or read.origin_task_id
    if task_id is None:
        return None
    payload = copied(read.payload, "payload")
    return Telling(kind=read.event_type, task_id=task_id, attempt=read.attempt, payload=payload, event_id=read.event_id)
