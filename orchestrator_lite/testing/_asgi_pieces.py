"""Bodies in pieces: an upload read and a sink written on a thread, one piece at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from avtomatika_client._calls._flow import Sink, Upload
    from avtomatika_client.protocol.clock import Clock

T = TypeVar("T")


class WrongLengthError(Exception):
    """The upload is not as long as it said it was."""


class Pieces:
    """The two streams of one exchange. What they raise is the caller's own error.

    Attributes:
        moved: When a piece last passed, on the clock's monotonic scale.
    """

    __slots__ = ("_chunks", "_clock", "_left", "_lock", "_sink", "_stopped", "_upload", "moved")
    moved: float

    def __init__(self, upload: Upload | None, sink: Sink | None, clock: Clock) -> None:
        self._upload = upload
        self._sink = sink
        self._clock = clock
        self._lock = asyncio.Lock()
        self._chunks: Iterator[bytes] | None = None
        self._left: int | None = None
        self._stopped = False
        self.touch()

    async def read(self) -> bytes | None:
        """The upload's next piece; None at its end.

        Raises:
            WrongLengthError: It is longer or shorter than it said.
        """
        async with self._lock:
            if self._stopped:
                return None
            piece = await self._on_thread(self._next)
            self.touch()
            if self._left is not None:
                self._left -= len(piece or b"")
                if self._left < 0 or (piece is None and self._left):
                    raise WrongLengthError
            return piece

    async def begin(self, headers: Mapping[str, str]) -> None:
        """The body of a reply begins."""
        if self._sink is not None:
            await self._write(self._sink.begin, headers)

    async def write(self, piece: bytes) -> None:
        """A piece of it has come."""
        if self._sink is not None:
            await self._write(self._sink.write, piece)

    def touch(self) -> None:
        """A piece has passed."""
        self.moved = self._clock.monotonic()

    async def stop(self) -> None:
        """Read and write nothing more, and wait for what is under way: the caller's files are its own again."""
        self._stopped = True
        async with self._lock:
            pass

    def _next(self) -> bytes | None:
        if self._chunks is None and self._upload is not None:
            self._left = self._upload.size
            self._chunks = self._upload.chunks()
        for piece in self._chunks or ():
            if piece:
                return piece
        return None

    async def _write(self, function: Callable[..., None], argument: object) -> None:
        async with self._lock:
            if self._stopped:
                return
            await self._on_thread(function, argument)
            self.touch()

    async def _on_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        with self._clock.hold():
            future = asyncio.get_running_loop().run_in_executor(None, function, *arguments)
            try:
                return await asyncio.shield(future)
            except asyncio.CancelledError:
                # A thread cannot be stopped: whoever is told that it is over may close the file it works on.
                while not future.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait({future})
                if not future.cancelled():
                    future.exception()
                raise
