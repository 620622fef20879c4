"""Bodies in pieces: an upload read and a sink written on a thread, one piece at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Executor

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

    __slots__ = (
        "_chunks",
        "_clock",
        "_halted",
        "_left",
        "_reading",
        "_sink",
        "_threads",
        "_upload",
        "_writing",
        "moved",
    )
    moved: float

    def __init__(self, upload: Upload | None, sink: Sink | None, clock: Clock, threads: Executor) -> None:
        """Make it, on the loop it is for.

        Args:
            upload: What is read.
            sink: What is written.
            clock: Held while either goes on.
            threads: Where they do.
        """
        self._upload = upload
        self._sink = sink
        self._clock = clock
        self._threads = threads
        self._reading = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._chunks: Iterator[bytes] | None = None
        self._left: int | None = None
        self._halted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.touch()

    async def read(self) -> bytes | None:
        """The upload's next piece; None at its end, and once it is halted.

        Raises:
            WrongLengthError: It is longer or shorter than it said.
        """
        async with self._reading:
            if self._halted.done():
                return None
            piece = await self._on_thread(self._next, {self._halted})
            if self._halted.done():
                return None
            self.touch()
            if self._left is not None:
                self._left -= len(piece or b"")
                if self._left < 0 or (piece is None and self._left):
                    raise WrongLengthError
            return piece

    async def begin(self, headers: Mapping[str, str]) -> None:
        """The body of a reply begins."""
        if self._sink is not None:
            await self._write(partial(self._sink.begin, headers))

    async def write(self, piece: bytes) -> None:
        """A piece of it has come."""
        if self._sink is not None:
            await self._write(partial(self._sink.write, piece))

    def touch(self) -> None:
        """A piece has passed."""
        self.moved = self._clock.monotonic()

    def halt(self) -> None:
        """Read and write nothing more. A read under way is left behind: it may never end."""
        if not self._halted.done():
            self._halted.set_result(None)

    async def stop(self) -> None:
        """Halt, and wait for what is being written: no file is closed under it."""
        self.halt()
        async with self._writing:
            pass

    def _next(self) -> bytes | None:
        if self._chunks is None and self._upload is not None:
            self._left = self._upload.size
            self._chunks = self._upload.chunks()
        for piece in self._chunks or ():
            if piece:
                return piece
        return None

    async def _write(self, call: Callable[[], None]) -> None:
        async with self._writing:
            if not self._halted.done():
                await self._on_thread(call)
                self.touch()

    async def _on_thread(self, call: Callable[[], T], until: set[asyncio.Future[None]] | None = None) -> T | None:
        """What `call` returns; None when one of `until` comes first. Without them its end is waited for in any case."""
        with self._clock.hold():
            future = asyncio.get_running_loop().run_in_executor(self._threads, call)
            future.add_done_callback(_forget)
            try:
                await asyncio.wait({future, *(until or ())}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                while not until and not future.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait({future})
                raise
        return future.result() if future.done() else None


def _forget(future: asyncio.Future[T]) -> None:
    """Nobody may be left to ask for its error."""
    if not future.cancelled():
        future.exception()
