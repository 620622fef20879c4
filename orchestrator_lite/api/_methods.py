"""Which methods a path takes: what 405 names in `Allow`, what OPTIONS is told, and GET without its body."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Message, Scope, Send

from orchestrator_lite.api._site import site_of

_VERSION = "api_version"
_KEPT = ("/_worker/", "/_files/")


def allowed(request: Request) -> list[str]:
    """The methods of the path, in alphabetical order; those of the route that names it most literally."""
    scope = request.scope
    if site_of(scope).blueprints.at(scope["path"]) is not None:
        return ["POST"]
    app: FastAPI = scope["app"]
    found = [(_unnamed(route), route) for route in _matching(app.router.routes, scope)]
    if not found:
        return []
    closest = min(count for count, _ in found)
    methods = set().union(*(route.methods or () for count, route in found if count == closest))
    return sorted(methods | ({"HEAD"} if "GET" in methods and has_head(scope["path"]) else set()))


def is_fixed(request: Request) -> bool:
    """Whether the path is, letter by letter, that of a route."""
    return any(not _unnamed(route) for route in _matching(request.scope["app"].router.routes, request.scope))


def refused(request: Request) -> Response | None:
    """The answer to OPTIONS, which needs no route; None: 405 it is."""
    return Response(status_code=204, headers=allow(request)) if request.method == "OPTIONS" else None


def allow(request: Request) -> dict[str, str]:
    """The header that names the path's methods."""
    return {"Allow": ", ".join(allowed(request))}


def has_head(path: str) -> bool:
    """Whether HEAD means GET without its body: not where GET takes something, never ends, or has a HEAD of its own."""
    return not path.startswith(_KEPT) and "/files/" not in path and not path.endswith("/events")


def headless(scope: Scope, send: Send) -> tuple[Scope, Send]:
    """HEAD as GET, with an answer whose body is left out."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return {**scope, "method": "GET"}, sent


def _matching(routes: Iterable[BaseRoute], scope: Scope) -> list[Route]:
    plain = [route for route in routes if isinstance(route, Route) and route.path != "/api/{path:path}"]
    return [route for route in plain if route.matches(scope)[0] is not Match.NONE]


def _unnamed(route: Route) -> int:
    """How much of its path a route leaves open."""
    return len(route.param_convertors.keys() - {_VERSION})
