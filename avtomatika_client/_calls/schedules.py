"""Schedules (`/api/v1/schedules`, feature `schedules`): one function per call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from avtomatika_client._calls._session import UNSET, parse
from avtomatika_client._calls._versions import VERSIONED, versioned_call
from avtomatika_client._calls.jobs import JobRef, features
from avtomatika_client.errors import NotSupportedByServerError
from avtomatika_client.protocol.headers import SCHEDULES
from avtomatika_client.protocol.jobs import JobAccepted
from avtomatika_client.protocol.schedules import Schedule, ScheduleChanges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from avtomatika_client._calls._flow import Flow, Reply, Request
    from avtomatika_client._calls._session import Session, Timeout

_LIST = TypeAdapter(list[Schedule])


def create(session: Session, fields: Mapping[str, Any], timeout: Timeout = UNSET) -> Flow[Schedule]:
    """Keep a new schedule; the same one again is no conflict, so it may be asked twice."""
    request, reply = yield from _asked(session, "POST", "", timeout, body=fields, safe=True)
    return parse(Schedule.model_validate_json, reply, request)


def listed(session: Session, timeout: Timeout = UNSET) -> Flow[list[Schedule]]:
    """The client's schedules."""
    request, reply = yield from _asked(session, "GET", "", timeout)
    return parse(_LIST.validate_json, reply, request)


def get(session: Session, schedule: str, upcoming: int, timeout: Timeout = UNSET) -> Flow[Schedule]:
    """One schedule, with so many of its next times."""
    request, reply = yield from _asked(session, "GET", f"{_path(schedule)}?next={upcoming:d}", timeout)
    return parse(Schedule.model_validate_json, reply, request)


def update(session: Session, schedule: str, fields: Mapping[str, Any], timeout: Timeout = UNSET) -> Flow[Schedule]:
    """Let a schedule say something else."""
    request, reply = yield from _asked(session, "PATCH", _path(schedule), timeout, body=fields, safe=True)
    return parse(Schedule.model_validate_json, reply, request)


def delete(session: Session, schedule: str, timeout: Timeout = UNSET) -> Flow[None]:
    """Forget a schedule."""
    yield from _asked(session, "DELETE", _path(schedule), timeout)


def run(session: Session, schedule: str, timeout: Timeout = UNSET) -> Flow[JobRef]:
    """Begin a job of a schedule now."""
    request, reply = yield from _asked(session, "POST", f"{_path(schedule)}/run", timeout)
    return JobRef(parse(JobAccepted.model_validate_json, reply, request).job_id)


def pause(session: Session, schedule: str, timeout: Timeout = UNSET) -> Flow[Schedule]:
    """Let a schedule rest."""
    request, reply = yield from _asked(session, "POST", f"{_path(schedule)}/pause", timeout, safe=True)
    return parse(Schedule.model_validate_json, reply, request)


def resume(session: Session, schedule: str, timeout: Timeout = UNSET) -> Flow[Schedule]:
    """Let a schedule go on."""
    request, reply = yield from _asked(session, "POST", f"{_path(schedule)}/resume", timeout, safe=True)
    return parse(Schedule.model_validate_json, reply, request)


def checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as they travel.

    Raises:
        TypeError: A schedule has no such field.
        ValueError: A value has no JSON form.
    """
    for name in fields:
        if name not in ScheduleChanges.__annotations__:
            raise TypeError(f"a schedule has no field {name!r}")
    found: dict[str, Any] = to_jsonable_python(dict(fields))
    return found


def _asked(
    session: Session,
    method: str,
    path: str,
    timeout: Timeout,
    *,
    body: Mapping[str, Any] | None = None,
    safe: bool | None = None,
) -> Flow[tuple[Request, Reply]]:
    budget = session.budget(timeout)
    content = None if body is None else json.dumps(body, allow_nan=False).encode()
    if SCHEDULES not in (yield from features(session, budget)):
        raise NotSupportedByServerError("this server keeps no schedules")
    reply = yield from versioned_call(
        session, method, VERSIONED, f"/schedules{path}", budget, safe=safe, optional=True, content=content
    )
    return reply


def _path(schedule: str) -> str:
    return f"/{quote(schedule, safe='')}"
