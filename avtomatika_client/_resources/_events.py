"""Events one by one, on both faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from avtomatika_client._calls.events import Events
    from avtomatika_client._link import AsyncCaller, SyncCaller
    from avtomatika_client.protocol.watching import JobEvent


def each_event(caller: SyncCaller, events: Events) -> Iterator[JobEvent]:
    """The events as they come, to the last."""
    while not events.is_over:
        yield from caller.run(events.next())


async def each_event_async(caller: AsyncCaller, events: Events) -> AsyncIterator[JobEvent]:
    """The events as they come, to the last."""
    while not events.is_over:
        for event in await caller.run(events.next()):
            yield event
