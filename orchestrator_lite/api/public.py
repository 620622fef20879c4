"""`/_public`: what needs no credentials (seeds 000-002 §1)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from avtomatika_client._version import __version__
from avtomatika_client.protocol import headers
from avtomatika_client.protocol.jobs import ServerStatus
from orchestrator_lite.api._http import DirectRoute, answer, core_of

router = APIRouter(route_class=DirectRoute, tags=["public"])

FEATURES = [
    *(headers.LEASES, headers.WAIT, headers.DRAINING, headers.BATCH, headers.FILES, headers.HOLD),
    *(headers.DELAY, headers.PRIORITY, headers.SUBMIT_MANY, headers.VIEWS, headers.FILTERS, headers.IDEMPOTENCY),
    *(headers.WAIT_MANY, headers.EVENTS, headers.EXPLAIN),
    *(headers.CALLS, headers.CHECKPOINTS, headers.WEBHOOKS),
]


@router.get("/_public/status", responses={200: {"model": ServerStatus}})
async def status(request: Request) -> Response:
    """Whether the service runs, and what it can do beyond the seeds."""
    return answer({"status": "ok", "version": __version__, "features": features_of(request)})


def features_of(request: Request) -> list[str]:
    """What this server can do beyond the seeds, by its settings."""
    return FEATURES if core_of(request).files.on else [name for name in FEATURES if name != headers.FILES]
