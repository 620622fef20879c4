"""Bodies in pieces, between a transport's connection and the files they come from or go to.

Reading and writing may block, so the async side does it on a thread; what a source or a sink raises is carried past
the HTTP library as `BrokenBodyError` and reaches the caller as it was.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import httpcore

from avtomatika_client._calls._flow import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from concurrent.futures import Executor

    import httpx

    from avtomatika_client._calls._flow import Sink, Upload
    from avtomatika_client.protocol.clock import Clock

T = TypeVar("T")

BATCH: Final = 256 * 1024
"""Bytes read or written at a time."""
SLICE: Final = 64 * 1024
"""Bytes sent at a time: on a slow line the limit on standstill counts each of these."""


class BrokenBodyError(Exception):
    """A source or a sink failed; `cause` is how."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Threads:
    """Where one transport reads and writes files."""

    def __init__(self, executor: Executor, clock: Clock) -> None:
        self._executor = executor
        self._clock = clock

    async def run(self, call: Callable[[], T], *, abandon: bool = False) -> T:
        """What `call` returns.

        Args:
            call: Blocks.
            abandon: Whether a cancelled caller leaves it behind; else its end is awaited first, so that no file is
                closed under it.

        Raises:
            BrokenBodyError: It raised.
        """
        with self._clock.hold():
            future = asyncio.get_running_loop().run_in_executor(self._executor, _broken, call)
            try:
                return await asyncio.shield(future)
            except asyncio.CancelledError:
                if abandon:
                    future.add_done_callback(_forget)
                else:
                    await asyncio.wait((future,))
                raise


def _forget(future: asyncio.Future[T]) -> None:
    if not future.cancelled():
        future.exception()


class AsyncBody:
    """An upload on its way through an async connection.

    Args:
        upload: What is sent.
        threads: Where it is read.
        answered: Whether the server has answered already, so that the rest is in vain.
    """

    def __init__(self, upload: Upload, threads: Threads, answered: Callable[[], bool]) -> None:
        self._reader = _Reader(upload)
        self._threads = threads
        self._answered = answered

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._threads.run(self._reader.next, abandon=True)) is not None:
            for part in _slices(piece):
                _stop_if(self._answered)
                yield part

    def close(self) -> None:
        """Leave the source alone from now on."""
        self._reader.close()


class SyncBody:
    """An upload on its way through a blocking connection; arguments as of `AsyncBody`."""

    def __init__(self, upload: Upload, answered: Callable[[], bool]) -> None:
        self._reader = _Reader(upload)
        self._answered = answered

    def __iter__(self) -> Iterator[bytes]:
        while (piece := _broken(self._reader.next)) is not None:
            for part in _slices(piece):
                _stop_if(self._answered)
                yield part

    def close(self) -> None:
        """Leave the source alone from now on."""
        self._reader.close()


def reply_of(response: httpx.Response) -> Reply:
    """A reply that was read whole."""
    return Reply(status=response.status_code, headers=dict(response.headers), content=response.content)


async def taken_async(response: httpx.Response, sink: Sink | None, threads: Threads) -> Reply:
    """Read an open reply: into its sink when it is a success, else whole."""
    if sink is None or not response.is_success:
        await response.aread()
        return reply_of(response)
    headers = dict(response.headers)
    await threads.run(lambda: sink.begin(headers))
    chunks = response.aiter_bytes() if "content-encoding" in headers else response.aiter_raw()
    async for piece in _batched(chunks):
        await threads.run(partial(sink.write, piece))
    return Reply(status=response.status_code, headers=headers, content=b"")


def taken(response: httpx.Response, sink: Sink | None) -> Reply:
    """`taken_async`, in the calling thread."""
    if sink is None or not response.is_success:
        response.read()
        return reply_of(response)
    headers = dict(response.headers)
    _broken(lambda: sink.begin(headers))
    for chunk in response.iter_bytes() if "content-encoding" in headers else response.iter_raw():
        _broken(partial(sink.write, chunk))
    return Reply(status=response.status_code, headers=headers, content=b"")


async def _batched(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in fewer pieces."""
    gathered: list[bytes] = []
    size = 0
    async for chunk in chunks:
        gathered.append(chunk)
        size += len(chunk)
        if size >= BATCH:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


def _broken(call: Callable[[], T]) -> T:
    """What `call` returns; what it raises comes as BrokenBodyError."""
    try:
        return call()
    except Exception as error:
        raise BrokenBodyError(error) from error


def _slices(piece: bytes) -> Iterator[bytes]:
    if len(piece) <= SLICE:
        if piece:
            yield piece
        return
    for at in range(0, len(piece), SLICE):
        yield piece[at : at + SLICE]


def _stop_if(answered: Callable[[], bool]) -> None:
    if answered():
        # httpcore takes this as a connection that takes no more, and goes on to read the answer.
        raise httpcore.WriteError("answered before the body was sent")


class _Reader:
    """The pieces of an upload, one after another; may be closed while another thread reads."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._chunks: Iterator[bytes] | None = None
        self._closed = False

    def next(self) -> bytes | None:
        """The next piece; None at the end."""
        if self._closed:
            return None
        chunks = self._chunks
        if chunks is None:
            chunks = self._chunks = iter(self._upload.chunks())
        return next(chunks, None)

    def close(self) -> None:
        """Close the source, or where it is being read let that end by itself."""
        self._closed = True
        chunks, self._chunks = self._chunks, None
        close = getattr(chunks, "close", None)
        if close is None:
            return
        try:
            close()
        except ValueError:  # it is being read: it is closed when the reader lets go of it
            return
