"""The vocabulary of a call: the steps it yields and what it is sent back."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

T = TypeVar("T")


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
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    long: bool = False


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


Step: TypeAlias = Send | Sleep
Flow: TypeAlias = Generator[Step, Reply | None, T]
"""A call: yields steps, is sent a Reply for each Send, has transport errors thrown into it, returns a T."""
