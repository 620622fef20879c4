"""Creating many jobs: by requests of many where the server offers them, each job with a key and a result of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, TypeAlias

from avtomatika_client._calls._envelope import path_of
from avtomatika_client._calls._flow import Sleep
from avtomatika_client._calls._retry import UNAVAILABLE
from avtomatika_client._calls._session import UNSET, call, parse, pause_after
from avtomatika_client._calls.jobs import JobRef
from avtomatika_client._calls.submitting import checked_key, known_features, submit
from avtomatika_client.errors import APIStatusError, status_error
from avtomatika_client.protocol.headers import IDEMPOTENCY, SUBMIT_MANY
from avtomatika_client.protocol.ids import new_id
from avtomatika_client.protocol.jobs import JobResult, JobsSubmitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avtomatika_client._calls._flow import Flow, Request
    from avtomatika_client._calls._session import Budget, Session, Timeout
    from avtomatika_client._calls.submitting import NewJob

AT_ONCE: Final = 250
"""Jobs that are sent in one request at most."""

LARGEST: Final = 2 * 1024 * 1024
"""Bytes of such a request, unless one job alone is larger."""

_TOO_LARGE: Final = 413

Submitted: TypeAlias = JobRef | APIStatusError
"""Where a job is found, or why it was refused."""


def numbered(session: Session, new_jobs: Sequence[NewJob], key: str | None) -> list[NewJob]:
    """Jobs that are submitted together, each with a key of its own: that of the whole and its number.

    Raises:
        ValueError: The key cannot be sent.
    """
    whole = new_id(session.clock.now()) if key is None else key
    needs = frozenset() if key is None else frozenset({IDEMPOTENCY})
    return [
        new._replace(key=checked_key(f"{whole}:{number}"), needs=new.needs | needs)
        for number, new in enumerate(new_jobs)
    ]


def can_submit_many(session: Session, new_jobs: Sequence[NewJob], timeout: Timeout = UNSET) -> Flow[bool]:
    """Whether these jobs can be created by requests of many.

    Raises:
        NotSupportedByServerError: The server does not know what they need.
    """
    if len(new_jobs) < 2:
        return False
    known = yield from known_features(session, new_jobs[0], session.budget(timeout))
    return {SUBMIT_MANY, IDEMPOTENCY} <= known


def portions(new_jobs: Sequence[NewJob], *, together: bool) -> dict[int, Sequence[NewJob]]:
    """What goes into one request each, by the number of its first job.

    Args:
        new_jobs: All of them.
        together: Whether a request may create more than one.
    """
    if not together:
        return {place: [new] for place, new in enumerate(new_jobs)}
    found: dict[int, Sequence[NewJob]] = {}
    begin = size = 0
    for place, new in enumerate(new_jobs):
        weight = len(new.content) + len(new.key or "")
        if place > begin and (place - begin == AT_ONCE or size + weight > LARGEST):
            found[begin] = new_jobs[begin:place]
            begin, size = place, 0
        size += weight
    return {**found, begin: new_jobs[begin:]} if new_jobs else found


def create(session: Session, some: Sequence[NewJob], timeout: Timeout, *, together: bool) -> Flow[list[Submitted]]:
    """Create what goes into one request.

    Returns:
        For each job, in order, where it is found, or why it was refused.

    Raises:
        AvtomatikaError: The request failed.
    """
    if together:
        return (yield from submit_many(session, some, timeout))
    return [(yield from submit(session, some[0], timeout))]


def submit_many(session: Session, new_jobs: Sequence[NewJob], timeout: Timeout = UNSET) -> Flow[list[Submitted]]:
    """Create jobs of one blueprint by one request; those the server could not take just then are sent again."""
    budget = session.budget(timeout)
    found: dict[int, Submitted] = {}
    waiting, attempt = list(range(len(new_jobs))), 0
    while waiting:
        attempt += 1
        results = yield from _exchange(session, [new_jobs[place] for place in waiting], budget, attempt)
        found.update(zip(waiting, results, strict=True))
        waiting = [place for place in waiting if _is_busy(found[place])]
        pause = pause_after(session, budget, attempt, _error(found[waiting[0]]), safe=True) if waiting else None
        if pause is None:
            break
        yield Sleep(pause)
    return [found[place] for place in range(len(new_jobs))]


def _exchange(session: Session, new_jobs: Sequence[NewJob], budget: Budget, attempt: int) -> Flow[list[Submitted]]:
    first = new_jobs[0]
    items = b",".join(b'%b,"idempotency_key":%b}' % (new.content[:-1], _text(new.key or "")) for new in new_jobs)
    content = b'{"endpoint":%b,"jobs":[%b]}' % (_text(first.path), items)
    request = session.request("POST", f"{first.prefix}/jobs:submit", content=content)
    halves = frozenset({_TOO_LARGE}) if len(new_jobs) > 1 else frozenset()
    reply = yield from call(session, request, budget, safe=True, passing=halves)
    if reply.status == _TOO_LARGE:
        middle = len(new_jobs) // 2
        begin = yield from _exchange(session, new_jobs[:middle], budget, attempt)
        return begin + (yield from _exchange(session, new_jobs[middle:], budget, attempt))
    results = parse(lambda content: _results(content, len(new_jobs)), reply, request)
    return [_submitted(result, first, request, attempt) for result in results]


def _results(content: bytes, count: int) -> list[JobResult]:
    results = JobsSubmitted.model_validate_json(content).results
    if len(results) != count:
        raise ValueError("a result for each job is missing")
    return results


def _submitted(result: JobResult, new: NewJob, request: Request, attempt: int) -> Submitted:
    if result.job_id is not None:
        return JobRef(result.job_id, new.prefix)
    code = result.code or 500
    path = path_of(request.url)
    return status_error(code)(result.error, status=code, method=request.method, path=path, attempts=attempt)


def _is_busy(found: Submitted) -> bool:
    return isinstance(found, APIStatusError) and found.status in UNAVAILABLE


def _error(found: Submitted) -> APIStatusError:
    assert isinstance(found, APIStatusError)  # noqa: S101 - asked before
    return found


def _text(value: str) -> bytes:
    return json.dumps(value).encode()
