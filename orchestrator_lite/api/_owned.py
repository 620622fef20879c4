"""The client behind a request, and its own jobs: another client's job is not found."""

from __future__ import annotations

from fastapi import Request

from orchestrator_lite.api._http import ApiError, core_of
from orchestrator_lite.engine.state import Client
from orchestrator_lite.runtime.jobs import Live

UNKNOWN = "Job not found"


def client_of(request: Request) -> Client:
    """Who asks, as the front door found."""
    client: Client = request.scope["client_identity"]
    return client


async def owned(request: Request, unknown: str = UNKNOWN) -> Live:
    """The job the path names, with its tasks.

    Raises:
        ApiError: 404 when there is none, or it is another client's.
    """
    live = await core_of(request).get(request.path_params["job_id"], client_of(request))
    if live is None:
        raise ApiError(404, unknown)
    return live
