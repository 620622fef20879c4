"""The server's HTTP interface as tables: the routes of its application, and the features it tells of."""

from __future__ import annotations

import griffe
from fastapi.routing import APIRoute

from avtomatika_client.protocol import headers
from docs._tools.tables import summary, table
from orchestrator_lite.api._app import application
from orchestrator_lite.api.public import FEATURES


def routes_table() -> str:
    """One row a route: what is called, and the first paragraph of what serves it.

    A path without a version is the same as its versioned form and is left out, as everything that is not in the schema.
    """
    return table(("", ""), [(f"`{call}`", text) for call, text in [*routes(), *sockets()]])


def features_table() -> str:
    """One row a feature, with what stands below its name in the code."""
    constants = griffe.load(headers.__name__).attributes.values()
    texts = {
        getattr(headers, constant.name): " ".join(constant.docstring.value.split())
        for constant in constants
        if constant.docstring
    }
    return table(("feature", ""), [(f"`{feature}`", texts[feature]) for feature in sorted(FEATURES)])


def routes() -> list[tuple[str, str]]:
    """Methods and paths with their descriptions: those for clients first, then those for workers."""
    found = [
        (f"{method} {route.path.replace('{api_version}', 'v1')}", summary(route.endpoint))
        for route in application().router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in sorted(route.methods or ())
    ]
    return sorted(found, key=lambda row: (row[0].partition(" ")[2].startswith("/_worker"), row[0].partition(" ")[2]))


def sockets() -> list[tuple[str, str]]:
    """Paths of WebSockets with their descriptions."""
    found = [route for route in application().router.routes if type(route).__name__ == "WebSocketRoute"]
    return [(str(getattr(route, "path", "")), summary(getattr(route, "endpoint", None))) for route in found]
