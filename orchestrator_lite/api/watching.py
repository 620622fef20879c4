"""Waiting for many jobs, watching them, and why one does not go on (features `wait_many`, `events`, `explain`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from avtomatika_client.protocol import headers
from avtomatika_client.protocol._base import Received
from avtomatika_client.protocol.watching import MOST_WAITED, JobExplanation, JobsWaited
from orchestrator_lite.api import _views
from orchestrator_lite.api._document import errors, json_body, query
from orchestrator_lite.api._events import MEDIA_TYPE, EventStream, first_news
from orchestrator_lite.api._http import ApiError, DirectRoute, answer, checked, core_of, read_object, until_gone
from orchestrator_lite.api._owned import UNKNOWN, client_of, owned
from orchestrator_lite.engine.state import Client
from orchestrator_lite.runtime.core import Core
from orchestrator_lite.runtime.feed import Listener
from orchestrator_lite.runtime.following import Follower
from orchestrator_lite.runtime.jobs import Live

LONGEST_WAIT = 60.0
"""Seconds one request waits at most."""

FULL = 8 * 1024 * 1024
"""Bytes of stored jobs after which one answer holds no more of them."""

router = APIRouter(route_class=DirectRoute, tags=["jobs"])

_PLACE = re.compile(r"[0-9]{1,18}e?")

_HIGHEST = 2**63 - 1

_LAST = "^([0-9]{1,18}e?)?$"

_STREAM: dict[str, Any] = {
    "description": "Server-sent events; the schema is that of each.",
    "content": {
        MEDIA_TYPE: {
            "schema": {
                "type": "object",
                "properties": {
                    "id": {"type": "string", "pattern": "^[0-9]{1,18}e?$"},
                    "event": {"type": "string", "enum": ["history", "progress", "end"]},
                    "data": {"type": "string", "contentMediaType": "application/json"},
                },
            }
        }
    },
}

_PARAMETERS = [
    {
        **query(headers.LAST_EVENT_ID, {"type": "string", "pattern": _LAST}, "The last one that was read."),
        "in": "header",
    },
    query("last_event_id", {"type": "string", "pattern": _LAST}, "As the header `Last-Event-ID`."),
    query("from", {"type": "string", "enum": ["start", "now"]}, "Where to begin without either."),
    query("wait", {"type": "number", "minimum": 0}, "Seconds; the answer ends with the first news, or after them."),
    query(
        "progress_after",
        {"type": "integer", "minimum": 0, "maximum": _HIGHEST},
        "The `number` of the last progress read.",
    ),
]


class WaitBody(Received):
    """Body of a wait for many jobs."""

    ids: list[str] = Field(max_length=MOST_WAITED)
    wait: float = Field(default=0.0, ge=0, allow_inf_nan=False, strict=True)
    mode: Literal["any", "all"] = "any"


class EventsQuery(Received):
    """Query of a stream of events.

    Attributes:
        last_event_id: As the header `Last-Event-ID`, for those who cannot send one.
        start: Where to begin without either; `start`, or `now`. On the wire `from`.
        wait: Seconds; the answer then ends with the first news, or after them.
        progress_after: The `number` of the last progress that is known.
    """

    last_event_id: str | None = Field(default=None, max_length=32)
    start: Literal["start", "now"] | None = Field(default=None, alias="from")
    wait: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    progress_after: int = Field(default=0, ge=0, le=_HIGHEST)


@router.post(
    "/api/{api_version}/jobs:wait",
    responses={200: {"model": JobsWaited}, **errors(400, 401, 413)},
    openapi_extra=json_body(WaitBody),
)
@router.post("/api/jobs:wait", include_in_schema=False)
async def wait(request: Request) -> Response:
    """Wait for many jobs at once: those that have ended are answered whole, at once if there are any.

    With `"mode": "all"` it waits for the last of them. Ids of jobs that are not there, or another client's, are named
    as unknown and waited for no longer.
    """
    core, asked = core_of(request), checked(WaitBody, await read_object(request))
    until = core.clock.monotonic() + min(asked.wait, LONGEST_WAIT)
    async with until_gone(request) as gone:
        while True:
            left = until - core.clock.monotonic()
            ended, open_, unknown = await _sorted(core, client_of(request), asked.ids)
            enough = ended if asked.mode == "any" else not open_
            if enough or not open_ or left <= 0 or gone.done() or core.feed.closed:
                break
            await core.wait_any(open_, left, gone)
    shown, more = _shown(core, ended)
    return answer({"jobs": shown, "unknown": unknown, "more": more})


@router.get(
    "/api/{api_version}/jobs/{job_id}/events",
    responses={200: _STREAM, 204: {}, **errors(400, 401, 404)},
    openapi_extra={"parameters": _PARAMETERS},
)
@router.get("/api/jobs/{job_id}/events", include_in_schema=False)
async def job_events(request: Request) -> Response:
    """A job's events as they happen, as server-sent events: `history`, `progress` and, as the last one, `end`.

    What is durable has an id to go on from (`Last-Event-ID`); progress has none. After the end's id there is nothing:
    204, unless the job has been revived since. With `?wait=seconds` the answer ends with the first news.
    """
    core, live = core_of(request), await owned(request)
    asked = _events_query(request)
    place = _place(request, asked)
    seq = await _begin(core, asked, place, "start")
    if place is not None and place.endswith("e") and await _is_over(core, live, seq):
        return Response(status_code=204)
    return await _told(request, core, asked, seq, live.job.id)


@router.get(
    "/api/{api_version}/events",
    responses={200: _STREAM, **errors(400, 401)},
    openapi_extra={"parameters": _PARAMETERS},
)
@router.get("/api/events", include_in_schema=False)
async def client_events(request: Request) -> Response:
    """The events of all the client's jobs as they happen, from now on unless `Last-Event-ID` or `?from=start` say else.

    As for one job, but without `end`: the stream goes on.
    """
    core, asked = core_of(request), _events_query(request)
    place = _place(request, asked)
    seq = await _begin(core, asked, place, "now")
    return await _told(request, core, asked, seq, None)


@router.get(
    "/api/{api_version}/jobs/{job_id}/explain",
    responses={200: {"model": JobExplanation}, **errors(401, 404)},
)
@router.get("/api/jobs/{job_id}/explain", include_in_schema=False)
async def explain(request: Request) -> Response:
    """Why a job does not go on, as data and as a sentence, or that it does."""
    live = await owned(request)
    found = await core_of(request).explain(live.job.id)
    if found is None:
        raise ApiError(404, UNKNOWN)
    return answer(
        {
            "job_id": live.job.id,
            "status": live.job.status,
            "reason": found.reason,
            "sentence": found.sentence,
            "details": found.details,
        }
    )


async def _sorted(core: Core, client: Client, ids: list[str]) -> tuple[list[Live], list[str], list[str]]:
    """Those that have ended, those that have not, and those that are not there."""
    ended: list[Live] = []
    running: list[str] = []
    unknown: list[str] = []
    for number, job_id in enumerate(dict.fromkeys(ids)):
        if number % 100 == 99:
            await core.clock.sleep(0)
        live = await core.get(job_id, client)
        if live is None:
            unknown.append(job_id)
        elif live.job.is_final:
            ended.append(live)
        else:
            running.append(job_id)
    return ended, running, unknown


def _shown(core: Core, ended: list[Live]) -> tuple[list[dict[str, Any]], bool]:
    shown: list[dict[str, Any]] = []
    size = 0
    for live in ended:
        size += live.size
        if shown and size > FULL:
            return shown, True
        shown.append(_views.full(live, *core.progress(live)))
    return shown, False


def _events_query(request: Request) -> EventsQuery:
    return checked(EventsQuery, dict(request.query_params))


def _place(request: Request, asked: EventsQuery) -> str | None:
    """Where to go on, as the reader says."""
    said = request.headers.get(headers.LAST_EVENT_ID) or asked.last_event_id or None
    if said is not None and not _PLACE.fullmatch(said):
        raise ApiError(400, "Last-Event-ID: is not an id of this server's events")
    return said


async def _begin(core: Core, asked: EventsQuery, place: str | None, otherwise: str) -> int:
    """The event after which the answer begins.

    A place that lies ahead is another store's, whose file was replaced or whose memory is gone: all that is here has
    not been read.
    """
    if place is None and (asked.start or otherwise) == "start":
        return 0
    last = await core.store.last_event()
    seq = last if place is None else int(place.rstrip("e"))
    return seq if seq <= last else 0


async def _is_over(core: Core, live: Live, seq: int) -> bool:
    """Whether the end that was read is the end still: a quarantined job may have been revived."""
    return live.job.is_final and not await core.store.events_after(live.job.id, seq, 1)


async def _told(request: Request, core: Core, asked: EventsQuery, seq: int, job_id: str | None) -> Response:
    made = _following(core, client_of(request).name, job_id, seq, asked.progress_after)
    if asked.wait is None:
        return EventStream(request, core, made)
    with made as (listener, follower):
        return await first_news(core, listener, follower, min(asked.wait, LONGEST_WAIT), request)


@contextmanager
def _following(
    core: Core, client: str, job_id: str | None, seq: int, reported: int
) -> Iterator[tuple[Listener, Follower]]:
    feed = core.feed
    with feed.of_client(client) if job_id is None else feed.of_job(job_id) as listener:
        yield listener, Follower(core, listener, client, job_id=job_id, seq=seq, reported=reported)
