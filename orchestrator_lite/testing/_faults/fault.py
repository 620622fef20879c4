"""One fault: what it does, for which route, how often, and what to say of it when it did not strike."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from orchestrator_lite.testing._faults.route import Route

_HERE: Final = __package__


class Kind(Enum):
    """What a fault does; the values are the names it is set by."""

    DROP_REQUEST = "drop_request"
    DROP_RESPONSE = "drop_response"
    DELAY = "delay"
    DUPLICATE = "duplicate"
    STATUS = "status"
    CLOSE_WEBSOCKET = "close_websocket"


HANDSHAKES: Final = frozenset({Kind.DROP_REQUEST, Kind.DELAY, Kind.STATUS})
"""What strikes the opening of a WebSocket as well as a request."""


class Fault:
    """A fault that was set. In a `with` block it is removed at the block's end.

    Attributes:
        kind: What it does.
        route: What it is for.
        times: How often it strikes; None: always.
        seconds: The time a `delay` takes.
        code: The `status` that is answered.
        retry_after: Seconds, for the header Retry-After of a `status`.
        asked: How many requests (for `close_websocket`: sockets) came to its route since it was set.
        struck: How often it struck.
        removed: Whether it was removed.
    """

    __slots__ = (
        "_call",
        "_where",
        "asked",
        "code",
        "kind",
        "removed",
        "retry_after",
        "route",
        "seconds",
        "struck",
        "times",
    )

    def __init__(
        self,
        kind: Kind,
        route: str,
        times: int | None,
        *,
        seconds: float = 0.0,
        code: int = 0,
        retry_after: float | None = None,
    ) -> None:
        self.kind = kind
        self.route = Route(route)
        self.times = _checked_times(times)
        self.seconds = _checked_seconds("seconds", seconds)
        self.code = code
        self.retry_after = None if retry_after is None else _checked_seconds("retry_after", retry_after)
        if kind is Kind.STATUS and code not in range(100, 600):
            raise ValueError(f"code {code!r}: an HTTP status is a whole number from 100 to 599")
        self.asked = self.struck = 0
        self.removed = False
        self._call = self._written()
        self._where = _where()

    @property
    def is_spent(self) -> bool:
        """Whether it strikes no more."""
        return self.removed or (self.times is not None and self.struck >= self.times)

    def strike(self) -> bool:
        """Count one strike, if it has any left."""
        if self.is_spent:
            return False
        self.struck += 1
        return True

    def remove(self) -> None:
        """Let it strike no more; it still counts as unused when it never did."""
        self.removed = True

    def complaint(self, seen: Iterable[str]) -> str | None:
        """One line on a fault that struck less often than it was set to, or None.

        Args:
            seen: What was asked, as `METHOD /path`: its nearest likeness is named.
        """
        wanted = 1 if self.times is None or self.removed else self.times
        if self.struck >= wanted:
            return None
        return f"{self._call} struck {_times(self.struck)}: {self._reason(seen)} (set at {self._where})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<{self._call}, struck {_times(self.struck)}>"

    def _reason(self, seen: Iterable[str]) -> str:
        socket = self.kind is Kind.CLOSE_WEBSOCKET
        if self.asked > self.struck:
            return f"the route was asked {_often(self.asked)}, but faults set earlier struck there"
        if self.asked:
            how_often = _often(self.asked)
            return f"a WebSocket was opened only {how_often}" if socket else f"the route was asked only {how_often}"
        if socket:
            return "no WebSocket was opened on the route"
        near = get_close_matches(self.route.text, list(seen), 1, 0.7)
        return "the route was never asked" + (f"; {near[0]} was" if near else "")

    def _written(self) -> str:
        """The call as the test wrote it, without what is default."""
        arguments = [f"{self.seconds:g}"] if self.kind is Kind.DELAY else []
        if self.kind is Kind.STATUS:
            arguments.append(str(self.code))
        if self.route.text != "*":
            arguments.append(f'"{self.route.text}"')
        if self.times != 1:
            arguments.append(f"times={self.times}")
        if self.retry_after is not None:
            arguments.append(f"retry_after={self.retry_after:g}")
        return f"{self.kind.value}({', '.join(arguments)})"


def _checked_times(times: object) -> int | None:
    if times is None or (isinstance(times, int) and not isinstance(times, bool) and times >= 1):
        return times
    raise ValueError(f"times {times!r}: a whole number from 1, or None for always")


def _checked_seconds(name: str, seconds: object) -> float:
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < float("inf"):
        return seconds
    raise ValueError(f"{name} {seconds!r}: a number of seconds from 0")


def _times(count: int) -> str:
    return f"{count} time" if count == 1 else f"{count} times"


def _often(count: int) -> str:
    return "once" if count == 1 else _times(count)


def _where() -> str:
    """File and line of the nearest caller outside this package."""
    frame = sys._getframe(1)  # noqa: SLF001 - as `warnings` does; inspect would read the source of every frame
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(_HERE):
        frame = frame.f_back
    file = Path(frame.f_code.co_filename)
    near = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f"{near}:{frame.f_lineno}"
