"""Skills: what workers have published, and calling one without a blueprint (ours, feature `calls`)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_jsonable_python

from avtomatika_client._calls._session import UNSET, parse
from avtomatika_client._calls._versions import VERSIONED, versioned_call
from avtomatika_client._calls._waiting import wait_for_end
from avtomatika_client._calls.jobs import result_of
from avtomatika_client._calls.submitting import NewJob, checked_key, submit
from avtomatika_client.protocol.headers import CALLS
from avtomatika_client.protocol.skills import SkillCall, SkillRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from avtomatika_client._calls._flow import Flow
    from avtomatika_client._calls._session import Budget, Session, Timeout
    from avtomatika_client.protocol._base import JSON

_LATER: Final = 1.0
"""Seconds by which a call outlives its wait: so the wait ends first, and says so."""

_SKILLS = TypeAdapter(list[SkillRecord])


def listed(session: Session, timeout: Timeout = UNSET) -> Flow[list[SkillRecord]]:
    """Every skill that a worker has published, by name.

    Raises:
        NotSupportedByServerError: The server has no such list.
    """
    budget = session.budget(timeout)
    request, reply = yield from versioned_call(session, "GET", VERSIONED, "/skills", budget, optional=True)
    return parse(_SKILLS.validate_json, reply, request)


def new_call(
    name: str,
    params: Mapping[str, JSON] | BaseModel | None,
    *,
    dispatch_timeout: float | None = None,
    result_timeout: float | None = None,
    priority: float | None = None,
    idempotency_key: str | None = None,
) -> NewJob:
    """Build a call.

    Raises:
        ValueError: `params` is no JSON object, an argument has the wrong type, or the key cannot be sent.
    """
    plain = params.model_dump(by_alias=True) if isinstance(params, BaseModel) else dict(params or {})
    body = SkillCall(
        params=plain, dispatch_timeout=dispatch_timeout, result_timeout=result_timeout, priority=priority
    ).model_dump(exclude_none=True)
    content = json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=to_jsonable_python)
    return NewJob(
        path=f"/skills/{quote(name, safe='')}/call",
        prefix=VERSIONED,
        fallback=None,
        content=content.encode(),
        key=checked_key(idempotency_key),
        needs=frozenset({CALLS}),
    )


def time_for(budget: Budget, result_timeout: float | None) -> float | None:
    """The time a call has at the server: what was asked for, else a little more than it is waited for."""
    return budget.total + _LATER if result_timeout is None and budget.total is not None else result_timeout


def called(session: Session, new: NewJob, budget: Budget) -> Flow[JSON]:
    """Call a skill and wait for what it returns.

    Raises:
        NotFoundError: No worker has ever published this skill.
        JobFailed: It did not succeed.
        WaitTimeout: The time was up.
        NotSupportedByServerError: The server has no such call.
    """
    ref = yield from submit(session, new, budget.left)
    return result_of((yield from wait_for_end(session, ref, budget)))
