"""A client's schedules: `/api/v1/schedules` (ours; the releases know only `schedules.toml`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from avtomatika_client.protocol.jobs import JobAccepted
from avtomatika_client.protocol.schedules import Schedule
from orchestrator_lite.api._accepting import check_target
from orchestrator_lite.api._document import errors, json_body, query
from orchestrator_lite.api._http import ApiError, DirectRoute, answer, checked, core_of, read_object, settings_of
from orchestrator_lite.api._owned import client_of
from orchestrator_lite.schedules import (
    Definition,
    Entry,
    FileOwnedError,
    GoneError,
    NameTakenError,
    NoBlueprintError,
    TooManyError,
)

router = APIRouter(route_class=DirectRoute, tags=["schedules"])

UNKNOWN: Final = "Schedule not found"
SHOWN: Final = 5
MOST: Final = 100
"""Times ahead that an answer tells of, by default and at most."""

AT_ONCE: Final = 50
"""Schedules of a list that are looked at without a break."""

_WAYS: Final = ({"interval_seconds"}, {"cron"}, {"daily_at"}, {"weekly_days", "monthly_dates", "time"})
"""The ways to say when; a change to one takes back the others."""

_BODY = Definition.model_json_schema()
_PATCH = {**_BODY, "required": []}


@router.post(
    "/api/{api_version}/schedules",
    status_code=201,
    responses={200: {"model": Schedule}, 201: {"model": Schedule}, **errors(400, 404, 409, 413)},
    openapi_extra=json_body(Definition),
)
@router.post("/api/schedules", include_in_schema=False)
async def create(request: Request) -> Response:
    """Keep a new schedule (201); the same one again is answered 200 and changes nothing."""
    body = await read_object(request)
    definition = checked(Definition, {"timezone": settings_of(request).timezone, **body})
    _known_blueprint(request, definition)
    if definition.webhook_url is not None:
        check_target(request, definition.webhook_url)
    async with _refusing():
        entry, is_new = await core_of(request).schedules.book.create(client_of(request), definition)
    return answer(_view(request, entry), 201 if is_new else 200)


@router.get("/api/{api_version}/schedules", responses={200: {"model": list[Schedule]}})
@router.get("/api/schedules", include_in_schema=False)
async def listed(request: Request) -> Response:
    """The client's schedules, the oldest first, those of `schedules.toml` that are its own among them."""
    core, shown = core_of(request), []
    for number, entry in enumerate(core.schedules.book.of(client_of(request).name), 1):
        shown.append(_view(request, entry))
        if number % AT_ONCE == 0:  # their next times take a moment each: others must not wait for thousands
            await core.clock.sleep(0)
    return answer(shown)


@router.get(
    "/api/{api_version}/schedules/{schedule_id}",
    responses={200: {"model": Schedule}, **errors(400, 404)},
    openapi_extra={
        "parameters": [
            query("next", {"type": "integer", "minimum": 0, "maximum": MOST}, "How many times ahead to tell of.")
        ]
    },
)
@router.get("/api/schedules/{schedule_id}", include_in_schema=False)
async def get(request: Request) -> Response:
    """A schedule by its id or name, when it is due next, and its last runs."""
    text = request.query_params.get("next", str(SHOWN))
    if not (text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= MOST):
        raise ApiError(400, f"next: must be a number up to {MOST}")
    return answer(_view(request, _found(request), int(text)))


@router.patch(
    "/api/{api_version}/schedules/{schedule_id}",
    responses={200: {"model": Schedule}, **errors(400, 404, 409, 413)},
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _PATCH}}}},
)
@router.patch("/api/schedules/{schedule_id}", include_in_schema=False)
async def update(request: Request) -> Response:
    """Change what a schedule says; null takes a field back. It does not run by that alone."""
    entry, body = _found(request), await read_object(request)
    enabled = body["enabled"] if isinstance(body.get("enabled"), bool) else None

    def changed(before: Definition) -> Definition:
        after = checked(Definition, _merged(before, body, settings_of(request).timezone))
        if after.blueprint != before.blueprint:
            _known_blueprint(request, after)
        if after.webhook_url is not None and after.webhook_url != before.webhook_url:
            check_target(request, after.webhook_url)
        return after

    async with _refusing():
        entry = await core_of(request).schedules.book.update(entry, changed, enabled=enabled)
    return answer(_view(request, entry))


