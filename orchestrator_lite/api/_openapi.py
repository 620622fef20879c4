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

_ENVELOPE: Final = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}

_ERROR: Final = {"description": "Any other answer: what is wrong, in one sentence.", "content": _ENVELOPE}

_ANYWHERE: Final = {"503": "The server is not running, or its store is not available."}
_OF_CALLERS: Final = {"401": "No credentials, or wrong ones."}
_OF_LIMITED: Final = {"429": "Too many requests; `Retry-After` says how long to wait."}
_OF_BODIES: Final = {
    "400": "What was sent cannot be read, or a field of it is wrong.",
    "408": "The body came too slowly.",
    "413": "The body is too large.",
    "415": "The body is packed in an unknown way.",
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
    components = found.setdefault("components", {})
    components["securitySchemes"] = _SECURITY
    schemas = components.setdefault("schemas", {})
    for item in [*found["paths"].values(), {"post": found["x-creation"]}]:
        for operation in item.values():
            schemas.update(_taken_out(operation))
    return found


def _taken_out(operation: dict[str, Any]) -> dict[str, Any]:
    """The models that an operation's body refers to, which the document holds for all."""
    content = operation.get("requestBody", {}).get("content", {})
    return {name: model for media in content.values() for name, model in media["schema"].pop("$defs", {}).items()}


def _told(path: str, item: dict[str, Any]) -> dict[str, Any]:
    security = _security(path)
    for operation in item.values():
        operation.setdefault("security", security)
        for status, about in _errors(path, operation).items():
            operation["responses"].setdefault(status, {"description": about, "content": _ENVELOPE})
        operation["responses"].setdefault("default", _ERROR)
        parameters = [one for one in operation.get("parameters", ()) if one["name"] not in {"api_version", "endpoint"}]
        operation["parameters"] = [*_of_path(path, parameters), *parameters]
        operation["responses"].pop("422", None)
    return item


def _errors(path: str, operation: dict[str, Any]) -> dict[str, str]:
    """What any operation of this kind may answer."""
    return {
        **_ANYWHERE,
        **(_OF_CALLERS if operation["security"] else {}),
        **(_OF_LIMITED if not path.startswith("/_files/") else {}),
        **(_OF_BODIES if "requestBody" in operation else {}),
    }


def _of_path(path: str, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parameters of the path that the route's function does not name, since it reads the request itself."""
    names = {part.strip("{}").partition(":")[0] for part in path.split("/") if part.startswith("{")}
    missing = names - {"api_version", "endpoint"} - {one["name"] for one in known if one["in"] == "path"}
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in sorted(missing)]


def _security(path: str) -> list[dict[str, list[str]]]:
    if path.startswith("/_worker/"):
        return [{"WorkerToken": []}]
    return [{"ClientToken": []}] if path.startswith("/api/") else []
