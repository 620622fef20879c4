"""Everything the client raises.

    AvtomatikaError
    ├── APIConnectionError            no reply; `sent` says whether the request may have been processed
    │   └── APITimeoutError           the deadline passed first
    ├── APIStatusError                a reply that is no success, or one that cannot be read
    │   ├── AuthenticationError       401
    │   ├── PermissionDeniedError     403
    │   ├── NotFoundError             404; 405 for a submit to an unknown blueprint
    │   ├── ConflictError             409
    │   ├── ValidationFailedError     400, 413, 422
    │   ├── RateLimitedError          429
    │   └── ServerError               5xx
    ├── NotSupportedByServerError     this server does not offer the call
    ├── JobFailed                     the job ended, but not well
    ├── WaitTimeout                   the wait ended before the job did
    ├── WebhookVerificationError      a webhook is not signed with the secret, or not of now
    ├── ClientBoundToOtherLoop        an AsyncClient used from a second event loop
    └── ForkedClientError             a client's open connections used after a fork

A class's docstring is its default message. Errors hold plain data, so they pickle and copy; they never hold a token.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from avtomatika_client.protocol.errors import AvtomatikaError, default_message

if TYPE_CHECKING:
    from avtomatika_client.protocol._base import JSON

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "AvtomatikaError",
    "ClientBoundToOtherLoop",
    "ConflictError",
    "ForkedClientError",
    "JobFailed",
    "NotFoundError",
    "NotSupportedByServerError",
    "PermissionDeniedError",
    "RateLimitedError",
    "ServerError",
    "ValidationFailedError",
    "WaitTimeout",
    "WebhookVerificationError",
]


class APIConnectionError(AvtomatikaError):
    """No reply came from the server.

    Attributes:
        sent: Whether the server may have received, and so processed, the request.
        queued: Seconds spent waiting for a free place in this client before the exchange began.
        method: The request's method.
        path: The request's path, without its query.
        status: The HTTP status with which a WebSocket was refused; None for everything else.
        attempts: How often the request was tried.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        sent: bool = True,
        queued: float = 0.0,
        method: str | None = None,
        path: str | None = None,
        status: int | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(message or default_message(type(self)))
        self.sent = sent
        self.queued = queued
        self.method = method
        self.path = path
        self.status = status
        self.attempts = attempts

    def __str__(self) -> str:
        where = f"{self.method} {self.path}: " if self.method else ""
        return f"{where}{self.message}{_tries(self.attempts)}"


class APITimeoutError(APIConnectionError):
    """The deadline passed before the server's reply came."""


class APIStatusError(AvtomatikaError):
    """The server's reply is no success.

    Attributes:
        status: The HTTP status.
        code: The server's own word for the error, where it has one.
        details: What else its error envelope held; any JSON value.
        request_id: The server's id of the exchange, for its operators.
        retry_after: Seconds after which the server wishes to be asked again.
        method: The request's method.
        path: The request's path, without its query.
        attempts: How often the request was tried.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        status: int,
        code: str | None = None,
        details: JSON = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        method: str | None = None,
        path: str | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(message or default_message(type(self)))
        self.status = status
        self.code = code
        self.details = details
        self.request_id = request_id
        self.retry_after = retry_after
        self.method = method
        self.path = path
        self.attempts = attempts

    def __str__(self) -> str:
        where = f"{self.method} {self.path}: " if self.method else ""
        return f"{where}{self.status} {_phrase(self.status)}: {self.message}{_tries(self.attempts)}"


class AuthenticationError(APIStatusError):
    """The server does not know this token, or none was sent."""


class PermissionDeniedError(APIStatusError):
    """The server knows this token but does not let it do this."""


class NotFoundError(APIStatusError):
    """The server has nothing under this name."""


class ConflictError(APIStatusError):
    """What was asked does not fit the present state."""


class ValidationFailedError(APIStatusError):
    """The server refused what was sent as malformed."""


class RateLimitedError(APIStatusError):
    """The server asks to be asked less often."""


class ServerError(APIStatusError):
    """The server failed to answer."""


class NotSupportedByServerError(AvtomatikaError):
    """This server does not offer the call."""


class JobFailed(AvtomatikaError):  # the tour's name
    """The job ended, but not well.

    Attributes:
        job_id: The job.
        status: `failed`, `error`, `quarantined` or `cancelled`.
        end_state: The state it ended in, where the server tells.
        error: Why: what the server says, any JSON value.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        job_id: str | None = None,
        status: str = "failed",
        end_state: str | None = None,
        error: JSON = None,
    ) -> None:
        super().__init__(message or default_message(type(self)))
        self.job_id = job_id
        self.status = status
        self.end_state = end_state
        self.error = error


class WaitTimeout(AvtomatikaError):  # the tour's name
    """The wait ended before the job did; the job goes on.

    Attributes:
        job_id: The job, or None for a wait on several.
        status: Its last known status, if any is known.
        timeout: How long was waited, in seconds.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        job_id: str | None = None,
        status: str | None = None,
        timeout: float | None = None,
    ) -> None:
        super().__init__(message or default_message(type(self)))
        self.job_id = job_id
        self.status = status
        self.timeout = timeout


class WebhookVerificationError(AvtomatikaError):
    """This is no webhook from the orchestrator that shares the secret, or not of now."""


class ClientBoundToOtherLoop(AvtomatikaError):  # the tour's name
    """This AsyncClient was first used in another event loop; make one per loop."""


class ForkedClientError(AvtomatikaError):
    """This connection was opened before a fork and belongs to the parent process; open a new one."""


_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: ValidationFailedError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: ValidationFailedError,
    422: ValidationFailedError,
    429: RateLimitedError,
}


def status_error(status: int) -> type[APIStatusError]:
    """The class for an HTTP status, by the tree above."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerError
    return _BY_STATUS.get(status, APIStatusError)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown Status"


def _tries(attempts: int) -> str:
    return f" (after {attempts} attempts)" if attempts > 1 else ""
