"""The application that a `status` fault puts in the server's place."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from pydantic_core import to_json

if TYPE_CHECKING:
    from orchestrator_lite.api._body import Message, Receive
    from orchestrator_lite.api._front import App, Scope, Send
    from orchestrator_lite.testing._faults.fault import Fault


def answering(fault: Fault) -> App:
    """An application that gives the fault's answer to everything, in the server's own error envelope."""
    body = to_json({"error": f"{_phrase(fault.code)} (a fault set by the test)"})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if fault.retry_after is not None:
        headers.append((b"retry-after", f"{fault.retry_after:g}".encode()))

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - the body stays unread
        kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
        start: Message = {"type": f"{kind}.start", "status": fault.code, "headers": headers}
        await send(start)
        await send({"type": f"{kind}.body", "body": body})

    return answer


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"
