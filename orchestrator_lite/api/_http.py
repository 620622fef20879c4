"""What all routes share: direct routes, reading bodies, answers, and the seeds' error envelope `{"error": …}`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from orchestrator_lite.access import Refused
from orchestrator_lite.api import _methods
from orchestrator_lite.api._front import refusal_body
from orchestrator_lite.api._site import site_of
from orchestrator_lite.engine.json_values import NotJSONError
from orchestrator_lite.runtime.calls import TaskRefusedError
from orchestrator_lite.runtime.workers import SupersededError
from orchestrator_lite.store import StoreError

if TYPE_CHECKING:
    from orchestrator_lite.runtime.core import Core
    from orchestrator_lite.settings import Settings

log = logging.getLogger(__name__)

Model = TypeVar("Model", bound=BaseModel)
Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class ApiError(Exception):
    """An answer in the seeds' envelope."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request and gives the response itself: nothing is inspected per call."""

    def get_route_handler(self) -> Endpoint:
        """The endpoint as it was written (the override FastAPI documents)."""
        endpoint: Endpoint = self.endpoint
        return endpoint


def core_of(request: HTTPConnection) -> Core:
    """The running server behind a request or a socket."""
    core = site_of(request.scope).core
    assert core is not None  # noqa: S101 - the front door lets nobody in while it does not run
    return core


def settings_of(request: HTTPConnection) -> Settings:
    """The server's settings."""
    return site_of(request.scope).settings


def answer(content: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(to_json(content), status, media_type="application/json")


async def read_json(request: Request) -> Any:
    """The request's JSON body.

    Raises:
        ApiError: 400 when it cannot be parsed, is nested too deeply, or holds NaN or infinity.
    """
    body = await request.body()
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ApiError(400, "Invalid JSON body") from error
    limit = settings_of(request).max_depth
    if body.count(b"{") + body.count(b"[") > limit and _deeper(value, limit):
        raise ApiError(400, f"Invalid JSON body: nested deeper than {limit} levels")
    return value


async def read_object(request: Request) -> dict[str, Any]:
    """The request's JSON body, which must be an object."""
    value = await read_json(request)
    if not isinstance(value, dict):
        raise ApiError(400, "Invalid JSON body: expected an object")
    return value


def checked(model: type[Model], value: dict[str, Any]) -> Model:
    """The body as a model.

    Raises:
        ApiError: 400 naming the first field that is wrong.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise refusal(error) from error


def refusal(error: ValidationError) -> ApiError:
    """The 400 that names the first field a model refused."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return ApiError(400, f"{field}: {first['msg']}" if field else str(first["msg"]))


@asynccontextmanager
async def until_gone(request: Request) -> AsyncIterator[asyncio.Future[Any]]:
    """A future that is done when the client's connection has closed."""
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        yield gone
    finally:
        gone.cancel()


async def _disconnected(request: Request) -> None:
    with suppress(Refused):  # a body nobody asked for, too large or too slow: its sender is not waited for
        while (await request.receive())["type"] != "http.disconnect":
            pass


def _deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [item for holder in level for item in _items(holder)]
        if not level:
            return False
    return True


def _items(value: Any) -> list[Any]:
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in held if isinstance(item, dict | list)]


def install_errors(app: FastAPI) -> None:
    """Give every error its answer; no traceback reaches a user."""
    answers: dict[type[Exception], Callable[[Any], Response]] = {
        ApiError: lambda error: _error(error.status, str(error), error.headers),
        SupersededError: lambda error: _error(409, str(error)),
        NotJSONError: lambda error: _error(400, str(error)),
        TaskRefusedError: lambda error: _error(error.status, str(error)),
        StoreError: lambda error: _error(503, f"The store is not available: {error}", {"Retry-After": "1"}),
        Exception: lambda _: _error(500, "Internal server error"),
    }
    for kind, make in answers.items():
        app.add_exception_handler(kind, _handler(make))
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Refused, _refused)


async def _no_route(request: Request, error: Any) -> Response:
    """What no route takes: 404, or 405 with the methods that one would take."""
    if error.status_code != 405:
        return _error(error.status_code, str(error.detail), error.headers)
    return _methods.refused(request) or _error(405, str(error.detail), _methods.allow(request))


async def _refused(request: Request, error: Any) -> Response:
    """A refusal in the envelope of the path it was asked at."""
    body = refusal_body(request.scope["path"], error.status, str(error))
    return Response(to_json(body), error.status, media_type="application/json", headers=error.headers)


def _handler(make: Callable[[Any], Response]) -> Callable[[Request, Exception], Coroutine[Any, Any, Response]]:
    async def handle(_: Request, error: Exception) -> Response:
        return make(error)

    return handle


def _error(status: int, message: str, headers: Any = None) -> Response:
    return Response(to_json({"error": message}), status, media_type="application/json", headers=headers)
