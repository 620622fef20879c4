"""Small ASGI applications, and a loop with virtual time to call them on."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from avtomatika_client._calls._flow import Request
from orchestrator_lite.testing._memory.transport import AsgiTransport
from orchestrator_lite.testing._time.clock import VirtualClock

URL = "http://127.0.0.1:8080"


def virtually(body):
    """Run `body(clock)` in virtual time; a wait that can never end fails, and no task may be left."""

    async def whole() -> Any:
        clock = VirtualClock(0.0)
        task = asyncio.create_task(body(clock))
        clock.install(task, effects=lambda: 0, in_vain=lambda why: task.cancel(f"it waits in vain ({why})"))
        try:
            result = await task
        finally:
            clock.uninstall()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(whole())


@contextlib.asynccontextmanager
async def opened(app, clock, **options):
    """A transport to `app`, closed at the end."""
    transport = AsgiTransport(app, clock, **options)
    try:
        yield transport
    finally:
        await transport.aclose()


def get(path: str = "/", **options: Any) -> Request:
    """A GET."""
    return Request(method="GET", url=URL + path, **options)


def post(path: str = "/", content: bytes | None = b"{}", **options: Any) -> Request:
    """A POST."""
    return Request(method="POST", url=URL + path, content=content, **options)


async def respond(send, status=200, body=b"{}", headers=()):
    """A whole reply."""
    head = [(b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def read(receive):
    """The whole body; None when the client is gone."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message["body"]
        if not message["more_body"]:
            return body


class Recording:
    """Keeps what it was called with and answers `{}`."""

    def __init__(self, answer=None) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.bodies: list[bytes | None] = []
        self.ended = 0
        self.answer = answer or (lambda scope: (200, b"{}"))

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        self.bodies.append(await read(receive))
        await respond(send, *self.answer(scope))
        self.ended += 1

    @property
    def asked(self) -> list[str]:
        return [f"{scope['method']} {scope['path']}" for scope in self.scopes]


class Held:
    """Answers nothing until it is released or the client is gone; `seen` tells what happened."""

    def __init__(self) -> None:
        self.inside = asyncio.Event()
        self.release = asyncio.Event()
        self.seen: list[str] = []

    async def __call__(self, scope, receive, send):
        await read(receive)
        self.inside.set()
        gone = asyncio.ensure_future(receive())
        released = asyncio.ensure_future(self.release.wait())
        try:
            await asyncio.wait({gone, released}, return_when=asyncio.FIRST_COMPLETED)
            self.seen.append(gone.result()["type"] if gone.done() else "released")
            await respond(send, 204, b"")
            self.seen.append("end")
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise
        finally:
            for future in (gone, released):
                future.cancel()
            await asyncio.gather(gone, released, return_exceptions=True)
