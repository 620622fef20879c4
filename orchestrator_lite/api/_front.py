"""The front door: a pure ASGI layer that every request passes before any route sees it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final, TypeAlias

from pydantic_core import to_json
from starlette.requests import ClientDisconnect

from orchestrator_lite.access import Access, Refused, Standing, check_origin
from orchestrator_lite.api._body import Body, Message, Receive
from orchestrator_lite.api._methods import has_head, headless
from orchestrator_lite.api._site import BOUND, KEY, ROOT, Bound, Site

Scope: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_JSON = (b"content-type", b"application/json")

CLIENT: Final = "client_identity"
"""Where a connection's scope holds the client it is of."""

BADGE: Final = "worker_badge"
"""Where it holds what the worker's token is good for."""

QUOTA: Final = "orchestrator_lite.quota"
"""Where it holds what the answer says of the client's quota."""

SIGNING_IN: Final = frozenset({"/api/auth/token", "/api/v1/auth/token"})
"""What people have no credentials for yet."""

REFRESH: Final = "/_worker/auth/token/refresh"
"""What a worker asks without a credential: what it sends in the body is one."""

_CODES: Final = {403: "forbidden", 429: "rate_limited", 503: "unavailable"}

_NAMED = re.compile(r"/_worker/(?:workers/(?!register$)|ws/)([^/]+)")
"""The worker in a path; it goes before the one in a header, as officially."""


class Front:
    """One server's door to the application: checks origin, credentials, limits, and stops bodies that grow too large.

    Leaves the server in the connection's scope, and who it is of: the client, or the badge of a worker.
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
            standing = await self._let_in(scope)
        except Refused as refused:
            await _refuse(scope, receive, send, refused)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        scope[BOUND] = bound = Bound(self._site.settings.max_body)
        told = send if standing is None else _telling(scope, standing, send)
        if scope["method"] == "HEAD" and has_head(scope["path"]):
            scope, told = headless(scope, told)
        assert self._site.core is not None  # noqa: S101 - nobody is let in while it does not run
        with suppress(ClientDisconnect):  # in the middle of a body: nobody is left to be answered
            await self._app(scope, Body(receive, scope["headers"], bound, self._site.core.clock), told)

    async def _let_in(self, scope: Scope) -> Standing | None:
        access = self._site.access
        if access is None or self._site.core is None:
            raise Refused(503, "The server is not running")
        if access.development:
            check_origin(scope["headers"])
        path: str = scope["path"]
        if path == REFRESH:
            return await access.limits.stranger(address_of(scope))
        if path.startswith("/_worker/"):
            scope[BADGE] = await _worker(access, scope, path)
            return None
        if path.startswith("/_files/"):  # the signature of the URL is the credential
            return None
        if path in SIGNING_IN or not (path.startswith("/api/") or path == "/api"):
            return await access.limits.stranger(address_of(scope))
        scope[CLIENT], standing = await access.client(_header(scope, b"x-client-token"), address_of(scope))
        return standing


async def _worker(access: Access, scope: Scope, path: str) -> Any:
    named = _NAMED.match(path)
    header = None if named is not None else _header(scope, b"x-worker-id")
    worker_id = named[1] if named is not None else None if header is None else header.decode("latin-1")
    return await access.worker(_header(scope, b"x-worker-token"), address_of(scope), worker_id)


def address_of(scope: Mapping[str, Any]) -> str | None:
    """Where a connection comes from; None: from this machine, over a socket of its files."""
    client = scope.get("client")
    return None if client is None else client[0]


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


def _telling(scope: Scope, standing: Standing, send: Send) -> Send:
    """Say in the answer how its receiver stands with rate limit and quota."""

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            quota = scope.get(QUOTA)
            lines = standing.lines if quota is None else [*standing.lines, *_encoded(quota)]
            message["headers"] = [*message.get("headers", ()), *lines]
        await send(message)

    return telling


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


async def _refuse(scope: Scope, receive: Receive, send: Send, refused: Refused) -> None:
    body = to_json(refusal_body(scope["path"], refused.status, str(refused)))
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": str(refused)})
            return
        kind = "websocket.http.response"
    length = (b"content-length", str(len(body)).encode())
    headers = [_JSON, length, *_encoded(refused.headers)]
    await send({"type": f"{kind}.start", "status": refused.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})


def refusal_body(path: str, status: int, message: str) -> dict[str, Any]:
    """The body of a refusal: the seeds' envelope, and that of seed 004 where people sign in."""
    if path not in SIGNING_IN:
        return {"error": message}
    return {"error": {"code": _CODES.get(status, "invalid_input"), "message": message, "details": {}}}
