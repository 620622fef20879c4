"""One HTTP exchange as seen from outside: what is known of it when it fails."""

from __future__ import annotations

from avtomatika_client._calls._envelope import path_of
from avtomatika_client._calls._flow import Request
from avtomatika_client.errors import APIConnectionError, APITimeoutError

_SAFE_METHODS = frozenset({"GET", "HEAD"})


class Exchange:
    """Follows the stages of one exchange, so that an error can say whether the request may have been processed.

    Attributes:
        request: What is asked.
        queued: Seconds it waited for a place.
        fresh: A connection was opened for it; False: it rides on a used one.
        sent: Its first byte may have left.
        answered: The head of a reply has come.
        blind: Its transport may not report stages.
    """

    __slots__ = ("answered", "begun", "blind", "fresh", "queued", "request", "sent")

    def __init__(self, request: Request, queued: float, *, blind: bool = False) -> None:
        self.request = request
        self.queued = queued
        self.blind = blind
        self.begun = self.fresh = self.sent = self.answered = False

    def begin(self) -> None:
        """Start a try, and forget the stages of an earlier one."""
        self.begun = True
        self.fresh = self.sent = self.answered = False

    def note(self, event: str, info: object = None) -> None:
        """Take in one event of httpx's `trace` extension.

        Args:
            event: Its name.
            info: What httpcore will tell its debug log next; what must not stand there is taken out.
        """
        if event == "connection.connect_tcp.started":
            self.fresh = True
        elif event == "http11.send_request_headers.started":
            self.sent = True
        elif event == "http11.receive_response_headers.complete":
            self.answered = True
            _hide_permissions(info)

    async def note_async(self, event: str, info: object) -> None:
        """`note`, in the form httpx's async client asks for."""
        self.note(event, info)

    def note_sync(self, event: str, info: object) -> None:
        """`note`, in the form httpx's sync client asks for."""
        self.note(event, info)

    @property
    def maybe_sent(self) -> bool:
        """Whether the server may have seen the request; a transport that reports nothing gets no benefit of doubt."""
        return self.sent or (self.begun and self.blind and not self.fresh)

    @property
    def died_on_a_used_connection(self) -> bool:
        """Whether the server had closed a kept connection just as this request went out on it.

        Then nothing was wrong with request or server, and where a repetition cannot do harm it is made at once.
        """
        return self.sent and not self.fresh and not self.answered and self.request.method in _SAFE_METHODS

    def failed(self, reason: str, *, sent: bool | None = None) -> APIConnectionError:
        """The error for an exchange that broke."""
        return APIConnectionError(
            reason,
            sent=self.maybe_sent if sent is None else sent,
            queued=self.queued,
            method=self.request.method,
            path=path_of(self.request.url),
        )

    def stalled(self) -> APITimeoutError:
        """The error for a body in pieces of which nothing came on any more."""
        return APITimeoutError(
            f"not a byte went through for {self.request.stall or 0.0:g} s",
            sent=self.maybe_sent,
            queued=self.queued,
            method=self.request.method,
            path=path_of(self.request.url),
        )

    def timed_out(self, timeout: float | None) -> APITimeoutError:
        """The error for an exchange whose deadline passed, in the queue or after it."""
        where = "" if self.queued < _TELLING else f", {self.queued:.3f} s of it waiting for a free place in this client"
        return APITimeoutError(
            f"no reply within {timeout or 0.0:.3f} s{where}",
            sent=self.maybe_sent,
            queued=self.queued,
            method=self.request.method,
            path=path_of(self.request.url),
        )


_TELLING = 0.001
"""Seconds in the queue from which an error mentions them."""


def _hide_permissions(info: object) -> None:
    """Cut the query off the address a reply leads to, for the log alone: it may be a signed URL."""
    if not isinstance(info, dict) or not isinstance(info.get("return_value"), tuple):
        return
    info["return_value"] = tuple(
        [_without_query(header) for header in part] if isinstance(part, list) else part for part in info["return_value"]
    )


def _without_query(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = header
    return (name, value.partition(b"?")[0]) if name.lower() == b"location" else header
