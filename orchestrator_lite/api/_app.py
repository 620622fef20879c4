"""The web application: routes in the order of their heat behind the front door."""

from __future__ import annotations

from functools import cache

from fastapi import FastAPI
from starlette.routing import Match

from avtomatika_client._version import __version__
from orchestrator_lite.api import (
    admin,
    approval,
    calls,
    creation,
    documentation,
    files,
    jobs,
    lending,
    overview,
    public,
    quarantine,
    schedules,
    sign_in,
    skills,
    telling,
    watching,
    webhooks,
    workers,
)
from orchestrator_lite.api._front import App, Front
from orchestrator_lite.api._http import install_errors
from orchestrator_lite.api._site import Site
from orchestrator_lite.api.channel import channel

_ROUTERS = (
    creation.creation,
    workers.router,
    quarantine.router,
    jobs.router,
    # not hot from here on
    admin.router,
    approval.router,
    calls.router,
    creation.router,
    documentation.router,
    files.router,
    lending.router,
    overview.router,
    public.router,
    schedules.router,
    sign_in.router,
    skills.router,
    watching.router,
    telling.router,
    webhooks.router,
    creation.last,
)
"""In the order in which they are asked: each route before costs a request time."""


@cache
def application() -> FastAPI:
    """The application, built once per process: a connection's scope says which server it has come to."""
    app = FastAPI(
        title="orchestrator_lite",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    # the routes themselves, not routers in routers: every level between costs a request time
    for router in _ROUTERS:
        app.router.routes.extend(router.routes)
    app.router.add_websocket_route("/_worker/ws/{worker_id}", channel)
    app.router.add_websocket_route("/_worker/ws", channel)
    install_errors(app)
    return app


def front_of(site: Site) -> App:
    """The application as one server serves it."""
    return Front(application(), site)


def collides(path: str) -> bool:
    """Whether a POST to `path` is served by a fixed route."""
    app = application()
    scope = {"type": "http", "method": "POST", "path": path, "root_path": "", "headers": [], "app": app}
    fixed = [route for route in app.router.routes if not isinstance(route, creation.BlueprintRoute)]
    return any(
        route.matches(scope)[0] is Match.FULL for route in fixed if getattr(route, "path", None) != creation.CATCH_ALL
    )
