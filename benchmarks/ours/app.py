"""The same one-task blueprint as `official/server.py`, for our server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator_lite import Blueprint

if TYPE_CHECKING:
    from orchestrator_lite.engine.actions import ActionFactory

flow = Blueprint("noop", api_endpoint="/jobs/noop", api_version="v1")


@flow.handler(is_start=True)
async def start(initial_data: dict, actions: ActionFactory) -> None:
    """Hand the one task out."""
    actions.dispatch_task("noop", params=initial_data, transitions={"success": "finished", "failure": "failed"})


@flow.handler(is_end=True)
async def finished() -> None:
    """The good end."""


@flow.handler(is_end=True)
async def failed() -> None:
    """The bad end."""
