"""One WebSocket in memory: two queues, the application in a task of its own."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from avtomatika_client.errors import APIConnectionError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from orchestrator_lite.api._body import Message
    from orchestrator_lite.api._front import App, Scope

NORMAL: Final = 1000
ABNORMAL: Final = 1006
_TOO_BIG: Final = 1009
_NO_FRAME: Final = "no close frame received or sent (1006)"
MAX_FRAME: Final = 16 * 1024 * 1024
"""Bytes of a frame at most, either way, as with the real client and server."""

_logger = logging.getLogger(__name__)


class ClientGoneError(OSError):
    """The client has closed the WebSocket (what ASGI servers raise into an application that sends on)."""


class SocketConnection:
    """The client's end of one WebSocket.

    Attributes:
        path: What it was opened on, decoded.
        task: The task of the application.
        is_begun: Whether the application has been called.
        is_accepted: Whether the application has accepted it.
        is_ended: Whether it is closed, or was refused.
        refusal: The HTTP status it was refused with, or 0.
    """

    def __init__(self, scope: Scope, on_end: Callable[[SocketConnection], None]) -> None:
        """Make it.

        Args:
            scope: The connection as the application sees it.
            on_end: Told once when it is open no more.
        """
        self.path: str = scope["path"]
        self.task: asyncio.Task[None] | None = None
        self.is_begun = self.is_accepted = self.is_ended = False
        self.refusal = 0
        self._scope = scope
        self._on_end = on_end
        self._end = _NO_FRAME
        self._in: deque[str] = deque()
        self._out: deque[Message] = deque([{"type": "websocket.connect"}])
        self._readers: set[asyncio.Future[None]] = set()
        self._app_readers: set[asyncio.Future[None]] = set()

    async def send(self, text: str) -> None:
        """Send one frame.

        Raises:
            APIConnectionError: The socket is closed.
        """
        if self.is_ended:
            raise self._closed()
        if _is_too_big(text):
            self._close(_TOO_BIG, "the frame is too big")
            return
        self._to_app({"type": "websocket.receive", "text": text})

    async def recv(self) -> str:
        """The next frame; what came before the end is still given.

        Raises:
            APIConnectionError: The socket is closed.
        """
        while not self._in:
            if self.is_ended:
                raise self._closed()
            await _woken(self._readers)
        return self._in.popleft()

    async def close(self) -> None:
        """Close the socket; does nothing the second time."""
        self._close(NORMAL, "")

    async def __aiter__(self) -> AsyncIterator[str]:
        """The frames until the socket is closed, without an error at its end."""
        while True:
            try:
                frame = await self.recv()
            except APIConnectionError:
                if self.is_ended:
                    return
                raise
            yield frame

    def cut(self) -> None:
        """End it for both sides without a closing handshake."""
        self._close(ABNORMAL, "", end=_NO_FRAME)

    def give_up(self, error: BaseException) -> int:
        """Raise `error` in whoever waits for a frame or the handshake; returns how many do."""
        waiting = [reader for reader in self._readers if not reader.done()]
        for reader in waiting:
            reader.set_exception(error)
        return len(waiting)

    async def answered(self) -> None:
        """Wait until it is accepted or refused."""
        while not (self.is_accepted or self.is_ended):
            await _woken(self._readers)

    async def run(self, app: App | None) -> None:
        """Serve it; raises nothing but its own cancellation. Without an application the handshake is lost."""
        self.is_begun = True
        if app is None:
            self.cut()
            return
        try:
            await app(self._scope, self._receive, self._send)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            self.cut()
            raise
        except ClientGoneError:
            pass
        except BaseException:  # as servers do; a test's own ways out, such as pytest.fail, are no Exception
            _logger.exception("The application failed at WebSocket %s", self.path)
        self._left()

    def _left(self) -> None:
        """The application has ended; a server closes what it left open."""
        if not self.is_accepted and not self.is_ended:
            _logger.error("The application left WebSocket %s unanswered", self.path)
            self.refusal = 500
        self._ended(_NO_FRAME)

    async def _receive(self) -> Message:
        while not self._out:
            await _woken(self._app_readers)
        return self._out.popleft()

    async def _send(self, message: Message) -> None:
        if self.is_ended:
            raise ClientGoneError
        kind = message["type"]
        if not self.is_accepted:
            self._answer(kind, message)
        elif kind == "websocket.send":
            self._from_app(message)
        elif kind == "websocket.close":
            code, reason = message.get("code", NORMAL), message.get("reason") or ""
            self._to_app({"type": "websocket.disconnect", "code": code, "reason": reason})
            self._ended(f"received {code} {reason}".rstrip())
        else:
            raise RuntimeError(f"{kind} is not expected here")

    def _answer(self, kind: str, message: Message) -> None:
        if kind == "websocket.accept":
            self.is_accepted = True
            _wake(self._readers)
        elif kind == "websocket.close":
            self.refusal = 403
            self._to_app({"type": "websocket.disconnect", "code": ABNORMAL})
            self._ended("it was refused")
        elif kind == "websocket.http.response.start":
            self.refusal = message["status"]
        elif kind == "websocket.http.response.body" and self.refusal:
            if not message.get("more_body", False):
                self._to_app({"type": "websocket.disconnect", "code": ABNORMAL})
                self._ended("it was refused")
        else:
            raise RuntimeError(f"{kind} is not expected here")

    def _from_app(self, message: Message) -> None:
        data = message.get("text")
        text = message["bytes"].decode() if data is None else data
        if _is_too_big(text):
            self._close(_TOO_BIG, "the frame is too big")
            return
        self._in.append(text)
        _wake(self._readers)

    def _to_app(self, message: Message) -> None:
        self._out.append(message)
        _wake(self._app_readers)

    def _close(self, code: int, reason: str, *, end: str | None = None) -> None:
        if self.is_ended:
            return
        self._to_app({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._ended(end or f"sent {code} {reason}".rstrip())

    def _ended(self, how: str) -> None:
        if self.is_ended:
            return
        self.is_ended, self._end = True, how
        _wake(self._readers)
        self._on_end(self)

    def _closed(self) -> APIConnectionError:
        return APIConnectionError(f"the WebSocket is closed: {self._end}")


async def _woken(waiters: set[asyncio.Future[None]]) -> None:
    waiter = asyncio.get_running_loop().create_future()
    waiters.add(waiter)
    try:
        await waiter
    finally:
        waiters.discard(waiter)
        if waiter.done() and not waiter.cancelled():
            waiter.exception()  # whoever was cancelled meanwhile does not ask for it


def _wake(waiters: set[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


def _is_too_big(text: str) -> bool:
    return len(text) > MAX_FRAME or (len(text) * 4 > MAX_FRAME and len(text.encode()) > MAX_FRAME)
