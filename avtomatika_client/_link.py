"""What the copies of one client share: the transport, whether it is closed, and where it may be used."""

from __future__ import annotations

import asyncio
import os
import warnings
from typing import TYPE_CHECKING, Generic, TypeVar

from avtomatika_client._drivers import CLOSED, run_async, run_sync
from avtomatika_client._seam import AsyncTransport, SyncTransport
from avtomatika_client.errors import ClientBoundToOtherLoop

if TYPE_CHECKING:
    from avtomatika_client._calls._flow import Flow
    from avtomatika_client._calls._session import Session

T = TypeVar("T")
Transport = TypeVar("Transport")


class Link(Generic[Transport]):
    """A transport and whether it may still be used.

    Args:
        transport: Holds no connection before its first exchange.
        ours: Whether it is closed with the client.
    """

    def __init__(self, transport: Transport, *, ours: bool) -> None:
        self._transport = transport
        self._ours = ours
        self._used = False
        self._closed = False

    def transport(self) -> Transport:
        """The transport.

        Raises:
            RuntimeError: The client is closed.
        """
        if self._closed:
            raise RuntimeError(CLOSED)
        self._used = True
        return self._transport

    def is_closed(self) -> bool:
        """Whether it may be used no more."""
        return self._closed

    def to_close(self) -> Transport | None:
        """Mark the link as closed; returns the transport where there is one to close."""
        first, self._closed = not self._closed, True
        return self._transport if self._ours and self._used and first else None

    def __del__(self) -> None:
        # Nothing is closed here: a destructor may run in any thread and at any moment.
        if self._ours and self._used and not self._closed:
            warnings.warn("an avtomatika client was never closed", ResourceWarning, stacklevel=2, source=self)


class AsyncLink(Link[AsyncTransport]):
    """A link that belongs to the loop, and the process, of its first call."""

    _home: tuple[int, asyncio.AbstractEventLoop] | None = None

    def check_loop(self) -> None:
        """Raises ClientBoundToOtherLoop on another loop than the first call's; a forked child starts anew."""
        here = (os.getpid(), asyncio.get_running_loop())
        if self._home is None or self._home[0] != here[0]:
            self._home = here
        elif self._home[1] is not here[1]:
            raise ClientBoundToOtherLoop


class SyncCaller:
    """Runs calls in the calling thread."""

    def __init__(self, session: Session, link: Link[SyncTransport]) -> None:
        self.session = session
        self.link = link

    def run(self, flow: Flow[T]) -> T:
        """Run one call."""
        return run_sync(flow, self.link.transport(), self.session.clock, self.link.is_closed)

    def close(self) -> None:
        """Close the transport, if it is ours."""
        transport = self.link.to_close()
        self.session.facts.board.wake()
        if transport is not None:
            transport.close()


class AsyncCaller:
    """Runs calls on the running loop, which must be the one of the first call."""

    def __init__(self, session: Session, link: AsyncLink) -> None:
        self.session = session
        self.link = link

    async def run(self, flow: Flow[T]) -> T:
        """Run one call."""
        self.link.check_loop()
        return await run_async(flow, self.link.transport(), self.session.clock, self.link.is_closed)

    async def close(self) -> None:
        """Close the transport, if it is ours."""
        self.link.check_loop()
        transport = self.link.to_close()
        self.session.facts.board.wake()
        if transport is not None:
            await transport.aclose()
