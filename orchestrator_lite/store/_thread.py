"""The thread that owns the database: it takes all calls that wait as one group, and answers once per group."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from contextlib import suppress
from typing import Any

from orchestrator_lite.store import _group
from orchestrator_lite.store._rows import StoreError
from orchestrator_lite.store._transaction import Transaction

_log = logging.getLogger(__name__)

# Bounds how long the first caller of a group waits for the last.
_LARGEST_GROUP = 1000


class WaitingCall(_group.Call):
    """A call whose caller awaits a future of its own event loop."""

    __slots__ = ("future", "loop")

    def __init__(self, verb: Callable[..., Any], arguments: tuple[Any, ...], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(verb, arguments)
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()

    def settle(self) -> None:
        """Give the outcome to the caller, if it still waits. Runs in the caller's loop."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class StoreThread:
    """Performs calls from any number of event loops, in the order they came."""

    def __init__(self, open_transaction: Callable[[], Transaction]) -> None:
        self._open_transaction = open_transaction
        self._waiting: queue.SimpleQueue[WaitingCall | None] = queue.SimpleQueue()
        self._opened: futures.Future[None] = futures.Future()
        self._ended: futures.Future[None] = futures.Future()
        self.tx: Transaction | None = None
        # No call of another loop's thread may come to stand behind the one that ends the queue.
        self._gate = threading.Lock()
        self._finishing = False
        # A daemon: a store that nobody closed must not keep the interpreter from ending. What was answered is on disk.
        self._thread = threading.Thread(target=self._run, name="orchestrator-lite-store", daemon=True)

    async def start(self) -> None:
        """Open the database in the thread; raises what opening it raises."""
        self._thread.start()
        await asyncio.shield(asyncio.wrap_future(self._opened))

    def submit(self, verb: Callable[..., Any], arguments: tuple[Any, ...]) -> asyncio.Future[Any]:
        """Queue a call; the future is of the running loop. Cancelling it does not take the call back."""
        call = WaitingCall(verb, arguments, asyncio.get_running_loop())
        with self._gate:
            if self._finishing:
                raise StoreError("The store is closed.")
            self._waiting.put(call)
        return call.future

    def finish(self) -> None:
        """Ask the thread to end after the calls that wait."""
        with self._gate:
            self._finishing = True
            self._waiting.put(None)

    async def join(self) -> None:
        """Wait for the thread's end, which cancelling does not put off."""
        await asyncio.shield(asyncio.wrap_future(self._ended))
        self._thread.join()

    def _run(self) -> None:
        try:
            self.tx = self._open_transaction()
        except BaseException as error:
            self._ended.set_result(None)
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        try:
            self._serve(self.tx)
        finally:
            self.tx.close()
            self._ended.set_result(None)

    def _serve(self, tx: Transaction) -> None:
        going_on = True
        while going_on:
            group, going_on = self._next_group()
            _group.perform(tx, group)
            _hand_back(group)

    def _next_group(self) -> tuple[list[WaitingCall], bool]:
        """All calls that wait, at least one; and whether there will be more."""
        group: list[WaitingCall] = []
        call = self._waiting.get()
        with suppress(queue.Empty):
            while call is not None:
                group.append(call)
                if len(group) == _LARGEST_GROUP:
                    return group, True
                call = self._waiting.get_nowait()
            return group, False
        return group, True


def _hand_back(group: Sequence[WaitingCall]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[WaitingCall]] = {}
    for call in group:
        by_loop.setdefault(call.loop, []).append(call)
    for loop, calls in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, calls)
        except RuntimeError:
            _log.debug("The event loop of %d callers was closed before their answer.", len(calls))


def _settle(calls: Sequence[WaitingCall]) -> None:
    for call in calls:
        call.settle()
