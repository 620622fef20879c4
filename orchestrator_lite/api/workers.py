"""The worker protocol (seeds 000-002 §3, tolerant as `spec/avtomatika.md` §10 says)."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from avtomatika_client.protocol import headers
from avtomatika_client.protocol._base import Received
from avtomatika_client.protocol.worker import (
    WORKER_ID_PATTERN,
    Heartbeat,
    HeartbeatReply,
    Registered,
    Registration,
    ResultReply,
    Task,
    TaskResult,
    skill_names,
)
from orchestrator_lite.api._document import INCARNATION, WORKER, errors, json_body, of_path, query
from orchestrator_lite.api._http import (
    ApiError,
    DirectRoute,
    answer,
    checked,
    core_of,
    read_object,
    refusal,
    settings_of,
    until_gone,
)
from orchestrator_lite.api._identity import badge_of, owner_of, speaks_for
from orchestrator_lite.api._site import BOUND, Bound
from orchestrator_lite.api.public import features_of
from orchestrator_lite.engine.json_values import copied
from orchestrator_lite.engine.step import Verdict
from orchestrator_lite.runtime.changes import handed_out
from orchestrator_lite.runtime.workers import Worker

router = APIRouter(route_class=DirectRoute, tags=["workers"])

LARGEST_BATCH = 64
"""Tasks one poll takes at most."""

LARGEST_BEAT = 1024 * 1024
"""Bytes of a heartbeat."""

MOST_SKILLS = 1000
"""Skills one worker offers: each poll looks for a task of each."""

LONGEST_SKILL = 256
"""Characters of a skill's name."""

_ID = of_path("worker_id", {"type": "string", "pattern": WORKER_ID_PATTERN})
_WORKER_ID = re.compile(WORKER_ID_PATTERN)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Such as the separator in the names of the queue's lanes."""

_ANOTHERS = Verdict(reason="worker_mismatch", message="Forbidden: This task is assigned to a different worker.")


class Tasks(Received):
    """Several tasks at once."""

    tasks: list[Task]


@router.get(
    "/_worker/workers/{worker_id}/tasks/next",
    responses={200: {"model": Task | Tasks}, 204: {}, **errors(400, 404, 409)},
    openapi_extra={
        "parameters": [
            _ID,
            query("timeout", {"type": "number"}, "Seconds to hold the poll; no more than the server does by itself."),
            query("limit", {"type": "integer", "minimum": 1, "maximum": LARGEST_BATCH}, "Tasks to take at once."),
            INCARNATION,
            {
                **query(headers.ACK, {"type": "string"}, "Tasks that came: `task id:attempt, …`."),
                "in": "header",
            },
        ]
    },
)
async def next_task(request: Request) -> Response:
    """The next task, or 204 when none came while the poll was held.

    With `?limit=n` (feature `batch`) up to n tasks, as `{"tasks": [...]}`: as many as there are, waiting for the first
    only.
    """
    limit = _limit(request)
    worker = _caller(request, _worker_id(request))
    core = core_of(request)
    async with until_gone(request) as gone:
        rows = await core.desk.next_tasks(worker or _unregistered(request), _hold(request), gone, limit or 1)
    if not rows:
        return Response(status_code=204)
    tasks = [handed_out(row, await core.calls.kept_of(row) if row.attempt > 1 else None) for row in rows]
    body = tasks[0] if limit is None else b'{"tasks":[%b]}' % b",".join(tasks)
    return Response(body, media_type="application/json")


@router.post(
    "/_worker/tasks/result",
    responses={200: {"model": ResultReply}, **errors(400, 403, 409)},
    openapi_extra=json_body(TaskResult, parameters=[{**WORKER, "required": False}, INCARNATION]),
)
async def result(request: Request) -> Response:
    """A task's result, flat or nested; judged by task and attempt."""
    read = checked(TaskResult, await read_object(request))
    try:
        read = read.flattened()
    except ValidationError as error:
        raise refusal(error) from error
    worker_id = valid(read.worker_id or request.headers.get(headers.WORKER_ID) or owner_of(request) or "unknown")
    _own(request, worker_id)
    _caller(request, worker_id, incarnation=read.incarnation)
    if _is_of_another(request, read.task_id):
        return answer(_verdict(_ANOTHERS))
    verdict = await core_of(request).desk.result(worker_id, read)
    return answer(_verdict(verdict))


@router.patch(
    "/_worker/workers/{worker_id}",
    responses={200: {"model": HeartbeatReply}, **errors(400, 409)},
    openapi_extra=json_body(Heartbeat, required=False, parameters=[_ID, INCARNATION]),
)
async def heartbeat(request: Request) -> Response:
    """A sign of life; with a body also the worker's state, answered with what it is to stop."""
    worker_id = _worker_id(request)
    desk = core_of(request).desk
    body = await _beat(request)
    worker = _caller(request, worker_id, incarnation=None if body is None else body.incarnation)
    if body is None:
        if worker is not None:
            desk.refresh(worker)
        return answer({"status": "ttl_refreshed"})
    if worker is None:
        return answer({"status": "ok", "cancel_task_ids": [], "require_full_sync": True})
    stop = await desk.heartbeat(worker, body)
    return answer({**worker.doc, "worker_id": worker_id, "status": "ok", "cancel_task_ids": stop})


