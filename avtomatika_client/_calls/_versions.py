"""Under which path an API is served: `/api/v1`, another version's, or none (`spec/avtomatika.md` §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from avtomatika_client._calls._envelope import is_json, path_of, read_error
from avtomatika_client._calls._session import call
from avtomatika_client.errors import NotSupportedByServerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from avtomatika_client._calls._flow import Flow, Reply, Request, Sink, Upload
    from avtomatika_client._calls._session import Budget, Session

VERSIONED: Final = "/api/v1"
UNVERSIONED: Final = "/api"
ABSENT: Final = frozenset({404, 405})


def prefix_of(api_version: str | None) -> str:
    """The path under which an API version is served; None: the default one, empty: the unversioned."""
    if api_version is None:
        return VERSIONED
    return f"{UNVERSIONED}/{quote(api_version, safe='')}" if api_version else UNVERSIONED


def versioned_call(
    session: Session,
    method: str,
    prefix: str,
    path: str,
    budget: Budget,
    *,
    safe: bool | None = None,
    long: bool = False,
    optional: bool = False,
    passing: frozenset[int] = frozenset(),
    content: bytes | None = None,
    upload: Upload | None = None,
    sink: Sink | None = None,
    stall: float | None = None,
    renewed: Callable[[Request], Request] | None = None,
) -> Flow[tuple[Request, Reply]]:
    """Call a route of the jobs API; returns what was asked in the end, and its successful reply.

    An official server whose blueprints name no version serves these routes unversioned only: where the default
    version's route does not exist (the framework, not the application, answers), the unversioned one is tried once.

    Args:
        session: Whose call it is.
        method: Upper-case method.
        prefix: The API's path.
        path: The route below it, with its query.
        budget: The time for all of it.
        safe: Whether processing it twice does no harm; default: GET and HEAD.
        long: Whether the server may hold it.
        optional: Whether a missing route means that this server does not offer the call.
        passing: Statuses that are no success but are wanted as they are.
        content: A JSON body.
        upload: A body in pieces.
        sink: Where a reply in pieces goes.
        stall: Seconds these may stand still.
        renewed: As of `call`.

    Raises:
        NotSupportedByServerError: The route is optional and missing.
        APIStatusError: The reply is no success.
    """

    def asked(prefix: str) -> Request:
        return session.request(method, prefix + path, content=content, long=long, upload=upload, sink=sink, stall=stall)

    request, wanted = asked(prefix), ABSENT | passing
    reply = yield from call(session, request, budget, safe=safe, passing=wanted, renewed=renewed)
    if _no_such_route(reply) and prefix == VERSIONED:
        second = asked(UNVERSIONED)
        again = yield from call(session, second, budget, safe=safe, passing=wanted, renewed=renewed)
        if not _no_such_route(again):
            request, reply = second, again
    if reply.is_success or reply.status in passing:
        return request, reply
    if optional and _no_such_route(reply):
        raise NotSupportedByServerError(f"this server does not offer {method} {path_of(request.url)}")
    raise read_error(reply, request, now=session.clock.now())


def _no_such_route(reply: Reply) -> bool:
    return reply.status in ABSENT and not is_json(reply)
