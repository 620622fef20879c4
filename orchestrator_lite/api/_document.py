"""What the OpenAPI document says of routes that read their requests themselves."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from avtomatika_client.protocol.jobs import ErrorBody


def json_body(model: type[BaseModel], *, required: bool = True, **extra: Any) -> dict[str, Any]:
    """`openapi_extra` of a route with a JSON body; more keys of the operation may be given."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}, **extra}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` in the seeds' error envelope."""
    return {status: {"model": ErrorBody} for status in statuses}


def query(name: str, schema: dict[str, Any], about: str = "") -> dict[str, Any]:
    """A parameter of the query, for the operation's `parameters`."""
    return {"name": name, "in": "query", "required": False, "description": about, "schema": schema}
