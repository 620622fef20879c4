"""`/_public`: what needs no credentials (seeds 000-002 §1)."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from avtomatika_client._version import __version__
from avtomatika_client.protocol import headers
from avtomatika_client.protocol._base import Received
from avtomatika_client.protocol.jobs import ServerStatus
from avtomatika_client.protocol.overview import Readiness
from orchestrator_lite.api._document import errors
from orchestrator_lite.api._http import ApiError, DirectRoute, answer, core_of
from orchestrator_lite.api._identity import access_of
from orchestrator_lite.store import StoreError

router = APIRouter(route_class=DirectRoute, tags=["public"])

FEATURES = [
    *(headers.LEASES, headers.WAIT, headers.DRAINING, headers.BATCH, headers.FILES, headers.HOLD),
    *(headers.DELAY, headers.PRIORITY, headers.SUBMIT_MANY, headers.VIEWS, headers.FILTERS, headers.IDEMPOTENCY),
    *(headers.WAIT_MANY, headers.EVENTS, headers.EXPLAIN, headers.WORKER_EVENTS),
    *(headers.CALLS, headers.CHECKPOINTS, headers.WEBHOOKS, headers.SCHEDULES),
]


@router.get("/_public/status", responses={200: {"model": ServerStatus}})
async def status(request: Request) -> Response:
    """Whether the service runs, and what it can do beyond the seeds.

    The header `X-RXON-Version` names the latest release of the protocol that is understood.
    """
    reply = answer({"status": "ok", "version": __version__, "features": features_of(request)})
    reply.headers[headers.PROTOCOL_VERSION] = headers.PROTOCOL
    return reply


def features_of(request: Request) -> list[str]:
    """What this server can do beyond the seeds, by its settings."""
    return FEATURES if core_of(request).files.on else [name for name in FEATURES if name != headers.FILES]


@router.get("/_public/metrics", responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
async def metrics(request: Request) -> Response:
    """Metrics of jobs, tasks, workers, queue, durations and store, in the Prometheus text format."""
    from orchestrator_lite.api import _metrics  # prometheus_client is loaded when it is first asked for

    return Response(await _metrics.metrics(core_of(request)), media_type=_metrics.CONTENT_TYPE)


class Flushed(Received):
    """What has been forgotten."""

    status: Literal["db_flushed"]


@router.post("/_public/debug/flush_db", responses={200: {"model": Flushed}, **errors(403)})
async def flush_db(request: Request) -> Response:
    """Forget everything: jobs, workers, files. In development mode only.

    Polls and waits that are held are answered; workers are told to register anew.
    """
    if not access_of(request).development:
        raise ApiError(403, "flush_db works in development mode only: on loopback, and without credentials set")
    await core_of(request).flush()
    return answer({"status": "db_flushed"})


@router.get("/readyz", responses={200: {"model": Readiness}, 503: {"model": Readiness}})
async def ready(request: Request) -> Response:
    """Whether requests may be sent here: the store answers, and the server does not stop."""
    core = core_of(request)
    try:
        counts = await core.store.counts()
    except StoreError as error:
        return answer({"status": "unavailable", "reason": f"The store is not available: {error}"}, 503)
    if core.is_stopping:
        return answer({"status": "stopping", "reason": "The server stops."}, 503)
    return answer({"status": "ready", "queued": counts.queued, "leased": counts.leased})


@router.get("/livez", responses={200: {"model": Readiness}})
async def live(request: Request) -> Response:  # noqa: ARG001
    """Whether the process answers at all."""
    return answer({"status": "alive"})