@router.post(
    "/_worker/workers/register",
    responses={200: {"model": Registered}, **errors(400, 409)},
    openapi_extra=json_body(Registration),
)
async def register(request: Request) -> Response:
    """Register a worker; a new incarnation of it replaces the old one."""
    registration = checked(Registration, copied(await read_object(request)))
    check_skills(registration)
    speaks_for(request, registration.worker_id)
    await core_of(request).desk.register(registration)
    settings = settings_of(request)
    return answer(
        {
            "status": "registered",
            "features": features_of(request),
            "heartbeat_interval": settings.heartbeat_interval,
            "poll_timeout": settings.poll_hold,
        }
    )


def _worker_id(request: Request) -> str:
    return valid(request.path_params["worker_id"])


def valid(worker_id: str) -> str:
    """A worker's id that is one.

    Raises:
        ApiError: 400.
    """
    if not _WORKER_ID.fullmatch(worker_id):
        raise ApiError(400, f"worker_id: must match {WORKER_ID_PATTERN}")
    return worker_id


def _caller(request: Request, worker_id: str, *, incarnation: str | None = None) -> Worker | None:
    """The registered worker that speaks, its acknowledgements taken; a superseded start of it is refused."""
    speaks_for(request, worker_id)
    desk = core_of(request).desk
    desk.workers.check(worker_id, incarnation or request.headers.get(headers.INCARNATION))
    worker = desk.workers.get(worker_id)
    acks = request.headers.get(headers.ACK)
    if worker is not None and acks:
        desk.acknowledge(worker, headers.parse_acks(acks))
    return worker


def speaking(request: Request, attempt: int | None = None) -> str:
    """The id of the worker that speaks for the task in the path; that it runs it is evidence that it arrived.

    Args:
        request: What it says.
        attempt: The attempt it speaks for, where it says so.

    Raises:
        ApiError: 401 when it does not say who it is, 400 when it says nonsense.
    """
    worker_id = request.headers.get(headers.WORKER_ID) or owner_of(request)
    if worker_id is None:
        raise ApiError(401, "Missing X-Worker-Id header")
    worker = _caller(request, valid(worker_id))
    if worker is not None:
        desk = core_of(request).desk
        desk.leases.sign(worker, request.path_params["task_id"], attempt, core_of(request).clock.now())
    return worker_id


def check_skills(message: Registration | Heartbeat) -> None:
    """That what a worker offers are names of skills, and not too many.

    Raises:
        ApiError: 400.
    """
    names = skill_names(message)
    if len(names) > MOST_SKILLS:
        raise ApiError(400, f"supported_skills: a worker may offer {MOST_SKILLS} skills; these are {len(names)}")
    for name in names:
        if len(name) > LONGEST_SKILL or _CONTROL.search(name):
            raise ApiError(400, f"supported_skills: a name has {LONGEST_SKILL} characters at most, none of control")


def worker_of(request: Request, worker_id: str) -> Worker | None:
    """The registered worker that speaks; as of every route of workers.

    Raises:
        ApiError: 403 when its token is another worker's.
        SupersededError: A newer start of it has replaced it.
    """
    return _caller(request, worker_id)


def _own(request: Request, worker_id: str) -> None:
    """With a token of its own a worker delivers its own results only (`spec/avtomatika.md` §6.4)."""
    badge = badge_of(request)
    if badge is not None and worker_id not in badge:
        owner = request.headers.get(headers.WORKER_ID) or min(badge)
        raise ApiError(
            403,
            f"Forbidden: Authenticated worker '{owner}' cannot submit results for another worker '{worker_id}'.",
        )


def _is_of_another(request: Request, task_id: str) -> bool:
    """Whether somebody else holds a task, as far as the sender has proved who it is."""
    badge = badge_of(request)
    if badge is None:
        return False
    lease = core_of(request).desk.leases.get(task_id)
    return lease is not None and lease.row.worker_id not in badge


def _unregistered(request: Request) -> Worker:
    """Ours is told to register; an official worker, which would not, is held as officially and gets nothing."""
    if request.headers.get(headers.INCARNATION) is not None:
        raise ApiError(404, "Worker is not registered")
    return Worker(_worker_id(request), frozenset(), None, core_of(request).clock.now())


def _limit(request: Request) -> int | None:
    """How many tasks the poll takes at once; None: one, in the seeds' form."""
    text = request.query_params.get("limit")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= LARGEST_BATCH:
        raise ApiError(400, f"limit: must be a number from 1 to {LARGEST_BATCH}")
    return int(text)


def _hold(request: Request) -> float:
    """Seconds to hold this poll: the server's, or less when the worker asks for less."""
    longest = settings_of(request).poll_hold
    try:
        asked = float(request.query_params.get("timeout", longest))
    except ValueError as error:
        raise ApiError(400, "timeout: must be a number of seconds") from error
    return min(asked, longest) if asked >= 0 else longest


async def _beat(request: Request) -> Heartbeat | None:
    bound: Bound = request.scope[BOUND]
    bound.limit = min(bound.limit, LARGEST_BEAT)
    if not await request.body():
        return None
    body = await read_object(request)
    if not body:
        return None
    beat = checked(Heartbeat, copied(body))
    check_skills(beat)
    return beat


def _verdict(verdict: Verdict) -> dict[str, Any]:
    if verdict.reason is not None:
        return {"status": "ignored", "reason": verdict.reason, "message": verdict.message}
    return {"status": "result_accepted_success", "transition": verdict.transition}
