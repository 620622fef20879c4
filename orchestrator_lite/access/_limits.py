"""Rate limits, in windows of a minute: by token, by address before authentication, and for wrong credentials."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.access._errors import Refused
from orchestrator_lite.access._origin import sender
from orchestrator_lite.settings import Settings

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.aio.strategies import FixedWindowRateLimiter

log = logging.getLogger(__name__)

MINUTE: Final = 60
MOST_SENDERS: Final = 10_000
"""Senders whose requests are counted at a time; beyond them the oldest is forgotten."""

TOO_MANY: Final = "Too Many Requests"


@dataclass(frozen=True)
class Standing:
    """How a sender stands with a limit.

    Attributes:
        limit: Requests a minute; 0: any number.
        remaining: How many are left.
        reset: When the window ends, UTC seconds.
    """

    limit: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """What an answer says of it."""
        if not self.limit:
            return {}
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }

    @cached_property
    def lines(self) -> list[tuple[bytes, bytes]]:
        """The same as a server sends them; one standing serves many answers."""
        return [(name.lower().encode(), value.encode()) for name, value in self.headers().items()]


class Limit:
    """One limit with the windows of all whom it is counted for.

    The library is loaded when the first one is counted: it takes longer than everything else of a start.

    Args:
        a_minute: Requests a minute; 0: any number.
        clock: Whose minutes.
    """

    def __init__(self, a_minute: int, clock: Clock) -> None:
        self.a_minute = a_minute
        self._clock = clock
        self._loaded: tuple[FixedWindowRateLimiter, RateLimitItem] | None = None
        self._idle = Standing(a_minute, a_minute, 0)

    def idle(self) -> Standing:
        """Nothing taken: of those whom it is not counted for."""
        reset = math.ceil(self._clock.now()) + MINUTE
        if self._idle.reset != reset:
            self._idle = Standing(self.a_minute, self.a_minute, reset)
        return self._idle

    async def take(self, key: str) -> Standing:
        """Count one request.

        Raises:
            Refused: 429: there were too many; `Retry-After` is the end of the window.
        """
        if not self.a_minute:
            return self.idle()
        limiter, item = self._limiter()
        free = await limiter.hit(item, key)
        stats = await limiter.get_window_stats(item, key)
        left = stats.reset_time - self._clock.monotonic()
        standing = Standing(self.a_minute, stats.remaining, math.ceil(self._clock.now() + left))
        if not free:
            raise Refused(429, TOO_MANY, {**standing.headers(), "Retry-After": str(max(1, math.ceil(left)))})
        return standing

    async def spent(self, key: str) -> bool:
        """Whether nothing is left; nothing is counted."""
        if not self.a_minute or self._loaded is None:
            return False
        limiter, item = self._loaded
        return not await limiter.test(item, key)

    def _limiter(self) -> tuple[FixedWindowRateLimiter, RateLimitItem]:
        if self._loaded is None:
            from limits import RateLimitItemPerMinute
            from limits.aio.strategies import FixedWindowRateLimiter

            from orchestrator_lite.access._windows import Windows

            self._loaded = (
                FixedWindowRateLimiter(Windows(self._clock, MOST_SENDERS)),
                RateLimitItemPerMinute(self.a_minute),
            )
        return self._loaded


class Limits:
    """The limits of one server.

    Args:
        settings: How many requests a minute.
        clock: Whose minutes.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._loopback = settings.rate_limit_loopback
        self._tokens = Limit(settings.rate_limit, clock)
        self._addresses = Limit(settings.rate_limit_address, clock)
        self._workers = Limit(settings.rate_limit_workers, clock)
        self._failures = Limit(settings.rate_limit_failures, clock)

    async def client(self, name: str, address: str | None) -> Standing:
        """Count a request of a client that was let in.

        Args:
            name: The client's.
            address: Where the request comes from; None: this machine.

        Raises:
            Refused: 429.
        """
        free = not self._loopback and sender(address) is None
        return self._tokens.idle() if free else await self._tokens.take(name)

    async def stranger(self, address: str | None) -> Standing:
        """Count a request of somebody unknown.

        Raises:
            Refused: 429.
        """
        whom = sender(address)
        if whom is None and not self._loopback:
            return self._addresses.idle()
        return await self._addresses.take(whom or "loopback")

    async def worker(self, worker_id: str) -> None:
        """Count a request of a worker that was let in.

        Raises:
            Refused: 429.
        """
        if self._workers.a_minute:
            await self._workers.take(worker_id)

    async def failed(self, address: str | None) -> None:
        """Count wrong credentials; this machine's count too.

        Raises:
            Refused: 429: there were too many within a minute.
        """
        whom = sender(address) or "loopback"
        slowed = await self._failures.spent(whom)
        try:
            await self._failures.take(whom)
        finally:
            if not slowed and await self._failures.spent(whom):
                log.warning("wrong credentials from %s: more of them are refused for a minute", whom)

    async def suspected(self, address: str | None) -> bool:
        """Whether too many wrong credentials have come from an address within a minute."""
        return await self._failures.spent(sender(address) or "loopback")
