"""Answers that are files: whole or in part, never run by a browser, never waiting for readers for ever."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.api._http import core_of
from orchestrator_lite.files import Opened

SILENCE = 60.0
"""Seconds after which a sender of whom not a byte has come is not waited for any longer."""

STANDSTILL = 300.0
"""Seconds after which a reader who has taken nothing is not waited for any longer; he may ask for the rest."""

_HEADERS = {
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache",
    "content-type": "application/octet-stream",  # never what a browser would run, whatever was uploaded
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox",
}


class _Streamed(StreamingResponse):
    """A file on its way; whoever goes before its end, or takes nothing of it, leaves it closed."""

    def __init__(self, opened: Opened, status: int, told: dict[str, str], clock: Clock) -> None:
        super().__init__(opened.chunks, status, headers=told)
        self._opened = opened
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            async with self._clock.timeout(STANDSTILL):
                await send(message)

        try:
            await super().__call__(scope, receive, sent)
        except TimeoutError:
            return  # the server closes a connection whose answer is not whole
        finally:
            await self._opened.close()


async def given(request: Request, job_id: str, name: str) -> Response:
    """A file's bytes, or the range of them that is asked for.

    Raises:
        FilesError: There is no such file, no byte in the range, or it cannot be read.
    """
    sent, core = request.headers, core_of(request)
    opened = await core.files.get(job_id, name, wanted=sent.get("range"), only_if=sent.get("if-range"))
    told = {**_HEADERS, "etag": opened.etag, "content-disposition": _attachment(opened.name)}
    if _is_known(sent.get("if-none-match"), opened.etag):
        return Response(status_code=304, headers=told)
    if opened.span is None:
        status, length = 200, opened.size
    else:
        status, length = 206, opened.span.stop - opened.span.start
        told["content-range"] = f"bytes {opened.span.start}-{opened.span.stop - 1}/{opened.size}"
    told["content-length"] = str(length)
    if request.method == "HEAD":
        return Response(status_code=status, headers=told)
    return _Streamed(opened, status, told, core.clock)


def redirect(url: str) -> Response:
    """Send a reader where a file is; nobody is to keep that."""
    return Response(status_code=302, headers={"location": url, "cache-control": "no-store"})


def _is_known(known: str | None, etag: str) -> bool:
    """Whether `If-None-Match` names the content (RFC 9110 §13.1.2: compared weakly)."""
    return known is not None and any(one.strip().removeprefix("W/") in {"*", etag} for one in known.split(","))


def _attachment(name: str) -> str:
    last = name.rpartition("/")[2]
    return f"attachment; filename*=UTF-8''{quote(last, safe='')}"
