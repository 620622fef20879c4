"""What a server tells of itself (seeds 000-002 §1 and §2): one function per call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlencode

from avtomatika_client._calls._envelope import is_json
from avtomatika_client._calls._session import UNSET, call, parse
from avtomatika_client._calls._versions import VERSIONED, versioned_call
from avtomatika_client.errors import NotSupportedByServerError
from avtomatika_client.protocol.overview import Dashboard

if TYPE_CHECKING:
    from avtomatika_client._calls._flow import Flow
    from avtomatika_client._calls._session import Session, Timeout

GraphFormat = Literal["dot", "mermaid", "svg"]


def dashboard(session: Session, timeout: Timeout = UNSET) -> Flow[Dashboard]:
    """How much there is on the server.

    Raises:
        NotSupportedByServerError: The server has no dashboard.
    """
    budget = session.budget(timeout)
    request, reply = yield from versioned_call(session, "GET", VERSIONED, "/dashboard", budget, optional=True)
    return parse(Dashboard.model_validate_json, reply, request)


def graph(session: Session, name: str, format: GraphFormat, timeout: Timeout = UNSET) -> Flow[str]:  # noqa: A002
    """A blueprint's graph.

    Raises:
        NotFoundError: The server has no such blueprint.
        NotSupportedByServerError: The server draws no such format.
    """
    wanted = "" if format == "dot" else f"?{urlencode({'format': format})}"
    path, budget = f"/blueprints/{quote(name, safe='')}/graph{wanted}", session.budget(timeout)
    _, reply = yield from versioned_call(session, "GET", VERSIONED, path, budget, optional=True)
    kind = reply.headers.get("content-type", "")
    if format not in kind and not (format == "dot" and "graphviz" in kind):
        raise NotSupportedByServerError(f"this server does not draw graphs as {format}")
    return reply.content.decode()


def metrics(session: Session, timeout: Timeout = UNSET) -> Flow[str]:
    """The server's metrics in the Prometheus text format.

    Raises:
        NotSupportedByServerError: The server has none (1.0b30), or cannot tell them (1.0b9-1.0b13).
    """
    request = session.request("GET", "/_public/metrics")
    reply = yield from call(session, request, session.budget(timeout), passing=frozenset({404, 500}))
    if reply.status != 200 or is_json(reply):
        raise NotSupportedByServerError(f"this server does not tell its metrics (status {reply.status})")
    return reply.content.decode()


def flush_db(session: Session, timeout: Timeout = UNSET) -> Flow[None]:
    """Have the server forget everything.

    Raises:
        PermissionDeniedError: The server is not in development mode.
        NotSupportedByServerError: The server does not know it.
    """
    request = session.request("POST", "/_public/debug/flush_db")
    reply = yield from call(session, request, session.budget(timeout), passing=frozenset({404, 405}))
    if reply.status != 200:
        raise NotSupportedByServerError(f"this server has no flush_db (status {reply.status})")
