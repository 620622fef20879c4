"""The web application: routes in the order of their heat behind the front door."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import Match

from avtomatika_client._version import __version__
from orchestrator_lite.api import jobs, public, workers
from orchestrator_lite.api._front import App, Front
from orchestrator_lite.api._http import install_errors
from orchestrator_lite.api.channel import channel


def build() -> FastAPI:
    """The application; `app.state` gets `core`, `settings` and `access` before the first request."""
    app = FastAPI(
        title="orchestrator_lite",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    # the routes themselves, not routers in routers: every level between costs a request time
    app.router.routes.extend([*jobs.creation.routes, *workers.router.routes, *jobs.router.routes])
    app.router.routes.extend(public.router.routes)
    app.router.add_websocket_route("/_worker/ws/{worker_id}", channel)
    app.router.add_websocket_route("/_worker/ws", channel)
    install_errors(app)
    return app


def behind_front(app: FastAPI) -> App:
    """The application as it is served."""
    return Front(app, lambda: app.state.access, lambda: app.state.settings.max_body)


def collides(app: FastAPI, path: str) -> bool:
    """Whether a POST to `path` is served by a fixed route."""
    scope = {"type": "http", "method": "POST", "path": path, "root_path": "", "headers": [], "app": app}
    fixed = [route for route in app.router.routes if not isinstance(route, jobs.BlueprintRoute)]
    return any(
        route.matches(scope)[0] is Match.FULL for route in fixed if getattr(route, "path", None) != jobs.CATCH_ALL
    )
