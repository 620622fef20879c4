"""The two drivers of a flow: what the sans-I/O calls ask for, done in a thread or on an event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from avtomatika_client._calls._flow import Park, Sleep
from avtomatika_client.errors import APIConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from avtomatika_client._calls._flow import Flow, Reply
    from avtomatika_client._seam import AsyncTransport, SyncTransport
    from avtomatika_client.protocol.clock import Clock

T = TypeVar("T")


CLOSED: Final = "this client is closed"


def _open() -> bool:
    return False


def run_sync(flow: Flow[T], transport: SyncTransport, clock: Clock, is_closed: Callable[[], bool] = _open) -> T:
    """Run a flow in the calling thread; errors of the transport are thrown into it, unless the client was closed.

    A wait outlasts lost connections; that its client is closed it cannot.
    """
    reply: Reply | None = None
    try:
        step = next(flow)
        while True:
            if isinstance(step, Sleep):
                clock.sleep_blocking(step.seconds)
                step = flow.send(None)
                continue
            if isinstance(step, Park):
                _park_sync(step)
                step = flow.send(None)
                continue
            if is_closed():
                raise APIConnectionError(CLOSED, sent=False)
            try:
                reply = transport.send(step.request, timeout=step.timeout)
            except APIConnectionError as error:
                if is_closed():
                    raise
                step = flow.throw(error)
            else:
                step = flow.send(reply)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        flow.close()


async def run_async(flow: Flow[T], transport: AsyncTransport, clock: Clock, is_closed: Callable[[], bool] = _open) -> T:
    """`run_sync`, on the running loop."""
    reply: Reply | None = None
    try:
        step = next(flow)
        while True:
            if isinstance(step, Sleep):
                await clock.sleep(step.seconds, upkeep=step.upkeep)
                step = flow.send(None)
                continue
            if isinstance(step, Park):
                await _park_async(step, clock)
                step = flow.send(None)
                continue
            if is_closed():
                raise APIConnectionError(CLOSED, sent=False)
            try:
                reply = await transport.send(step.request, timeout=step.timeout)
            except APIConnectionError as error:
                if is_closed():
                    raise
                step = flow.throw(error)
            else:
                step = flow.send(reply)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        flow.close()


def _park_sync(step: Park) -> None:
    woken = threading.Event()
    with step.wake.calling(woken.set):
        woken.wait(step.seconds)


async def _park_async(step: Park, clock: Clock) -> None:
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()
    # Whoever wakes it may be in another thread, and this loop may be gone by then.
    with step.wake.calling(lambda: loop.is_closed() or loop.call_soon_threadsafe(_set, woken)):
        await clock.wait_any((woken,), step.seconds, upkeep=True)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
