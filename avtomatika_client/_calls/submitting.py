"""Creating a job (seeds 000-002 §2, `spec/avtomatika.md` §5).

Towards a server that knows idempotency keys each creation has one, made once for all its tries: so it is repeated even
when it may have been processed, and there is one job all the same. Towards any other server nothing is sent that the
seeds do not know, and a creation is repeated only while it is certain that it was not taken.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from avtomatika_client._calls._envelope import is_json, read_error
from avtomatika_client._calls._retry import Retry
from avtomatika_client._calls._session import UNSET, Budget, call, parse
from avtomatika_client._calls._versions import ABSENT, UNVERSIONED, prefix_of
from avtomatika_client._calls.jobs import JobRef, features
from avtomatika_client.errors import (
    APIConnectionError,
    APIStatusError,
    NotFoundError,
    NotSupportedByServerError,
)
from avtomatika_client.protocol._base import JSON
from avtomatika_client.protocol.headers import DELAY, IDEMPOTENCY, IDEMPOTENCY_KEY, PRIORITY
from avtomatika_client.protocol.ids import new_id
from avtomatika_client.protocol.jobs import JobAccepted, JobCreate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from avtomatika_client._calls._flow import Flow, Reply, Request
    from avtomatika_client._calls._session import Session, Timeout

_KEY: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
_LOOK_SECONDS: Final = 5.0


class NewJob(NamedTuple):
    """A job to be created.

    Attributes:
        path: Where, below the API's path.
        prefix: The API's path.
        fallback: The one to be tried once where there is nothing.
        content: The body.
        key: Its idempotency key; None: one is made where the server knows keys.
        needs: Features without which it would become another job than was asked for.
    """

    path: str
    prefix: str
    fallback: str | None
    content: bytes
    key: str | None = None
    needs: frozenset[str] = frozenset()


def new_job(
    blueprint: str,
    initial_data: Mapping[str, JSON] | BaseModel | None,
    *,
    endpoint: str | None = None,
    api_version: str | None = None,
    webhook_url: str | None = None,
    dispatch_timeout: float | None = None,
    result_timeout: float | None = None,
    delay: float | None = None,
    priority: float | None = None,
    max_transitions: int | None = None,
    idempotency_key: str | None = None,
    hold: bool = False,
) -> NewJob:
    """Build a job's creation.

    Raises:
        ValueError: `initial_data` is no JSON object, an argument has the wrong type, or the key cannot be sent.
    """
    body = JobCreate(
        initial_data=_as_object(initial_data),
        webhook_url=webhook_url,
        dispatch_timeout=dispatch_timeout,
        result_timeout=result_timeout,
        delay=delay,
        priority=priority,
        max_transitions=max_transitions,
        hold=True if hold else None,
    )
    needed = {DELAY: delay, PRIORITY: priority, IDEMPOTENCY: checked_key(idempotency_key)}
    return NewJob(
        path=f"/jobs/{quote(blueprint, safe='')}" if endpoint is None else f"/{endpoint.strip('/')}",
        prefix=prefix_of(api_version),
        fallback=UNVERSIONED if api_version is None else None,
        content=_encoded(body),
        key=idempotency_key,
        needs=frozenset(feature for feature, value in needed.items() if value is not None),
    )


def checked_key(key: str | None) -> str | None:
    """An idempotency key that can be sent.

    Raises:
        ValueError: It is no text of 1 to 255 visible ASCII characters and spaces between them.
    """
    if key is not None and not _KEY.fullmatch(key):
        raise ValueError("idempotency_key: must be 1 to 255 ASCII characters, without spaces around them")
    return key


def submit(session: Session, new: NewJob, timeout: Timeout = UNSET) -> Flow[JobRef]:
    """Create a job; on 404 or 405 the unversioned form is tried once, unless a version was asked for.

    Raises:
        NotFoundError: The server has no such blueprint (official servers answer 405).
        NotSupportedByServerError: The server does not know what the job needs.
    """
    budget = session.budget(timeout)
    keyed = IDEMPOTENCY in (yield from known_features(session, new, budget))
    more = {IDEMPOTENCY_KEY: new.key or new_id(session.clock.now())} if keyed else None

    def asked(prefix: str) -> Request:
        return session.request("POST", prefix + new.path, content=new.content, more=more)

    request, prefix = asked(new.prefix), new.prefix
    reply = yield from call(session, request, budget, safe=keyed, passing=ABSENT)
    if reply.status in ABSENT and new.fallback is not None:
        second = asked(new.fallback)
        again = yield from call(session, second, budget, safe=keyed, passing=ABSENT)
        if again.is_success:
            reply, request, prefix = again, second, new.fallback
    if reply.status in ABSENT:
        raise _no_such_blueprint(session, reply, request)
    return JobRef(parse(JobAccepted.model_validate_json, reply, request).job_id, prefix)


def known_features(session: Session, new: NewJob, budget: Budget) -> Flow[frozenset[str]]:
    """What the server can do; nothing, where it cannot be asked and nothing depends on it."""
    if new.needs:
        found = yield from features(session, budget)
        missing = sorted(new.needs - found)
        if missing:
            raise NotSupportedByServerError(f"this server does not offer: {', '.join(missing)}")
        return found
    if session.facts.features is not None:
        return session.facts.features
    try:
        look = Budget(session.clock, budget.at_most(_LOOK_SECONDS))
        return (yield from features(replace(session, retry=Retry(retries=0)), look))
    except (APIConnectionError, APIStatusError):
        return frozenset()


def _as_object(initial_data: Mapping[str, JSON] | BaseModel | None) -> dict[str, JSON]:
    if initial_data is None:
        return {}
    return initial_data.model_dump() if isinstance(initial_data, BaseModel) else dict(initial_data)


def _encoded(body: JobCreate) -> bytes:
    # NaN and its kin are refused here: no JSON reader is bound to take them, and null would be a lie.
    fields = body.model_dump(exclude_none=True)
    return json.dumps(
        fields, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=to_jsonable_python
    ).encode()


def _no_such_blueprint(session: Session, reply: Reply, request: Request) -> NotFoundError:
    said = read_error(reply, request, now=session.clock.now())
    return NotFoundError(
        said.message if is_json(reply) else "no blueprint is served here",
        status=reply.status,
        code=said.code,
        details=said.details,
        request_id=said.request_id,
        method=said.method,
        path=said.path,
    )
