"""What every call of one client shares, and the way of one call: send, retry, read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

from avtomatika_client._calls._board import Board
from avtomatika_client._calls._envelope import path_of, read_error
from avtomatika_client._calls._flow import Request, Send, Sleep
from avtomatika_client._calls._retry import Retry, worth_repeating
from avtomatika_client.errors import APIConnectionError, APIStatusError, APITimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from avtomatika_client._calls._flow import Flow, Reply, Sink, Upload
    from avtomatika_client.protocol.clock import Clock

T = TypeVar("T")

_SAFE_METHODS = frozenset({"GET", "HEAD"})


class Unset(Enum):
    """The type of `UNSET`, so that None can mean "without end"."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
Timeout: TypeAlias = float | Literal[Unset.UNSET] | None
"""Seconds; None: without end; UNSET: what the client was made with."""


@dataclass(slots=True)
class ServerFacts:
    """What the copies of one client know together.

    Attributes:
        features: What the server can do beyond the seed protocol; None until it was asked.
        board: The waits that are under way, in whichever thread or task.
        readers: One object per request for events that is under way.
        gather: Seconds in which waits that begin together find each other: threads begin one by one.
    """

    features: frozenset[str] | None = None
    board: Board = field(default_factory=Board)
    gather: float = 0.0
    readers: set[object] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What every call of one client shares.

    Attributes:
        base_url: Without a slash at its end.
        headers: Sent with every request; holds the token.
        clock: Whose seconds all timeouts are.
        timeout: Seconds a call may take in all, where it does not say; None: without end.
        retry: When to try again.
        facts: What the copies of one client know together.
    """

    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    clock: Clock
    timeout: float | None = 30.0
    retry: Retry = field(default_factory=Retry)
    facts: ServerFacts = field(default_factory=ServerFacts)

    def request(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        long: bool = False,
        upload: Upload | None = None,
        sink: Sink | None = None,
        stall: float | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Request:
        """A request of this client; `content` is JSON, `more` are headers beyond those of every request."""
        headers = dict(self.headers)
        if more:
            headers.update(more)
        if content is not None:
            headers["content-type"] = "application/json"
        elif upload is not None:
            headers["content-type"] = "application/octet-stream"
        return Request(
            method=method,
            url=self.base_url + path,
            headers=headers,
            content=content,
            long=long or upload is not None or sink is not None,
            upload=upload,
            sink=sink,
            stall=stall,
        )

    def budget(self, timeout: Timeout = UNSET) -> Budget:
        """The time of a call that starts now."""
        return Budget(self.clock, self.timeout if timeout is UNSET else timeout)


class Budget:
    """The time left of a total deadline.

    Attributes:
        total: Seconds in all; None: without end.
        started: When it began, by the clock.
    """

    __slots__ = ("_clock", "started", "total")

    def __init__(self, clock: Clock, total: float | None) -> None:
        self._clock = clock
        self.total = total
        self.started = clock.monotonic()

    @property
    def left(self) -> float | None:
        """Seconds left, never negative; None: without end."""
        if self.total is None:
            return None
        return max(0.0, self.started + self.total - self._clock.monotonic())

    def at_most(self, seconds: float) -> float:
        """`seconds`, or what is left when that is less."""
        left = self.left
        return seconds if left is None else min(seconds, left)

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.left == 0.0


def call(
    session: Session,
    request: Request,
    budget: Budget,
    *,
    safe: bool | None = None,
    passing: frozenset[int] = frozenset(),
    renewed: Callable[[Request], Request] | None = None,
) -> Flow[Reply]:
    """Exchange a request, trying again as the session's policy and what is known of a failure allow.

    Args:
        session: Whose call it is.
        request: What to send.
        budget: The time for all attempts and the pauses between them.
        safe: Whether processing it twice does no harm; default: GET and HEAD.
        passing: Statuses that are no success but are wanted as they are.
        renewed: What the request has become when it is sent, in case a try before it has changed that.

    Raises:
        APIConnectionError: There was no reply (APITimeoutError: in time).
        APIStatusError: The reply is no success.
    """
    harmless = request.method in _SAFE_METHODS if safe is None else safe
    attempt = 0
    while True:
        attempt += 1
        error: APIConnectionError | APIStatusError
        try:
            reply = yield Send(request if renewed is None else renewed(request), budget.left)
        except APIConnectionError as lost:
            error = lost
            error.attempts = attempt
        else:
            assert reply is not None  # noqa: S101  # a driver answers every Send
            if reply.is_success or reply.status in passing:
                return reply
            error = read_error(reply, request, now=session.clock.now(), attempts=attempt)
        pause = pause_after(session, budget, attempt, error, safe=harmless)
        if pause is None:
            raise error
        yield Sleep(pause)


def parse(read: Callable[[bytes], T], reply: Reply, request: Request) -> T:
    """Read a successful reply's body.

    Raises:
        APIStatusError: It is not what the API promises.
    """
    try:
        return read(reply.content)
    except ValueError as error:
        # The cause is left out: it quotes the body, which may hold secrets.
        raise APIStatusError(
            f"the reply cannot be read: {type(error).__name__}",
            status=reply.status,
            method=request.method,
            path=path_of(request.url),
            request_id=reply.headers.get("x-request-id"),
        ) from None


def pause_after(
    session: Session, budget: Budget, attempt: int, error: APIConnectionError | APIStatusError, *, safe: bool
) -> float | None:
    """Seconds until the next attempt after a failure, or None when there is to be none."""
    if budget.is_over and isinstance(error, APITimeoutError):
        return None
    if not worth_repeating(error, safe=safe):
        return None
    pause = session.retry.delay(attempt, error, started=budget.started, clock=session.clock)
    left = budget.left
    return None if pause is None or (left is not None and pause >= left) else pause
