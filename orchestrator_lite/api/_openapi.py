"""The OpenAPI document of a server: its routes, the endpoints of its blueprints, and who may call them."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any, Final

from fastapi import FastAPI

from avtomatika_client.protocol import headers
from orchestrator_lite.runtime.blueprints import Blueprints

VERSION: Final = "v1"
"""The version of the API that the document spells out; others are served alike."""

_CREATION = "/api/{api_version}/{endpoint}"

_SECURITY: Final[dict[str, dict[str, Any]]] = {
    "ClientToken": {"type": "apiKey", "in": "header", "name": headers.CLIENT_TOKEN},
    "WorkerToken": {"type": "apiKey", "in": "header", "name": headers.WORKER_TOKEN},
    "Bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}

_ERROR: Final = {
    "description": "Any other answer: what is wrong, in one sentence.",
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
        }
    },
}


def document(app: FastAPI, blueprints: Blueprints, root: str = "") -> dict[str, Any]:
    """The document of one server.

    Args:
        app: The application, which all servers of a process share.
        blueprints: What this server serves.
        root: The path that the server is mounted under, empty for none.
    """
    found = copy.copy(_common(app))
    if root:
        found["servers"] = [{"url": root}]
    creation = found["x-creation"]
    paths = {path: item for path, item in found["paths"].items() if path != _CREATION}
    for blueprint, path in blueprints.endpoints():
        operation = {**creation, "operationId": f"create {path}", "summary": f"Create a job of {blueprint.name!r}"}
        paths[path] = {"post": operation}
    del found["x-creation"]
    return {**found, "paths": dict(sorted(paths.items()))}


@cache
def _common(app: FastAPI) -> dict[str, Any]:
    """What all servers of a process say; made once."""
    found = copy.deepcopy(app.openapi())
    found["x-creation"] = _told(_CREATION, found["paths"][_CREATION])["post"]
    found["paths"] = {
        path.replace("{api_version}", VERSION): _told(path, item)
        for path, item in found["paths"].items()
        if path != _CREATION
    }
    found.setdefault("components", {})["securitySchemes"] = _SECURITY
    return found


def _told(path: str, item: dict[str, Any]) -> dict[str, Any]:
    security = _security(path)
    for operation in item.values():
        operation.setdefault("security", security)
        operation["responses"].setdefault("default", _ERROR)
        parameters = [one for one in operation.get("parameters", ()) if one["name"] not in {"api_version", "endpoint"}]
        operation["parameters"] = [*_of_path(path, parameters), *parameters]
        operation["responses"].pop("422", None)
    return item


def _of_path(path: str, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parameters of the path that the route's function does not name, since it reads the request itself."""
    names = {part.strip("{}").partition(":")[0] for part in path.split("/") if part.startswith("{")}
    missing = names - {"api_version", "endpoint"} - {one["name"] for one in known if one["in"] == "path"}
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in sorted(missing)]


def _security(path: str) -> list[dict[str, list[str]]]:
    if path.startswith("/_worker/"):
        return [{"WorkerToken": []}]
    return [{"ClientToken": []}] if path.startswith("/api/") else []
