"""The vocabulary of a call: the steps it yields and what it is sent back."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from avtomatika_client._calls._board import Wake

T = TypeVar("T")


class Upload(Protocol):
    """A body that is sent in pieces. Reading may block: async transports do it on a thread, within `Clock.hold`."""

    @property
    def size(self) -> int | None:
        """Bytes in all; None when that is not known."""

    def chunks(self) -> Iterator[bytes]:
        """The body from its beginning, again at every try."""


class Sink(Protocol):
    """Takes the body of a successful reply in pieces. Writing may block, as above."""

    def begin(self, headers: Mapping[str, str]) -> None:
        """A 2xx reply begins (names in lower case); what an earlier try wrote is void."""

    def write(self, chunk: bytes) -> None:
        """The next piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request.

    Attributes:
        method: Upper-case method.
        url: Absolute URL with its query.
        headers: Names in lower case.
        content: The body, or None.
        long: Whether the server may hold it (long-poll, file): long exchanges have a pool and gate of their own, so
            they never take a short one's place.
        upload: A body sent in pieces, in place of `content`.
        sink: Where the body of a 2xx reply goes, in place of `Reply.content`; other replies are read whole.
        stall: Seconds without a single byte in either direction after which the exchange has failed; None: no limit.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    long: bool = False
    upload: Upload | None = None
    sink: Sink | None = None
    stall: float | None = None

    @property
    def in_pieces(self) -> bool:
        """Whether a body of it, in either direction, is not held in memory."""
        return self.upload is not None or self.sink is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP reply, read whole.

    Attributes:
        status: The status code.
        headers: Names in lower case.
        content: The body.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Send:
    """Ask the driver to exchange `request` within `timeout` seconds (queueing included; None: without end)."""

    request: Request
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """Ask the driver to let `seconds` pass; `upkeep`: between two looks at something that may never change."""

    seconds: float
    upkeep: bool = False


@dataclass(frozen=True, slots=True)
class Park:
    """Ask the driver to sleep until `wake` is set, `seconds` at most."""

    wake: Wake
    seconds: float


Step: TypeAlias = Send | Sleep | Park
Flow: TypeAlias = Generator[Step, Reply | None, T]
"""A call: yields steps, is sent a Reply for each Send, has transport errors thrown into it, returns a T."""
