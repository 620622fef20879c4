"""The line between a process of `dev` and its parent, seen from the process: orders come in, news go out.

When the parent ends, however it ends, the line ends too, and that is the process's word to stop.
"""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import socket
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.dev.develop._orders import Go, Load, Message, Stop, decode, encode
from orchestrator_lite.dev.develop._server_options import ServerOptions

Order = TypeVar("Order", Load, Go)

LAST_SECONDS: Final = 4.0
"""How long a process may outlive its parent."""


class Leash:
    """One end of a socket pair; a thread of its own reads it, so that orders arrive whatever else runs."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._orders: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._listener: Callable[[Message], None] | None = None
        self.door: socket.socket | None = None
        """The listening socket that came with `Go`."""
        threading.Thread(target=self._read, name="leash", daemon=True).start()

    @classmethod
    def of(cls, descriptor: str) -> Leash:
        """The leash whose file descriptor the parent has named."""
        channel = socket.socket(fileno=int(descriptor))
        channel.set_inheritable(False)
        return cls(channel)

    def say(self, message: Message) -> None:
        """Tell the parent; nothing happens when it is gone."""
        try:
            self._channel.sendall(encode(message))
        except OSError:
            return

    def load(self) -> ServerOptions:
        """Wait to be told what to load; any other order ends the process, which has nothing to finish yet."""
        return ServerOptions.decode(self._next(Load).options)

    def go(self) -> Go:
        """Wait for `Go`; any other order ends the process likewise."""
        return self._next(Go)

    def _next(self, kind: type[Order]) -> Order:
        order = self._orders.get()
        if not isinstance(order, kind):
            raise SystemExit(0)
        return order

    def listen(self, obey: Callable[[Message], None]) -> None:
        """Have every order from now on obeyed on the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._listener = lambda order: _call(loop, obey, order)
            while not self._orders.empty():
                self._listener(self._orders.get())

    def _read(self) -> None:
        left = b""
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._channel, 65536, 1)
            except OSError:
                data, descriptors = b"", []
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
                self.door = socket.socket(fileno=descriptor)
            if not data:
                self._orphaned()
                return
            *lines, left = (left + data).split(b"\n")
            for line in lines:
                self._deliver(decode(line))

    def _deliver(self, order: Message) -> None:
        with self._lock:
            if self._listener is None:
                self._orders.put(order)
            else:
                self._listener(order)

    def _orphaned(self) -> None:
        with self._lock:
            running = self._listener is not None
        if running:
            self._deliver(Stop())
            SYSTEM_CLOCK.sleep_blocking(LAST_SECONDS)
        _end_group()


def _call(loop: asyncio.AbstractEventLoop, obey: Callable[[Message], None], order: Message) -> None:
    try:
        loop.call_soon_threadsafe(obey, order)
    except RuntimeError:  # the loop has ended: there is nothing left to obey
        return


def _end_group() -> None:
    """End this process and what it has started."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)
