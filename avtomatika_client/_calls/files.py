"""A job's files (seeds 000-002 §2; list, deletion and release are ours): one function per call.

Workers use the same calls, with `/_worker` in place of the API's path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NoReturn, Protocol
from urllib.parse import quote, urljoin, urlsplit

from pydantic import TypeAdapter

from avtomatika_client._calls._envelope import read_error
from avtomatika_client._calls._flow import Request
from avtomatika_client._calls._retry import Retry
from avtomatika_client._calls._session import UNSET, Budget, Session, Timeout, call, parse
from avtomatika_client._calls._versions import versioned_call
from avtomatika_client._calls.jobs import features
from avtomatika_client.errors import (
    APIStatusError,
    NotSupportedByServerError,
    PermissionDeniedError,
)
from avtomatika_client.protocol.files import JobFile, UploadUrl
from avtomatika_client.protocol.headers import FILES, HOLD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from avtomatika_client._calls._flow import Flow, Reply, Sink
    from avtomatika_client._calls.jobs import JobRef

WORKER_API: Final = "/_worker"
"""The prefix of a job as workers see it."""

_FILES = TypeAdapter(list[JobFile])
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 2
_NOT_IMPLEMENTED: Final = 501


class Body(Protocol):
    """What is uploaded; see `avtomatika_client._bodies`."""

    @property
    def size(self) -> int | None:
        """Bytes in all; None when that is not known."""

    @property
    def repeatable(self) -> bool:
        """Whether it can be sent again from its beginning."""

    def chunks(self) -> Iterator[bytes]:
        """The bytes from the beginning."""


class Resumable(Protocol):
    """What a download is written into; see `avtomatika_client._sinks`."""

    def resume_headers(self) -> Mapping[str, str]:
        """What asks for the rest alone."""

    def begin(self, headers: Mapping[str, str]) -> None:
        """As of `Sink`."""

    def write(self, chunk: bytes) -> None:
        """As of `Sink`."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """How long a transfer may take.

    Attributes:
        budget: The time for all of it; by default it has no end.
        stall: Seconds it may stand still; by default as long as a whole call may take.
    """

    budget: Budget
    stall: float | None

    @classmethod
    def of(cls, session: Session, timeout: Timeout) -> Transfer:
        """One that starts now."""
        return cls(Budget(session.clock, None if timeout is UNSET else timeout), session.timeout)


def checked_name(name: str) -> str:
    """A file's name; the server has the last word on what else it may not be.

    Raises:
        ValueError: It is empty, or one of its parts is empty, `.` or `..`.
    """
    given: object = name
    if not isinstance(given, str) or {"", ".", ".."} & set(given.split("/")):
        raise ValueError(f"{given!r} cannot be a file's name: a name like 'report.pdf' or 'pages/1.png' can")
    return name


def listed(session: Session, ref: JobRef, timeout: Timeout = UNSET) -> Flow[list[JobFile]]:
    """A job's files, by name.

    Raises:
        NotSupportedByServerError: Only our own server lists them.
    """
    budget = session.budget(timeout)
    try:
        request, reply = yield from versioned_call(
            session, "GET", ref.prefix, f"/jobs/{quote(ref.id, safe='')}/files", budget, optional=True
        )
    except APIStatusError as error:
        _refused(error)
    return parse(_FILES.validate_json, reply, request)


def upload_url(session: Session, ref: JobRef, name: str, expires_in: float, timeout: Timeout = UNSET) -> Flow[str]:
    """A URL to which whoever holds it can put a file of a job."""
    query = f"upload?filename={quote(checked_name(name), safe='')}&expires_in={int(expires_in)}"
    budget = session.budget(timeout)
    try:
        request, reply = yield from versioned_call(session, "GET", ref.prefix, _path(ref, query), budget, optional=True)
    except APIStatusError as error:
        _refused(error)
    return parse(UploadUrl.model_validate_json, reply, request).url


def upload(session: Session, ref: JobRef, name: str, body: Body, timeout: Timeout = UNSET) -> Flow[None]:
    """Put a file of a job; sent again from its beginning when a try has failed and the source allows it."""
    transfer = Transfer.of(session, timeout)
    if not body.repeatable:
        session = replace(session, retry=Retry(retries=0))
    path = _path(ref, f"content/{_quoted(name)}")
    try:
        yield from versioned_call(
            session,
            "PUT",
            ref.prefix,
            path,
            transfer.budget,
            safe=True,
            optional=True,
            upload=body,
            stall=transfer.stall,
        )
    except APIStatusError as error:
        _refused(error)


def delete(session: Session, ref: JobRef, name: str, timeout: Timeout = UNSET) -> Flow[None]:
    """Delete a file of a job."""
    path, budget = _path(ref, f"content/{_quoted(name)}"), session.budget(timeout)
    try:
        yield from versioned_call(session, "DELETE", ref.prefix, path, budget, safe=True, optional=True)
    except APIStatusError as error:
        _refused(error)


def download(session: Session, ref: JobRef, name: str, sink: Resumable, timeout: Timeout = UNSET) -> Flow[None]:
    """Fetch a file of a job; after a broken connection the rest of it, where the server can.

    The server redirects to a URL that holds its own permission; no token is sent there.
    """
    transfer = Transfer.of(session, timeout)
    route = "content" if ref.prefix == WORKER_API else "download"
    path = _path(ref, f"{route}/{_quoted(name)}")
    try:
        yield from _followed(session, ref, path, sink, transfer)
    except PermissionDeniedError as error:
        if error.path is None or error.path.endswith(path):
            raise
        # The permission in the URL may have run out while we tried.
        yield from _followed(session, ref, path, sink, transfer)
    except APIStatusError as error:
        _refused(error)


def release(session: Session, ref: JobRef, budget: Budget) -> Flow[None]:
    """Let a held job start; once it was released that does nothing."""
    path = f"/jobs/{quote(ref.id, safe='')}/release"
    yield from versioned_call(session, "POST", ref.prefix, path, budget, safe=True, optional=True)


def require_held_files(session: Session, budget: Budget) -> Flow[None]:
    """Make sure, before a job is created, that it can be held and given files.

    Raises:
        NotSupportedByServerError: It cannot.
    """
    found = yield from features(session, budget)
    if not {FILES, HOLD} <= found:
        raise NotSupportedByServerError(
            "this server cannot hold a job until its files are there: submit it without files="
        )


def _followed(session: Session, ref: JobRef, path: str, sink: Resumable, transfer: Transfer) -> Flow[None]:
    request, reply = yield from versioned_call(
        session,
        "GET",
        ref.prefix,
        path,
        transfer.budget,
        optional=True,
        passing=_REDIRECTS,
        sink=sink,
        stall=transfer.stall,
        renewed=lambda request: _resumed(request, sink),
    )
    followed = 0
    while not reply.is_success:
        followed += 1
        if followed > _MOST_REDIRECTS:
            raise read_error(reply, request, now=session.clock.now())
        request = _redirected(session, request, reply, sink, transfer)
        reply = yield from call(
            session, request, transfer.budget, passing=_REDIRECTS, renewed=lambda request: _resumed(request, sink)
        )


def _redirected(session: Session, request: Request, reply: Reply, sink: Sink, transfer: Transfer) -> Request:
    target = urljoin(request.url, reply.headers.get("location", ""))
    if urlsplit(target).scheme not in {"http", "https"} or target == request.url:
        raise read_error(reply, request, now=session.clock.now())
    headers = {name: value for name, value in request.headers.items() if name in _FOR_ANYONE}
    return Request(method="GET", url=target, headers=headers, long=True, sink=sink, stall=transfer.stall)


_FOR_ANYONE: Final = frozenset({"user-agent", "accept-encoding"})
"""Headers that say nothing of us."""


def _resumed(request: Request, sink: Resumable) -> Request:
    headers = {name: value for name, value in request.headers.items() if name not in {"range", "if-range"}}
    return replace(request, headers={**headers, "accept-encoding": "identity", **sink.resume_headers()})


def _refused(error: APIStatusError) -> NoReturn:
    # Servers whose files are switched off answer every one of these calls so, official ones without S3 settings too.
    if error.status == _NOT_IMPLEMENTED:
        raise NotSupportedByServerError(f"this server keeps no files: {error.message}") from error
    raise error


def _path(ref: JobRef, rest: str) -> str:
    return f"/jobs/{quote(ref.id, safe='')}/files/{rest}"


def _quoted(name: str) -> str:
    # Slashes too: official servers know no other form.
    return quote(checked_name(name), safe="")
