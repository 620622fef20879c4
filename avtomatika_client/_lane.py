"""A lane: a gate, and behind it one pool of connections per route."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

from avtomatika_client._loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

Pool = TypeVar("Pool")
Gate = TypeVar("Gate")

_logger = logging.getLogger(__name__)


class Route(NamedTuple):
    """What a pool depends on: TLS or not, straight or through the environment's proxies."""

    secure: bool
    direct: bool

    @classmethod
    def to(cls, origin: str) -> Route:
        """The route to a scheme and host; this machine is never reached through a proxy."""
        parts = urlsplit(origin)
        return cls(parts.scheme == "https", is_loopback(parts.hostname or "") or not getproxies())


class Lane(Generic[Pool, Gate]):
    """A gate and the pools behind it, one per route, opened when first used."""

    def __init__(self, places: int, gate: Gate, open_pool: Callable[[Route, int], Pool]) -> None:
        self.gate: Gate = gate
        self._places = places
        self._open_pool = open_pool
        self._by_origin: dict[str, Pool] = {}
        self._pools: dict[Route, Pool] = {}
        self._retired: list[Pool] = []

    def pool(self, url: str) -> Pool:
        """The pool for an absolute URL."""
        end = url.find("/", len("https://"))
        origin = url if end < 0 else url[:end]
        pool = self._by_origin.get(origin)
        if pool is None:
            route = Route.to(origin)
            pool = self._pools.get(route) or self._pools.setdefault(route, self._open_pool(route, self._places))
            self._by_origin[origin] = pool
        return pool

    def retire(self, pool: Pool) -> None:
        """Replace a pool whose places leaked: the gate lets no more in than it has, so it can never be full."""
        _logger.warning("A connection pool had lost its places and is replaced")
        self._by_origin.clear()
        for route, known in list(self._pools.items()):
            if known is pool:
                del self._pools[route]
                self._retired.append(pool)

    def pools(self) -> list[Pool]:
        """Every pool that must be closed."""
        return [*self._pools.values(), *self._retired]
