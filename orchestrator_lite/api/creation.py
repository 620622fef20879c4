"""Creating jobs, one or many at a time (seeds 000-002 §2, `spec/avtomatika.md` §5)."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field, WithJsonSchema
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from avtomatika_client.protocol._base import Received
from avtomatika_client.protocol.jobs import JobAccepted, JobsSubmitted
from orchestrator_lite.api._accepting import IDEMPOTENCY_HEADER, CreateBody, accept, checked_key, key_of, whole
from orchestrator_lite.api._document import errors, json_body
from orchestrator_lite.api._http import ApiError, DirectRoute, answer, checked, core_of, read_object
from orchestrator_lite.api._methods import allow, is_fixed
from orchestrator_lite.api._site import site_of
from orchestrator_lite.blueprint import Blueprint
from orchestrator_lite.engine.json_values import NotJSONError
from orchestrator_lite.store import StoreError

MOST = 1000
"""Jobs that one request may create."""

AT_ONCE = 100
"""Of these, how many are created side by side: other requests have their turn in between."""

CATCH_ALL = "/api/{path:path}"
"""Where a POST to no blueprint ends."""

LONGEST_NAME = 2048
"""Characters of a blueprint's name or endpoint."""


class BlueprintRoute(DirectRoute):
    """Creation of jobs: one route for all blueprints, which may come and go while the server runs."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """A POST to the endpoint of a blueprint, and nothing else."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return Match.NONE, {}
        if site_of(scope).blueprints.at(scope["path"]) is None:
            return Match.NONE, {}
        return Match.FULL, {"endpoint": self.endpoint, "path_params": {}}


class SubmittedJob(CreateBody):
    """One of many jobs: what it runs, and what a creation takes.

    Attributes:
        blueprint: The blueprint's name.
        endpoint: In its place: the blueprint's path below `/api/v1`.
        idempotency_key: As the header of a creation by itself; default: the request's, a colon and the job's place.
    """

    blueprint: str | None = Field(default=None, min_length=1, max_length=256)
    endpoint: str | None = Field(default=None, pattern="^/", max_length=2048)
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=255)


class SubmitBody(Received):
    """Body of a creation of many jobs; its other keys are what those jobs have that do not say it themselves."""

    jobs: list[Annotated[dict[str, Any], WithJsonSchema(SubmittedJob.model_json_schema())]] = Field(max_length=MOST)


creation = APIRouter(route_class=BlueprintRoute, tags=["jobs"])
router = APIRouter(route_class=DirectRoute, tags=["jobs"])
last = APIRouter(route_class=DirectRoute)


@creation.post(
    "/api/{api_version}/{endpoint:path}",
    status_code=202,
    responses={202: {"model": JobAccepted}, **errors(400, 401, 404, 409, 413, 503)},
    openapi_extra=json_body(CreateBody, parameters=[IDEMPOTENCY_HEADER]),
)
async def create(request: Request) -> Response:
    """Create a job of the blueprint behind this endpoint; it is stored when the answer leaves."""
    path = request.scope["path"]
    blueprint = core_of(request).blueprints.at(path)
    if blueprint is None:
        raise ApiError(404, _no_blueprint(path))
    job_id = await accept(request, blueprint, whole(await read_object(request)), key_of(request))
    return answer({"status": "accepted", "job_id": job_id}, 202)


@router.post(
    "/api/{api_version}/jobs:submit",
    responses={200: {"model": JobsSubmitted}, **errors(400, 401, 413, 503)},
    openapi_extra=json_body(SubmitBody, parameters=[IDEMPOTENCY_HEADER]),
)
@router.post("/api/jobs:submit", include_in_schema=False)
async def submit(request: Request) -> Response:
    """Create many jobs, up to 1000; each is accepted or refused by itself, and the results come in their order."""
    body = await read_object(request)
    jobs = checked(SubmitBody, body).jobs
    if "idempotency_key" in body:
        raise ApiError(400, "idempotency_key: each job has its own; that of all goes into the header Idempotency-Key")
    shared = {name: value for name, value in body.items() if name != "jobs"}
    key = key_of(request)
    keys = [None if key is None else f"{key}:{place}" for place in range(len(jobs))]
    results: list[dict[str, Any]] = []
    for begin in range(0, len(jobs), AT_ONCE):
        some = zip(jobs[begin : begin + AT_ONCE], keys[begin : begin + AT_ONCE], strict=True)
        results += await asyncio.gather(*(_result(request, {**shared, **job}, own) for job, own in some))
    if results and all(result.get("code") == 503 for result in results):
        raise ApiError(503, results[0]["error"], {"Retry-After": "1"})
    return answer({"results": results})


@last.post(CATCH_ALL, include_in_schema=False)
async def unknown(request: Request) -> Response:
    """A POST to no blueprint."""
    if is_fixed(request):
        raise ApiError(405, "Method Not Allowed", allow(request))
    raise ApiError(404, _no_blueprint(request.scope["path"]))


def _no_blueprint(path: str) -> str:
    """What a creation at a path without a blueprint is told."""
    return f"No blueprint is served at {path}"


async def _result(request: Request, job: dict[str, Any], key: str | None) -> dict[str, Any]:
    """What became of one of many jobs.

    Args:
        request: Who asks.
        job: It, with what all have in common.
        key: Its idempotency key where it names none.
    """
    try:
        key = checked_key(job.get("idempotency_key"), "idempotency_key") or key
        return {"status": "accepted", "job_id": await accept(request, _blueprint(request, job), job, key)}
    except ApiError as error:
        return _refusal(error.status, str(error))
    except NotJSONError as error:
        return _refusal(400, str(error))
    except StoreError as error:
        return _refusal(503, f"The store is not available: {error}")


def _refusal(code: int, error: str) -> dict[str, Any]:
    return {"status": "error", "code": code, "error": error}


def _blueprint(request: Request, job: dict[str, Any]) -> Blueprint:
    name, endpoint = _text(job, "blueprint"), _text(job, "endpoint")
    blueprints = core_of(request).blueprints
    if name is not None and endpoint is None:
        found, otherwise = blueprints.named(name), f"No blueprint is called {name!r}"
    elif name is None and endpoint is not None:
        path = request.scope["path"].rpartition("/")[0] + endpoint
        found, otherwise = blueprints.at(path), _no_blueprint(path)
    else:
        raise ApiError(400, "blueprint: name either the blueprint or its endpoint")
    if found is None:
        raise ApiError(404, otherwise)
    return found


def _text(job: dict[str, Any], field: str) -> str | None:
    value = job.get(field)
    if value is not None and (not isinstance(value, str) or len(value) > LONGEST_NAME):
        raise ApiError(400, f"{field}: must be a text of at most {LONGEST_NAME} characters")
    return value
