"""A stream of bytes on its way into a bucket, in parts: never more than a few of them are in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Coroutine
from typing import Any, Self

from avtomatika_client.protocol.clock import Clock

PIECE = 1024 * 1024
"""Bytes handed over at once."""


class GivenUpError(Exception):
    """The source has failed: what was sent of it is to be dropped."""


class Feed:
    """What `obstore` is given to read: an iterator whose pieces come from elsewhere, one at a time.

    It ends with an error when its source does, so that `obstore` drops the parts that were sent already.
    """

    def __init__(self) -> None:
        self._slot: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._failed = False
        self.size = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next piece.

        Raises:
            GivenUpError: There will be no more, and it is not the end.
        """
        piece = None if self._failed else await self._slot.get()
        if self._failed:
            raise GivenUpError
        if piece is None:
            raise StopAsyncIteration
        self.size += len(piece)
        return piece

    async def give(self, piece: bytes | None) -> None:
        """Hand over a piece as soon as there is room; None: that was the last."""
        await self._slot.put(piece)

    def give_up(self) -> None:
        """End with an error."""
        self._failed = True
        if self._slot.full():
            self._slot.get_nowait()
        self._slot.put_nowait(None)


async def fed(clock: Clock, pieces: AsyncIterable[bytes], feed: Feed, sending: Coroutine[Any, Any, Any]) -> None:
    """Send pieces as they come; time stands still on a virtual clock while the bucket works, not while the source does.

    Args:
        clock: The time.
        pieces: What is sent; what this raises ends it.
        feed: What `sending` reads.
        sending: Sends what it reads of the feed.
    """
    task = asyncio.ensure_future(sending)
    try:
        async for piece in pieces:
            with clock.hold():
                await _either(feed.give(piece), task)
        with clock.hold():
            await _either(feed.give(None), task)
            await task
    except BaseException:
        feed.give_up()
        with clock.hold():
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # it was told already, or is ours
        raise


async def _either(giving: Coroutine[Any, Any, None], task: asyncio.Future[Any]) -> None:
    """Hand over, unless nobody takes it any more."""
    given = asyncio.ensure_future(giving)
    try:
        await asyncio.wait({given, task}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        given.cancel()
    if task.done():
        task.result()


async def in_pieces(chunks: AsyncIterable[bytes], size: int) -> AsyncIterator[bytes]:
    """The same bytes in pieces of at least `size` bytes, the last may be smaller; at least one, which may be empty."""
    waiting = bytearray()
    some = False
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) >= size:
            some = True
            yield bytes(waiting)
            waiting.clear()
    if waiting or not some:
        yield bytes(waiting)
