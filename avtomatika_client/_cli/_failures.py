"""What went wrong, as an exit code and one line that says what to do."""

from __future__ import annotations

from typing import Final

from avtomatika_client.errors import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    ConflictError,
    JobFailed,
    NotFoundError,
    NotSupportedByServerError,
    PermissionDeniedError,
    ValidationFailedError,
    WaitTimeout,
)
from avtomatika_client.protocol.errors import AvtomatikaError

ENDED_OTHERWISE: Final = 1
USAGE: Final = 2
NO_ANSWER: Final = 3
NOT_FOUND: Final = 4
TIMED_OUT: Final = 5
REFUSED: Final = 6
INTERRUPTED: Final = 130

_NO_SUCCESS: Final = 300
"""Statuses from here on; an error with one below it is a reply that could not be read."""

_CODES: Final[tuple[tuple[type[BaseException], int], ...]] = (
    (JobFailed, ENDED_OTHERWISE),
    (ConflictError, ENDED_OTHERWISE),
    (WaitTimeout, TIMED_OUT),
    (AuthenticationError, REFUSED),
    (PermissionDeniedError, REFUSED),
    (NotFoundError, NOT_FOUND),
    (ValidationFailedError, USAGE),
    (ValueError, USAGE),
    (OSError, USAGE),
)
"""The first that fits counts; whatever is not here is a server that gives no useful answer."""


class Stop(AvtomatikaError):
    """The command ends here.

    Args:
        code: The exit code.
        text: What to say; None: everything has been said.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def told(error: BaseException, url: str | None = None) -> Stop:
    """An error as the end of a command.

    Args:
        error: What was raised.
        url: The orchestrator that was spoken to.
    """
    if isinstance(error, Stop):
        return error
    code = next((code for kind, code in _CODES if isinstance(error, kind)), NO_ANSWER)
    return Stop(code, _text(error, url or "the server"))


def one_line(text: str) -> str:
    """A text on one line, without anything a terminal would obey."""
    return plain(" ".join(text.split()))


def plain(text: str) -> str:
    """A text whose control characters are written out, as a terminal must not obey what others wrote."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _text(error: BaseException, url: str) -> str:
    if isinstance(error, APIConnectionError):
        return f"no answer from {url}: {error.message}. Is it running? Another one is named by --url or AVTOMATIKA_URL."
    if isinstance(error, AuthenticationError | PermissionDeniedError):
        return f"{url} refuses the token: {error.message}. Give the right one by AVTOMATIKA_CLIENT_TOKEN or --token."
    if isinstance(error, NotSupportedByServerError):
        return f"{error.message}; a newer one is needed."
    if isinstance(error, ValidationFailedError | ConflictError | NotFoundError):
        return error.message
    if isinstance(error, APIStatusError) and error.status < _NO_SUCCESS:
        return f"{url} answers what no orchestrator does. Another one is named by --url or AVTOMATIKA_URL."
    if isinstance(error, APIStatusError):
        return f"{url} answers {error.status}: {error.message}"
    if isinstance(error, UnicodeEncodeError):
        return f"what was given holds half a character ({error.object[error.start]!a}), which is no text"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
