"""Names to addresses, in threads that nobody has to wait for: a lookup cannot be ended, only left alone."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeAlias

from avtomatika_client.protocol.clock import Clock

AT_ONCE: Final = 16
"""Lookups at the same time; one whose name server is silent takes half a minute."""

Resolver: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a name, for a port; `OSError` when it has none."""


def system_resolver(clock: Clock) -> Resolver:
    """The machine's own resolver.

    Args:
        clock: Stands still while a lookup goes on.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def resolve(host: str, port: int) -> list[str]:
        async with gate:
            with clock.hold():
                return await _looked_up(host, port)

    return resolve


async def _looked_up(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str], error: OSError | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def look_up() -> None:
        addresses, failure = _asked(host, port)
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, addresses, failure)

    threading.Thread(target=look_up, name="egress-resolver", daemon=True).start()
    return await found


def _asked(host: str, port: int) -> tuple[list[str], OSError | None]:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return [], error if isinstance(error, OSError) else OSError(str(error))
    return list(dict.fromkeys(str(row[4][0]) for row in rows)), None
