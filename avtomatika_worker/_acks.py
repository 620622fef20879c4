"""Receipts: each delivery is acknowledged with the next request that goes out anyway, soon enough in any case."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from avtomatika_worker._wire import Ack


class Acks:
    """Which deliveries of one orchestrator it does not know we received."""

    def __init__(self) -> None:
        self._waiting: dict[Ack, None] = {}
        self.arrived = asyncio.Event()

    def add(self, task_id: str, attempt: int) -> None:
        """A task was received."""
        self._waiting[task_id, attempt] = None
        self.arrived.set()

    @property
    def waiting(self) -> tuple[Ack, ...]:
        """What no request carries yet."""
        return tuple(self._waiting)

    def confirm(self, acks: Iterable[Ack]) -> None:
        """The orchestrator has them."""
        for ack in acks:
            self._waiting.pop(ack, None)
        if not self._waiting:
            self.arrived.clear()

    @contextmanager
    def carried(self) -> Iterator[tuple[Ack, ...]]:
        """Everything waiting, for a request that carries it; what it raises puts them back."""
        carried = self.waiting
        self.confirm(carried)
        try:
            yield carried
        except BaseException:
            for ack in carried:
                self.add(*ack)
            raise