@router.delete(
    "/api/{api_version}/schedules/{schedule_id}",
    status_code=204,
    responses={**errors(404, 409)},
    response_class=Response,
)
@router.delete("/api/schedules/{schedule_id}", include_in_schema=False, status_code=204, response_class=Response)
async def delete(request: Request) -> Response:
    """Forget a schedule; its jobs stay."""
    async with _refusing():
        await core_of(request).schedules.book.delete(_found(request))
    return Response(status_code=204)


@router.post(
    "/api/{api_version}/schedules/{schedule_id}/run",
    status_code=202,
    responses={202: {"model": JobAccepted}, **errors(404, 409)},
)
@router.post("/api/schedules/{schedule_id}/run", include_in_schema=False)
async def run(request: Request) -> Response:
    """Begin a job of a schedule now, even while it is paused; its times stay as they are."""
    async with _refusing():
        job_id = await core_of(request).schedules.keeper.run_now(_found(request))
    return answer({"status": "accepted", "job_id": job_id}, 202)


@router.post("/api/{api_version}/schedules/{schedule_id}/pause", responses={200: {"model": Schedule}, **errors(404)})
@router.post("/api/schedules/{schedule_id}/pause", include_in_schema=False)
async def pause(request: Request) -> Response:
    """Let a schedule rest; again, when it rests already, changes nothing."""
    return await _paused(request, paused=True)


@router.post("/api/{api_version}/schedules/{schedule_id}/resume", responses={200: {"model": Schedule}, **errors(404)})
@router.post("/api/schedules/{schedule_id}/resume", include_in_schema=False)
async def resume(request: Request) -> Response:
    """Let a schedule go on; what was due while it rested is not made up for."""
    return await _paused(request, paused=False)


async def _paused(request: Request, *, paused: bool) -> Response:
    async with _refusing():
        entry = await core_of(request).schedules.book.pause(_found(request), paused=paused)
    return answer(_view(request, entry))


def _found(request: Request) -> Entry:
    """The schedule the path names.

    Raises:
        ApiError: 404 when there is none, or it is another client's.
    """
    book = core_of(request).schedules.book
    entry = book.find(client_of(request).name, request.path_params["schedule_id"])
    if entry is None:
        raise ApiError(404, UNKNOWN)
    return entry


def _known_blueprint(request: Request, definition: Definition) -> None:
    if core_of(request).blueprints.named(definition.blueprint) is None:
        raise ApiError(404, f"No blueprint is called {definition.blueprint!r}")


def _merged(before: Definition, body: dict[str, Any], timezone: str) -> dict[str, Any]:
    """What a definition says after a change."""
    said = before.model_dump(exclude_none=True)
    given = {field for field, value in body.items() if value is not None}
    for way in _WAYS:
        if given & set().union(*(other for other in _WAYS if other is not way)):
            said = {field: value for field, value in said.items() if field not in way}
    said = {**said, **body}
    if said.get("timezone") is None:
        said["timezone"] = timezone
    defaults = {field for field, value in said.items() if value is None}
    return {field: value for field, value in said.items() if field not in defaults}


@asynccontextmanager
async def _refusing() -> AsyncIterator[None]:
    """Say in HTTP's terms why something is refused."""
    try:
        yield
    except GoneError as error:
        raise ApiError(404, UNKNOWN) from error
    except (NameTakenError, FileOwnedError, TooManyError, NoBlueprintError) as error:
        raise ApiError(409, str(error)) from error


def _view(request: Request, entry: Entry, count: int = SHOWN) -> dict[str, Any]:
    """A schedule as the API shows it."""
    now = core_of(request).clock.now()
    upcoming = entry.upcoming(now, max(count, 1))
    return {
        "id": entry.id,
        "source": entry.source,
        **entry.definition.model_dump(mode="json"),
        "enabled": not entry.paused,
        "created_at": entry.created_at,
        "updated_at": entry.updated_at,
        "next_run_at": upcoming[0] if upcoming else None,
        "next_runs": upcoming[:count],
        "last_runs": [
            {"due": run.due, "at": run.at, "job_id": run.job_id, "skipped": run.skipped} for run in entry.runs
        ],
    }
