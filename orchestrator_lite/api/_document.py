"""What the OpenAPI document says of routes that read their requests themselves."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from avtomatika_client.protocol import headers
from avtomatika_client.protocol.jobs import ErrorBody
from avtomatika_client.protocol.worker import WORKER_ID_PATTERN

COMPONENTS: Final = "#/components/schemas/"
"""Where the document holds models that others refer to."""

WORKER: Final = {
    "name": headers.WORKER_ID,
    "in": "header",
    "required": True,
    "description": "The worker that speaks.",
    "schema": {"type": "string", "pattern": WORKER_ID_PATTERN},
}
"""The header that names a worker."""

INCARNATION: Final = {
    "name": headers.INCARNATION,
    "in": "header",
    "required": False,
    "description": "Which start of the worker speaks.",
    "schema": {"type": "string"},
}
"""The header that names its start."""


def json_body(model: type[BaseModel], *, required: bool = True, **extra: Any) -> dict[str, Any]:
    """`openapi_extra` of a route with a JSON body; more keys of the operation may be given."""
    schema = model.model_json_schema(ref_template=COMPONENTS + "{model}")
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}, **extra}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` in the seeds' error envelope."""
    return {status: {"model": ErrorBody} for status in statuses}


def of_path(name: str, schema: dict[str, Any], about: str = "") -> dict[str, Any]:
    """A parameter of the path, for the operation's `parameters`."""
    return {"name": name, "in": "path", "required": True, "description": about, "schema": schema}


def query(name: str, schema: dict[str, Any], about: str = "") -> dict[str, Any]:
    """A parameter of the query, for the operation's `parameters`."""
    return {"name": name, "in": "query", "required": False, "description": about, "schema": schema}
