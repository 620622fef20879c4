"""The front door: a pure ASGI layer that every request passes before any route sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from pydantic_core import to_json

from orchestrator_lite.access import Refused
from orchestrator_lite.api._site import BOUND, KEY, ROOT, Bound, Site

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_JSON = (b"content-type", b"application/json")


class TooLarge(Exception):
    """The body is larger than the server takes."""


class Front:
    """One server's door to the application: checks origin and token, and stops bodies that grow too large.

    Leaves the server in the connection's scope, and the client's identity in `scope["client_identity"]`.
    """

    def __init__(self, app: App, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        root = scope.get("root_path", "")
        scope = _at_root(scope)
        scope[ROOT] = root
        scope[KEY] = self._site
        try:
            self._let_in(scope)
        except Refused as refused:
            await _refuse(scope, receive, send, refused.status, str(refused))
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        scope[BOUND] = bound = Bound(self._site.settings.max_body)
        await self._app(scope, _bounded(receive, bound), send)

    def _let_in(self, scope: Scope) -> None:
        access = self._site.access
        if access is None or self._site.core is None:
            raise Refused(503, "The server is not running")
        access.origin(scope["headers"])
        path: str = scope["path"]
        if path.startswith("/api/") or path == "/api":
            scope["client_identity"] = access.client(_header(scope, b"x-client-token"))
        elif path.startswith("/_worker/"):
            access.worker(_header(scope, b"x-worker-token"))


def _at_root(scope: Scope) -> Scope:
    """The connection as the routes see it: what is checked here must be the path they match, wherever it is mounted."""
    root: str = scope.get("root_path", "")
    if not root:
        return scope
    path: str = scope["path"]
    return {**scope, "path": path.removeprefix(root) if path.startswith(root + "/") else path, "root_path": ""}


def _header(scope: Scope, name: bytes) -> bytes | None:
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return None


def _bounded(receive: Receive, bound: Bound) -> Receive:
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > bound.limit:
                raise TooLarge
        return message

    return bounded


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, message: str) -> None:
    body = to_json({"error": message})
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": message})
            return
        kind = "websocket.http.response"
    length = (b"content-length", str(len(body)).encode())
    await send({"type": f"{kind}.start", "status": status, "headers": [_JSON, length]})
    await send({"type": f"{kind}.body", "body": body})
