"""Faults of a network, put between an in-process server and its clients and workers, by route and count."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from orchestrator_lite.testing._faults.fault import HANDSHAKES, Fault, Kind

_REMEMBERED: Final = 200
"""Different requests remembered to suggest what a misspelt route may have meant."""


class Cuttable(Protocol):
    """An open WebSocket, as faults see it."""

    @property
    def path(self) -> str:
        """The path it was opened on, decoded."""

    def cut(self) -> None:
        """End it for both sides without a closing handshake."""


class Strike(NamedTuple):
    """What one request meets.

    Attributes:
        delay: Seconds by which it arrives later.
        fault: What happens to it then; None: nothing else.
    """

    delay: float
    fault: Fault | None


class Faults:
    """The faults of one test.

    A request meets the faults of its route in the order they were set: delays add up, and the first other fault that
    has strikes left decides. So `delay(1, times=None)` slows whatever else is set, and `status(503, times=2)` before
    `drop_response()` makes two refusals and then one lost reply.

    `route` is `METHOD /path`, `/path` or `*` (all); `*` in a path stands for one or more characters, `{name}` for one
    segment. `times` is how often the fault strikes, None: always. All six raise ValueError for what cannot be meant,
    and return the fault: it tells how often it `struck`, has `remove()`, and ends with a `with` block around it.
    """

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._sockets: dict[Cuttable, None] = {}
        self._seen: dict[str, None] = {}

    def drop_request(self, route: str = "*", *, times: int | None = 1) -> Fault:
        """Lose the request on its way: the server never sees it, the caller gets a broken connection.

        The caller cannot know where the connection broke, so only calls that may be repeated are.
        """
        return self._set(Fault(Kind.DROP_REQUEST, route, times))

    def drop_response(self, route: str = "*", *, times: int | None = 1) -> Fault:
        """Lose the reply: the server does all it was asked for, the caller gets a broken connection. HTTP only."""
        return self._set(Fault(Kind.DROP_RESPONSE, route, times))

    def delay(self, seconds: float, route: str = "*", *, times: int | None = 1) -> Fault:
        """Let the request arrive later, by the test's clock; one whose caller has given up arrives all the same."""
        return self._set(Fault(Kind.DELAY, route, times, seconds=seconds))

    def duplicate(self, route: str = "*", *, times: int | None = 1) -> Fault:
        """Deliver the request twice at once; the caller gets the second reply. HTTP only.

        A body sent in pieces has one reader at a time: with one, the second follows when the first has ended.
        """
        return self._set(Fault(Kind.DUPLICATE, route, times))

    def status(self, code: int, route: str = "*", *, times: int | None = 1, retry_after: float | None = None) -> Fault:
        """Answer in the server's place, in its error envelope; opening a WebSocket is refused so.

        Args:
            code: The HTTP status, 100 to 599.
            route: What it is for.
            times: How often.
            retry_after: Seconds, for the header Retry-After.
        """
        return self._set(Fault(Kind.STATUS, route, times, code=code, retry_after=retry_after))

    def close_websocket(self, route: str = "*", *, times: int | None = 1) -> Fault:
        """Break a WebSocket: the one that has been open longest, or else the next one, as soon as it is open."""
        fault = self._set(Fault(Kind.CLOSE_WEBSOCKET, route, times))
        for socket in list(self._sockets):
            if fault.route.matches("GET", socket.path):
                fault.asked += 1
                if not fault.strike():
                    break
                socket.cut()
        return fault

    def unused(self) -> list[str]:
        """One line for each fault that struck less often than it was set to, with the line that set it."""
        return [line for fault in self._faults if (line := fault.complaint(self._seen)) is not None]

    @property
    def spent(self) -> int:
        """How often faults that strike a number of times have struck: once that stands still, they bring no change."""
        return sum(fault.struck for fault in self._faults if fault.times is not None)

    def clear(self) -> None:
        """Forget all faults."""
        self._faults.clear()
        self._seen.clear()

    def meet(self, method: str, path: str, *, handshake: bool = False) -> Strike | None:
        """What a request meets, which is counted; for transports.

        Args:
            method: Its method.
            path: Its path, decoded.
            handshake: Whether it opens a WebSocket.
        """
        if not self._faults:
            return None
        if len(self._seen) < _REMEMBERED:
            self._seen[f"{method} {path}"] = None
        delay, decisive = 0.0, None
        for fault in self._concerned(method, path, handshake=handshake):
            fault.asked += 1
            if decisive is None and fault.strike():
                delay += fault.seconds
                decisive = None if fault.kind is Kind.DELAY else fault
        return Strike(delay, decisive) if delay or decisive else None

    def opened(self, socket: Cuttable) -> None:
        """A socket is open; it may be broken here and now. For transports."""
        self._sockets[socket] = None
        broken = False
        for fault in self._faults:
            if fault.kind is Kind.CLOSE_WEBSOCKET and fault.route.matches("GET", socket.path):
                fault.asked += 1
                broken = broken or fault.strike()
        if broken:
            socket.cut()

    def closed(self, socket: Cuttable) -> None:
        """A socket is open no more. For transports."""
        self._sockets.pop(socket, None)

    def _set(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    def _concerned(self, method: str, path: str, *, handshake: bool) -> list[Fault]:
        return [
            fault
            for fault in self._faults
            if fault.kind is not Kind.CLOSE_WEBSOCKET
            and (not handshake or fault.kind in HANDSHAKES)
            and fault.route.matches(method, path)
        ]
