"""One HTTP exchange in memory: what the application receives and sends, and what becomes of it for the caller."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from avtomatika_client._calls._flow import Reply, Request
from avtomatika_client._exchange import Exchange
from orchestrator_lite.testing._memory.pieces import Pieces, WrongLengthError

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from concurrent.futures import Executor

    from avtomatika_client.errors import APIConnectionError
    from avtomatika_client.protocol.clock import Clock
    from orchestrator_lite.api._body import Message
    from orchestrator_lite.api._front import App, Scope

_BODILESS: Final = frozenset({204, 304})
_FAILED: Final = b"Internal Server Error"
_LOST: Final = "the connection was closed before the reply came"

_logger = logging.getLogger(__name__)


class HttpConnection:
    """One exchange. Whoever waits for it may leave; the application is never cancelled for that.

    Attributes:
        request: What is asked.
        task: The task of the application.
        is_begun: Whether the application has been called.
        is_over: Whether the caller's side has ended, with `reply` or `error`.
        reply: The reply, once it is over.
        error: What the caller gets in place of a reply.
        pieces: Its streams, where it has any.
        twin: The same request delivered once more, before this one; its reply is lost.
        is_left: Whether its caller was cancelled.
    """

    __slots__ = (
        "_chunks",
        "_expected",
        "_gone",
        "_headers",
        "_is_bodiless",
        "_is_complete",
        "_is_cut",
        "_is_lost",
        "_is_unread",
        "_scope",
        "_status",
        "_waiter",
        "error",
        "is_begun",
        "is_left",
        "is_over",
        "pieces",
        "reply",
        "request",
        "task",
        "twin",
    )

    def __init__(
        self, request: Request, scope: Scope, clock: Clock, threads: Executor, *, is_lost: bool = False
    ) -> None:
        """Make it.

        Args:
            request: What is asked.
            scope: The same for the application.
            clock: Whose seconds.
            threads: Where its streams are read and written.
            is_lost: Whether the reply never reaches the caller.
        """
        self.request = request
        self.task: asyncio.Task[None] | None = None
        self.is_begun = self.is_over = self.is_left = False
        self.twin: HttpConnection | None = None
        self.reply: Reply | None = None
        self.error: BaseException | None = None
        streams = request.in_pieces or request.stall is not None
        self.pieces = Pieces(request.upload, None if is_lost else request.sink, clock, threads) if streams else None
        self._scope = scope
        self._is_unread = True
        self._status = 0
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._expected: int | None = None
        self._is_lost = is_lost
        self._is_bodiless = self._is_complete = self._is_cut = False
        self._gone: asyncio.Event | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for it just now."""
        return self._waiter is not None and not self._waiter.done()

    async def ended(self) -> None:
        """Wait until it is over; one waiter at a time."""
        if not self.is_over:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def outcome(self) -> Reply:
        """The reply; raises what the caller gets in its place."""
        if self.reply is None:
            raise self.error or self.failure(_LOST)
        return self.reply

    def cut(self, error: BaseException | None = None) -> None:
        """End the connection: the caller gets `error`, the application `http.disconnect`."""
        self._is_cut = True
        self._finish(error)
        if self.pieces is not None:
            self.pieces.halt()
        if self._gone is not None:
            self._gone.set()

    def hang_up(self, error: BaseException | None = None) -> None:
        """End it from the caller's side, its twin too."""
        self.cut(error)
        if self.twin is not None:
            self.twin.cut()

    async def stop_pieces(self) -> None:
        """Leave upload and sink to the caller, whose they are."""
        for connection in (self, self.twin):
            if connection is not None and connection.pieces is not None:
                await connection.pieces.stop()

    def failure(self, reason: str, *, sent: bool = True) -> APIConnectionError:
        """The error of a caller whose exchange broke."""
        return Exchange(self.request, 0.0).failed(reason, sent=sent)

    async def turn(self) -> None:
        """Wait until it is this one's turn: a body in pieces has one reader at a time."""
        if self.twin is not None and self.twin.task is not None and self.request.upload is not None:
            await asyncio.wait({self.twin.task})

    async def run(self, app: App | None) -> None:
        """Serve it; raises nothing but its own cancellation. Without an application the request is lost."""
        self.is_begun = True
        if app is None:
            self.cut()
            return
        try:
            await app(self._scope, self._receive, self._send)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            self.cut()
            raise
        except BaseException:  # as servers do; a test's own ways out, such as pytest.fail, are no Exception
            _logger.exception("The application failed at %s %s", self.request.method, self._scope["path"])
            await self._fail()
        else:
            if not self._is_complete and not self._is_cut:
                _logger.error("The application left %s %s unanswered", self.request.method, self._scope["path"])
                await self._fail()

    async def _receive(self) -> Message:
        if self._is_unread and not self._is_complete:
            if self.request.upload is None:
                self._is_unread = False
                return {"type": "http.request", "body": self.request.content or b"", "more_body": False}
            if not self._is_cut:
                return await self._piece()
        if not (self._is_complete or self._is_cut):
            self._gone = self._gone or asyncio.Event()
            await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _piece(self) -> Message:
        assert self.pieces is not None  # noqa: S101 - there is an upload
        try:
            piece = await self.pieces.read()
        except WrongLengthError:
            self.cut(self.failure("the upload is not as long as it said it was"))
        except Exception as error:  # the caller's own, whatever it is
            self.cut(error)
        if self._is_cut:
            return {"type": "http.disconnect"}
        self._is_unread = piece is not None
        return {"type": "http.request", "body": piece or b"", "more_body": self._is_unread}

    async def _send(self, message: Message) -> None:
        if self._is_cut:
            return
        kind = message["type"]
        if self._is_complete:
            raise RuntimeError(f"{kind} after the response was complete")
        if kind != ("http.response.body" if self._status else "http.response.start"):
            raise RuntimeError(f"{kind} is not expected here")
        if not self._status:
            await self._start(message)
        else:
            await self._continue(message.get("body", b""), is_last=not message.get("more_body", False))

    async def _start(self, message: Message) -> None:
        headers = self._headers
        for name, value in message.get("headers", ()):
            if b"\n" in value or b"\r" in value:
                raise RuntimeError("a header of the response holds a line break")
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        self._status = status = message["status"]
        if self.request.method == "HEAD" or status in _BODILESS:
            self._is_bodiless = True
        elif "content-length" in headers:
            self._expected = int(headers["content-length"])
        else:
            headers["transfer-encoding"] = "chunked"
        if self.pieces is not None and self._is_sunk:
            await self._sink(self.pieces.begin(headers))

    async def _continue(self, body: bytes, *, is_last: bool) -> None:
        if self._is_bodiless:
            body = b""
        elif self._expected is not None:
            self._expected -= len(body)
            if self._expected < 0 or (is_last and self._expected):
                raise RuntimeError(f"the response is not as long as its Content-Length ({self._expected:+d} bytes)")
        if self.pieces is not None and self._is_sunk:
            await self._sink(self.pieces.write(bytes(body)))
        elif body:
            self._chunks.append(bytes(body))
        if self.pieces is not None:
            self.pieces.touch()
        if is_last and not self._is_cut:
            self._complete()

    @property
    def _is_sunk(self) -> bool:
        return self.request.sink is not None and 200 <= self._status < 300

    async def _sink(self, writing: Awaitable[None]) -> None:
        try:
            await writing
        except Exception as error:  # the caller's own, whatever it is
            self.cut(error)

    def _complete(self) -> None:
        self._is_complete = True
        if self._gone is not None:
            self._gone.set()
        if not self._is_lost and not self.is_over:
            self.reply = Reply(status=self._status, headers=self._headers, content=b"".join(self._chunks))
        self._finish(None)

    def _finish(self, error: BaseException | None) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.error = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _fail(self) -> None:
        """As a server ends an exchange that its application did not."""
        if self._is_complete or self._is_cut:
            return
        if self._status:
            self.cut()
            return
        head = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(_FAILED))]
        await self._send({"type": "http.response.start", "status": 500, "headers": head})
        await self._send({"type": "http.response.body", "body": _FAILED})
