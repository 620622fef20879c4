"""What every creation of a job passes: the body is checked, and the job is stored once."""

from __future__ import annotations

import json
import re
from functools import partial
from hashlib import blake2b
from typing import Annotated, Any

from fastapi import Request
from pydantic import Field

from avtomatika_client.protocol._base import Received
from avtomatika_client.protocol.headers import IDEMPOTENCY_KEY
from orchestrator_lite.api._http import ApiError, checked, core_of
from orchestrator_lite.api._quota import counted
from orchestrator_lite.blueprint import Blueprint
from orchestrator_lite.egress.errors import EgressRefused
from orchestrator_lite.engine._ending import MAX_TRANSITIONS
from orchestrator_lite.engine.json_values import copied
from orchestrator_lite.engine.state import Client
from orchestrator_lite.runtime.keys import Key, KeyReusedError

LONGEST = 10 * 366 * 86_400
"""Seconds of the longest delay and timeout: ten years."""

_ENVELOPE = frozenset({"initial_data", "webhook_url", "dispatch_timeout", "result_timeout"})
_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
_NO_KEY = "must be 1 to 255 ASCII characters, without spaces around them"
IDEMPOTENCY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "What the request is known by: repeated with the same key within 24 hours it makes nothing new.",
    "schema": {"type": "string", "pattern": f"^{_KEY.pattern}$"},
}
"""The header's parameter of an operation."""

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_LONGEST_TRACE = 256
"""Characters; W3C's first version has 55. It goes with every task."""

_NO_DATA = frozenset({"hold", "max_transitions"})


Seconds = Annotated[float, Field(le=LONGEST, allow_inf_nan=False, strict=True)]
Priority = Annotated[float, Field(ge=-1_000_000, le=1_000_000, allow_inf_nan=False, strict=True)]


class CreateBody(Received):
    """Body of a creation, read tolerantly: keys of later releases are passed over.

    Attributes:
        initial_data: What the blueprint's handlers read as `initial_data`.
        webhook_url: Where the job's end is reported.
        dispatch_timeout: Seconds a task of it may wait for a worker.
        result_timeout: Seconds from the creation within which it must have ended.
        delay: Seconds from the creation until it starts.
        priority: What the priorities of its tasks are raised by; higher goes first.
        max_transitions: States it may enter before it fails.
        hold: Whether it waits for its release before it starts.
    """

    initial_data: dict[str, Any] = Field(default_factory=dict)
    webhook_url: str | None = Field(default=None, max_length=2048, pattern=r"^https?://")
    dispatch_timeout: Seconds | None = Field(default=None, gt=0)
    result_timeout: Seconds | None = Field(default=None, gt=0)
    delay: Seconds | None = Field(default=None, ge=0)
    priority: Priority | None = None
    max_transitions: int | None = Field(default=None, ge=1, le=MAX_TRANSITIONS)
    hold: bool = Field(default=False, strict=True)


def whole(body: dict[str, Any]) -> dict[str, Any]:
    """Releases 1.0b9-1.0b13 take a body without any known key as the initial data itself.

    `delay` and `priority`, which no release knows, may well be such data.
    """
    is_data = body and not body.keys() & _ENVELOPE and not body.keys() <= _NO_DATA
    return {"initial_data": body} if is_data else body


def key_of(request: Request) -> str | None:
    """The idempotency key in the header.

    Raises:
        ApiError: 400 when it is none.
    """
    return checked_key(request.headers.get(IDEMPOTENCY_KEY), "Idempotency-Key")


def checked_key(key: Any, where: str) -> str | None:
    """An idempotency key, if there is one.

    Raises:
        ApiError: 400 when it is none; it names `where`.
    """
    if key is not None and not (isinstance(key, str) and _KEY.fullmatch(key)):
        raise ApiError(400, f"{where}: {_NO_KEY}")
    found: str | None = key
    return found


async def accept(request: Request, blueprint: Blueprint, body: dict[str, Any], key: str | None) -> str:
    """Create a job; it is stored when this returns its id.

    Args:
        request: Who asks.
        blueprint: What the job runs.
        body: As `CreateBody`.
        key: Its idempotency key: what was accepted with the same one in the last 24 hours is this job.

    Raises:
        ApiError: 400 naming what is wrong with the body; 409 where the key was used with another one; 429: the client's
            quota is used up.
        NotJSONError: The data holds what JSON cannot.
        StoreError: The job could not be stored; there is none.
    """
    fields = _fields(body)
    if fields["webhook_url"] is not None:
        check_target(request, fields["webhook_url"])
    client: Client = request.scope["client_identity"]
    named = None if key is None else Key(f"{client.name}\n{blueprint.name}", key, _digest(fields))
    body = {**fields, "tracing_context": _tracing(request)}
    try:
        return await core_of(request).submit(blueprint, client, body, named, counting=partial(counted, request))
    except KeyReusedError as error:
        raise ApiError(409, str(error)) from error


def _fields(body: dict[str, Any]) -> dict[str, Any]:
    """What `Core.create` takes."""
    _check_transitions(body.get("max_transitions"))
    read = checked(CreateBody, body)
    delay = read.delay or None
    if delay is not None and read.result_timeout is not None and delay >= read.result_timeout:
        raise ApiError(400, "delay: must be shorter than result_timeout, which counts from the creation")
    return {
        "initial_data": copied(read.initial_data),
        "webhook_url": read.webhook_url,
        "dispatch_timeout": read.dispatch_timeout,
        "result_timeout": read.result_timeout,
        "delay": delay,
        "priority": read.priority or 0.0,
        "max_transitions": read.max_transitions,
        "hold": "held" if read.hold else None,
    }


def check_target(request: Request, url: str) -> None:
    """Refuse a webhook that could never be sent; what its name leads to is judged when it is."""
    try:
        core_of(request).egress.check(url)
    except EgressRefused as error:
        raise ApiError(400, f"webhook_url: {error}") from error


def _digest(fields: dict[str, Any]) -> str:
    """What tells a repetition from another request: the same values, however they are written and ordered."""
    return blake2b(_CANONICAL.encode(fields).encode(), digest_size=16).hexdigest()


def _check_transitions(value: object) -> None:
    """Refuse it in the words of release 1.0b30."""
    is_whole = type(value) is int or (type(value) is float and value.is_integer())
    if value is None or (is_whole and 1 <= value <= MAX_TRANSITIONS):  # type: ignore[operator]
        return
    raise ApiError(400, f"'max_transitions' must be an integer between 1 and {MAX_TRANSITIONS}")


def _tracing(request: Request) -> dict[str, str]:
    trace = request.headers.get("traceparent")
    return {} if trace is None or len(trace) > _LONGEST_TRACE else {"traceparent": trace}
