"""What people decide about jobs: approvals (seeds 000-002 §1), and the way out of quarantine (ours)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import TypeAdapter

from avtomatika_client._calls._session import UNSET, call, parse
from avtomatika_client._calls._versions import VERSIONED, versioned_call
from avtomatika_client._calls.jobs import without_secrets
from avtomatika_client.protocol.jobs import ApprovalReceived, Job, JobRetried

if TYPE_CHECKING:
    from avtomatika_client._calls._flow import Flow
    from avtomatika_client._calls._session import Session, Timeout
    from avtomatika_client._calls.jobs import JobRef
    from avtomatika_client.protocol._base import JSON

_JOBS = TypeAdapter(list[Job])


def approve(
    session: Session, ref: JobRef, decision: str, *, token: str | None, metadata: JSON, timeout: Timeout = UNSET
) -> Flow[None]:
    """Decide what a job waits for.

    Raises:
        ValidationFailedError: The job knows no such decision.
        ConflictError: The job does not wait for one.
        NotFoundError: The server does not know the job.
    """
    body: dict[str, JSON] = {"decision": decision}
    if token is not None:
        body["token"] = token
    if metadata is not None:
        body["metadata"] = metadata
    path = f"/_public/webhooks/approval/{quote(ref.id, safe='')}"
    request = session.request("POST", path, content=json.dumps(body).encode())
    reply = yield from call(session, request, session.budget(timeout))
    parse(ApprovalReceived.model_validate_json, reply, request)


def retry(session: Session, ref: JobRef, timeout: Timeout = UNSET) -> Flow[None]:
    """Have a quarantined job try its task again.

    Raises:
        ConflictError: The job is not quarantined.
        NotSupportedByServerError: The server cannot do that.
    """
    budget, path = session.budget(timeout), f"/jobs/{quote(ref.id, safe='')}/retry"
    request, reply = yield from versioned_call(session, "POST", ref.prefix, path, budget, optional=True)
    parse(JobRetried.model_validate_json, reply, request)


def release(session: Session, ref: JobRef, state: str | None, timeout: Timeout = UNSET) -> Flow[None]:
    """Let a held job start, or a quarantined one out.

    Raises:
        ConflictError: The job is neither held nor quarantined.
        ValidationFailedError: Its blueprint has no such state.
        NotSupportedByServerError: The server cannot do that.
    """
    budget, path = session.budget(timeout), f"/jobs/{quote(ref.id, safe='')}/release"
    content = None if state is None else json.dumps({"state": state}).encode()
    yield from versioned_call(session, "POST", ref.prefix, path, budget, optional=True, content=content)


def quarantined(session: Session, timeout: Timeout = UNSET) -> Flow[list[Job]]:
    """The client's quarantined jobs, the newest first.

    Raises:
        NotSupportedByServerError: The server has no such list.
    """
    budget = session.budget(timeout)
    request, reply = yield from versioned_call(session, "GET", VERSIONED, "/jobs/quarantined", budget, optional=True)
    return [without_secrets(job) for job in parse(_JOBS.validate_json, reply, request)]
