"""Server-sent events: an answer that goes on, or one that ends with the first news."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from fastapi import Request
from starlette.responses import Response

from orchestrator_lite.api._http import until_gone
from orchestrator_lite.api._identity import is_still_client
from orchestrator_lite.runtime.following import Follower, Told
from orchestrator_lite.store import StoreError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from orchestrator_lite.runtime.core import Core
    from orchestrator_lite.runtime.feed import Listener

log = logging.getLogger(__name__)

KEEPALIVE = 15.0
"""Seconds without news after which a comment is sent, so that nobody on the way takes the stream for dead."""

STUCK = 60.0
"""Seconds a reader may take nothing of what it is sent."""

FULL = 1024 * 1024
"""Bytes after which an answer that ends with the first news holds no more of them."""

MEDIA_TYPE = "text/event-stream"

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_COMMENT = b": nothing new\n\n"


Take: TypeAlias = Callable[[bytes], Awaitable[None]]


class _StuckError(Exception):
    """The reader takes nothing."""


class EventStream(Response):
    """The events of a follower until there are no more, the client has gone, its token is no more, or the server stops.

    Nothing is kept for a slow reader: what it has not taken yet is still in the store.
    """

    def __init__(self, request: Request, core: Core, make: Any) -> None:
        """Make it.

        Args:
            request: What is answered.
            core: The server.
            make: A context manager that gives the listener and the follower while the stream runs.
        """
        super().__init__(media_type=MEDIA_TYPE, headers=_HEADERS)
        del self.headers["content-length"]
        self._request = request
        self._core = core
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI interface
        """Send it."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        with self._make as (listener, follower):
            async with until_gone(self._request) as gone:
                try:
                    await self._run(listener, follower, gone, partial(self._take, send, gone))
                except StoreError as error:
                    log.warning("a stream of events ends: %s", error)
                except _StuckError:
                    return  # the server closes the connection of an answer that was not ended
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _take(self, send: Send, gone: asyncio.Future[Any], piece: bytes) -> None:
        """Send a piece; a reader that takes nothing is left, for the server's stop at once."""
        message = {"type": "http.response.body", "body": piece, "more_body": True}
        sending: asyncio.Task[None] = asyncio.create_task(_sent(send, message))
        try:
            await self._core.clock.wait_any((sending, gone, self._core.feed.closing()), STUCK, upkeep=True)
            if not sending.done():
                raise _StuckError
            await sending
        finally:
            sending.cancel()

    async def _run(self, listener: Listener, follower: Follower, gone: asyncio.Future[Any], take: Take) -> None:
        await take(begin(follower))
        while not gone.done():
            news = await follower.news()
            if not is_still_client(self._request):
                return
            if news:
                await take(frames(news))
            if follower.is_over or self._core.feed.closed:
                return
            if news:
                continue
            await self._core.clock.wait_any((listener.poke, gone), KEEPALIVE, upkeep=True)
            if not listener.poke.done() and not gone.done():
                await take(_COMMENT)


async def first_news(core: Core, listener: Listener, follower: Follower, seconds: float, request: Request) -> Response:
    """One answer with the first news there are, or with none after `seconds`."""
    until = core.clock.monotonic() + seconds
    body = opening = begin(follower)
    async with until_gone(request) as gone:
        while True:
            news = await follower.news()
            body += frames(news)
            if follower.has_more and len(body) < FULL:
                continue
            left = until - core.clock.monotonic()
            if body != opening or follower.is_over or left <= 0 or gone.done() or core.feed.closed:
                break
            await core.clock.wait_any((listener.poke, gone), left, upkeep=True)
    return Response(body if body != opening else body + _COMMENT, media_type=MEDIA_TYPE, headers=_HEADERS)


def begin(follower: Follower) -> bytes:
    """What a stream begins with: where it stands, so that one that breaks off at once can go on too."""
    return b"id: %d\n\n" % follower.seq


def frames(news: Iterable[Told]) -> bytes:
    """Events as they are sent; JSON has no line breaks of its own."""
    return b"".join(_frame(told) for told in news)


def _frame(told: Told) -> bytes:
    place = b"" if told.id is None else b"id: %b\n" % told.id.encode()
    return b"%bevent: %b\ndata: %b\n\n" % (place, told.name.encode(), told.doc)


async def _sent(send: Send, message: dict[str, Any]) -> None:
    await send(message)
