"""One reader for every error envelope that the three APIs, their proxies and frameworks send.

`{"error": "text"}` (seeds 000-002), `{"error": {"code", "message", "details"}}` (flows), `{"detail": ...}` (pipelines),
`{"code", "message", ...}`, the same wrapped once more as text (release 1.0b30's rate limits), and plain text.
"""

from __future__ import annotations

import json
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

from avtomatika_client.errors import APIStatusError, status_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from avtomatika_client._calls._flow import Reply, Request
    from avtomatika_client.protocol._base import JSON

_LONGEST_TEXT = 500


class Envelope(NamedTuple):
    """What an error reply says, whatever its form.

    Attributes:
        message: For people; None when it says nothing.
        code: A word for programs; None when it has none.
        details: The rest; any JSON value.
    """

    message: str | None = None
    code: str | None = None
    details: JSON = None


def read_error(reply: Reply, request: Request, *, now: float, attempts: int = 1) -> APIStatusError:
    """The error a reply stands for.

    Args:
        reply: A reply that is no success.
        request: What was asked; only its method and path go into the error.
        now: UTC wall time in seconds, for a `Retry-After` that is a date.
        attempts: How often the request was tried.
    """
    envelope = read_envelope(reply.content)
    return status_error(reply.status)(
        envelope.message or _redirect(reply),
        status=reply.status,
        code=envelope.code,
        details=envelope.details,
        request_id=reply.headers.get("x-request-id"),
        retry_after=retry_after(reply.headers, now=now),
        method=request.method,
        path=path_of(request.url),
        attempts=attempts,
    )


def read_envelope(content: bytes) -> Envelope:
    """What an error body says."""
    text = content.decode("utf-8", "replace").strip()
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return Envelope(_shortened(text) or None)
    return _from_json(body)


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """The seconds a reply asks to wait: `Retry-After` in seconds or as an HTTP date, `retry-after-ms`.

    A date is counted from the reply's own `Date`, so that a wrong clock on either side does not matter.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    until = _http_date(value)
    if until is None:
        return None
    return max(0.0, until - (_http_date(headers.get("date")) or now))


def path_of(url: str) -> str:
    """The path of an absolute URL, without its query."""
    without_query = url.partition("?")[0].partition("#")[0]
    _, _, rest = without_query.partition("://")
    return "/" + rest.partition("/")[2]


def is_json(reply: Reply) -> bool:
    """Whether the application itself answered: frameworks answer an unknown route in plain text."""
    return "json" in reply.headers.get("content-type", "")


def _from_json(body: JSON) -> Envelope:
    if isinstance(body, str):
        return Envelope(_shortened(body) or None)
    if isinstance(body, list):
        return Envelope(_first_message(body), None, body)
    if not isinstance(body, dict):
        return Envelope()
    for key in ("error", "detail"):
        if key in body:
            return _inner(body[key], body)
    return _from_object(body)


def _inner(value: JSON, outer: dict[str, JSON]) -> Envelope:
    if isinstance(value, dict):
        return _from_object(value)
    if isinstance(value, list):
        return Envelope(_first_message(value), _text(outer.get("code")), value)
    message = _unwrapped(value) if isinstance(value, str) else None
    return Envelope(message, _text(outer.get("code")), outer.get("details"))


def _from_object(body: dict[str, JSON]) -> Envelope:
    message = _text(body.get("message")) or _text(body.get("msg")) or _text(body.get("title"))
    details = body.get("details", body.get("fieldErrors"))
    return Envelope(message, _text(body.get("code")), details)


def _unwrapped(text: str) -> str:
    if not text.startswith("{"):
        return text
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return text
    error = inner.get("error") if isinstance(inner, dict) else None
    return error if isinstance(error, str) else text


def _first_message(items: list[JSON]) -> str | None:
    for item in items:
        if isinstance(item, str):
            return item
        if isinstance(item, dict):
            place = item.get("loc")
            where = ".".join(str(part) for part in place) if isinstance(place, list) else ""
            message = _text(item.get("msg")) or _text(item.get("message"))
            return f"{where}: {message}" if where and message else message
    return None


def _redirect(reply: Reply) -> str | None:
    if 300 <= reply.status < 400:
        return "The server redirects; redirects are not followed, so that no credential reaches another host."
    return None


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _text(value: JSON) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value)


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _http_date(value: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(value) if value else None
        if moment is None:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
