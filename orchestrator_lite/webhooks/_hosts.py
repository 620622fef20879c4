"""Receivers side by side: one that is slow or gone takes no place of another's."""

from __future__ import annotations

import asyncio
from typing import Final

from orchestrator_lite.egress.errors import EgressRefused
from orchestrator_lite.egress.targets import target_of

PLACES: Final = 4
"""Attempts at one host at the same time."""

HELD: Final = 64
"""Messages for one host in memory; what comes beyond waits in the store."""

GONE: Final = 5.0
"""Seconds for which a host counts as gone when nobody answered there; shorter than every pause of a message."""

_FIRST_GUESS: Final = 0.05
_SHORTEST: Final = 0.05
_LONGEST: Final = 30.0


class Host:
    """One receiving host.

    Attributes:
        held: Messages for it that are in memory.
        gate: Who may speak to it now.
        put_off: Messages that were left in the store since it last had room.
    """

    def __init__(self) -> None:
        self.held = 0
        self.put_off = 0
        self.gate = asyncio.Semaphore(PLACES)
        self._gone_until = 0.0
        self._why = ""
        self._pace = _FIRST_GUESS

    @property
    def is_full(self) -> bool:
        """Whether more for it has to wait in the store."""
        return self.held >= HELD

    def gone(self, now: float) -> str | None:
        """Why nobody is asked there just now, if so (`now` is monotonic)."""
        return self._why if now < self._gone_until else None

    def lost(self, why: str, now: float) -> None:
        """Nobody answered there."""
        self._gone_until, self._why = now + GONE, why

    def took(self, seconds: float) -> None:
        """An attempt ended after so long."""
        self._pace += (seconds - self._pace) / 4

    def wait(self) -> float:
        """Seconds until one more message is looked at again: half of what those before it seem to take.

        As many as there is room for come back together; one that comes too early is put off again.
        """
        rounds = self.put_off // HELD + 1
        self.put_off += 1
        return min(max(rounds * HELD * self._pace / PLACES / 2, _SHORTEST), _LONGEST)


class Hosts:
    """The receiving hosts that there is something for."""

    def __init__(self) -> None:
        self._hosts: dict[object, Host] = {}

    def of(self, url: str) -> Host:
        """The host of a URL."""
        return self._hosts.setdefault(_key(url), Host())

    def tidy(self, now: float) -> None:
        """Forget those that are at rest."""
        for key in [key for key, host in self._hosts.items() if not host.held and host.gone(now) is None]:
            del self._hosts[key]

    def has_room(self) -> None:
        """A look at the store begins: what was put off counts anew."""
        for host in self._hosts.values():
            host.put_off = 0


def _key(url: str) -> object:
    try:
        return target_of(url).origin
    except EgressRefused:
        return None  # none of these will be connected to
