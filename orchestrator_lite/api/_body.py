"""A request's body on its way in: no larger, no slower than the server takes, and unpacked where it is compressed."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, MutableMapping
from functools import partial
from types import CoroutineType
from typing import Any, Final, TypeAlias

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.access import Refused
from orchestrator_lite.api._site import Bound

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]

PATIENCE: Final = 30.0
"""Seconds a body may take to come, however short it is."""

PACE: Final = 16 * 1024
"""Bytes for each of which it may take a second more."""

PIECE: Final = 256 * 1024
"""Bytes of an unpacked body that are handed on at once."""

_PACKED: Final = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
_PLAIN: Final = frozenset({b"", b"identity"})


class TooLarge(Refused):
    """The body is larger than the server takes."""

    def __init__(self) -> None:
        super().__init__(413, "Request body is too large")


class Body:
    """What stands between a connection and the route that reads its body.

    Args:
        receive: The connection.
        headers: Of the request.
        bound: How large the body may become; the route may change it before it reads.
        clock: By which a slow sender is given up.
    """

    __slots__ = (
        *("_begun", "_bound", "_came_out", "_clock", "_headers"),
        *("_pieces", "_receive", "_taken", "_unpacking", "_whole"),
    )

    def __init__(self, receive: Receive, headers: Iterable[tuple[bytes, bytes]], bound: Bound, clock: Clock) -> None:
        self._receive = receive
        self._headers = headers
        self._bound = bound
        self._clock = clock
        self._begun: float | None = None
        self._taken = self._came_out = 0
        self._whole = False
        self._unpacking: _Unpacking | None = None
        self._pieces: Generator[bytes] | None = None

    async def __call__(self) -> Message:
        """The connection's next message.

        Raises:
            TooLarge: More came than the bound allows.
            Refused: 408: it came too slowly; 415, 400: it is packed in a way nobody knows, or broken.
        """
        if self._pieces is not None:
            return self._unpacked(self._pieces)
        if self._whole:
            return await self._receive()
        message = await self._arrived()
        if message["type"] != "http.request":
            return message
        body: bytes = message.get("body", b"")
        if body and not self._taken:
            self._unpacking = _unpacking(self._headers)
        self._whole = not message.get("more_body", False)
        self._taken += len(body)
        if self._taken > self._bound.limit:
            raise TooLarge
        if self._unpacking is None:
            return message
        self._pieces = self._unpacking.pieces(body, last=self._whole)
        return self._unpacked(self._pieces)

    def _unpacked(self, pieces: Generator[bytes]) -> Message:
        piece = next(pieces, None)
        if piece is None:
            self._pieces = None
            return {"type": "http.request", "body": b"", "more_body": not self._whole}
        self._came_out += len(piece)
        if self._came_out > self._bound.limit:
            raise TooLarge
        return {"type": "http.request", "body": piece, "more_body": True}

    async def _arrived(self) -> Message:
        """The next message; what is there already costs no timer."""
        receiving: Any = self._receive()
        if type(receiving) is not CoroutineType:  # a server may return anything that can be awaited
            receiving = _awaited(receiving)
        try:
            waits_for = receiving.send(None)
        except StopIteration as there:
            message: Message = there.value
            return message
        if not self._bound.paced:
            return await _Begun(receiving, waits_for)
        now = self._clock.monotonic()
        self._begun = now if self._begun is None else self._begun
        try:
            async with self._clock.timeout(max(0.0, self._begun + PATIENCE + self._taken / PACE - now)):
                return await _Begun(receiving, waits_for)
        except TimeoutError as error:
            raise Refused(408, "The request's body came too slowly", {"Connection": "close"}) from error


async def _awaited(receiving: Awaitable[Message]) -> Message:
    return await receiving


class _Begun:
    """The rest of a coroutine that has begun and waits for something."""

    def __init__(self, coroutine: Coroutine[Any, Any, Message], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Message]:
        waits_for = self._waits_for
        while True:
            try:
                value = yield waits_for
            except BaseException as error:
                resume = partial(self._coroutine.throw, error)
            else:
                resume = partial(self._coroutine.send, value)
            try:
                waits_for = resume()
            except StopIteration as done:
                message: Message = done.value
                return message


class _Unpacking:
    """A compressed body, unpacked piece by piece: a small one may be of any size inside."""

    def __init__(self, window: int) -> None:
        self._stream = zlib.decompressobj(window)

    def pieces(self, packed: bytes, *, last: bool) -> Generator[bytes]:
        """What comes out of the next bytes.

        Args:
            packed: They.
            last: Whether there are no more.

        Raises:
            Refused: 400: they are broken, or not all there.
        """
        try:
            while not self._stream.eof:
                piece = self._stream.decompress(packed, PIECE)
                yield piece
                packed = self._stream.unconsumed_tail
                if not packed and len(piece) < PIECE:
                    break
        except zlib.error as error:
            raise Refused(400, "Content-Encoding: the body is not what it says") from error
        if self._stream.unused_data or (packed and self._stream.eof) or (last and not self._stream.eof):
            raise Refused(400, "Content-Encoding: the body ends too early or goes on after its end")


def _unpacking(headers: Iterable[tuple[bytes, bytes]]) -> _Unpacking | None:
    """How the body is to be unpacked; None: not at all. The official server (aiohttp) unpacks the same."""
    for name, value in headers:
        if name == b"content-encoding":
            how = value.strip().lower()
            if how in _PLAIN:
                continue
            if how not in _PACKED:
                raise Refused(415, "Content-Encoding: must be gzip or deflate", {"Accept-Encoding": "gzip, deflate"})
            return _Unpacking(_PACKED[how])
    return None
