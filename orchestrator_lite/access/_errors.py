"""What access control says when it says no."""

from __future__ import annotations

from collections.abc import Mapping

from avtomatika_client.protocol.errors import AvtomatikaError


class AccessError(AvtomatikaError):
    """The server refuses to start: open to others without credentials, or with credentials it cannot read."""


class Refused(AvtomatikaError):
    """A request that is not let in, with the status, text and headers of its answer.

    Attributes:
        status: Of the answer.
        headers: What the answer carries besides, such as `Retry-After`.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
