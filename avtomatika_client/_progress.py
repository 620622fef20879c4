"""Telling how far a transfer is, now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from avtomatika_client._bodies import Body
    from avtomatika_client._sinks import Download
    from avtomatika_client.protocol.clock import Clock

OnProgress: TypeAlias = Callable[[int, int | None], object]
"""Called with the bytes so far and, where that is known, the bytes in all."""

EVERY: Final = 0.05
"""Seconds between two calls."""


class Progress:
    """Calls back at most every 50 ms, and at the end.

    Args:
        tell: What is called; None: nothing.
        clock: The time.
        loop: Where `tell` is called, whichever thread the transfer is in; None: in that thread.
    """

    def __init__(self, tell: OnProgress | None, clock: Clock, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._tell = tell
        self._clock = clock
        self._loop = loop
        self._next = 0.0
        self._error: Exception | None = None
        self._last: tuple[int, int | None] = (0, None)

    def update(self, done: int, total: int | None) -> None:
        """So much went through; raises what an earlier call back raised."""
        if self._error is not None:
            raise self._error
        self._last = done, total
        now = self._clock.monotonic()
        if self._tell is None or now < self._next:
            return
        self._next = now + EVERY
        if self._loop is None:
            self._tell(done, total)
        else:
            self._loop.call_soon_threadsafe(self._safely, done, total)

    def end(self) -> None:
        """All went through."""
        if self._error is not None:
            raise self._error
        if self._tell is not None:
            done, _ = self._last
            self._tell(done, done)

    def _safely(self, done: int, total: int | None) -> None:
        try:
            if self._tell is not None and self._error is None:
                self._tell(done, total)
        except Exception as error:
            self._error = error


class Counted:
    """An upload whose progress is told."""

    def __init__(self, body: Body, progress: Progress) -> None:
        self._body = body
        self._progress = progress

    @property
    def size(self) -> int | None:
        """As of the body."""
        return self._body.size

    @property
    def repeatable(self) -> bool:
        """As of the body."""
        return self._body.repeatable

    def chunks(self) -> Iterator[bytes]:
        """As of the body."""
        done, total = 0, self._body.size
        for piece in self._body.chunks():
            self._progress.update(done, total)
            yield piece
            done += len(piece)
        self._progress.update(done, total)


class Watched:
    """A download whose progress is told."""

    def __init__(self, sink: Download, progress: Progress) -> None:
        self._sink = sink
        self._progress = progress

    def resume_headers(self) -> Mapping[str, str]:
        """As of the sink."""
        return self._sink.resume_headers()

    def begin(self, headers: Mapping[str, str]) -> None:
        """As of the sink."""
        self._sink.begin(headers)

    def write(self, chunk: bytes) -> None:
        """As of the sink."""
        self._sink.write(chunk)
        self._progress.update(self._sink.received, self._sink.total)
