"""Files of jobs: for clients, for workers, and for whoever holds a signed URL.

Clients: seeds 000-002 §2, texts by `spec/avtomatika.md` §5; the list and the deletion are ours. Workers and signed
URLs: ours, in place of the S3 that official servers send them to.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps
from typing import Any

from fastapi import APIRouter, Request
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from avtomatika_client.protocol import headers
from avtomatika_client.protocol.files import FileDeleted, FileUploaded, JobFile, UploadUrl
from orchestrator_lite.api._body import TooLarge
from orchestrator_lite.api._document import INCARNATION, WORKER, errors, query
from orchestrator_lite.api._file_answers import SILENCE, given, redirect
from orchestrator_lite.api._http import ApiError, DirectRoute, answer, core_of, settings_of
from orchestrator_lite.api._identity import owner_of
from orchestrator_lite.api._owned import owned
from orchestrator_lite.api._site import BOUND, INSIDE, ROOT, Bound
from orchestrator_lite.files import FilesError, SpanError
from orchestrator_lite.files._links import LONGEST, PREFIX
from orchestrator_lite.files._names import checked
from orchestrator_lite.runtime.jobs import Live


class _AnyName(PathConvertor):
    """The rest of a path, line ends too: what is no name is to be told so, not that there is no such route."""

    regex = "(?s:.*)"


register_url_convertor("filename", _AnyName())


router = APIRouter(route_class=DirectRoute, tags=["files"])

Endpoint = Callable[[Request], Awaitable[Response]]

REDIRECT_SECONDS = 60
"""How long the URL is good for that a download is sent to."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")

_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_BODY = {"requestBody": {"required": False, "content": _BYTES}}  # of an empty file there is nothing
_SPEAKER = [WORKER, INCARNATION]
_RANGE = [
    {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
    for name in ("Range", "If-Range", "If-None-Match")
]
_UPLOAD = {
    "parameters": [
        {
            **query("filename", {"type": "string", "minLength": 1, "maxLength": 1024}, "May hold slashes."),
            "required": True,
        },
        query("expires_in", {"type": "integer", "minimum": 1, "maximum": LONGEST, "default": 3600}, "Seconds."),
    ]
}
_ALWAYS = errors(400, 401, 404, 429, 501, 503)
_TAKEN: dict[int | str, dict[str, Any]] = {200: {"model": FileUploaded}, **_ALWAYS, **errors(408, 409, 413, 507)}
_REDIRECT: dict[int | str, dict[str, Any]] = {302: {"description": "Where the file is, for a minute."}}
_WORKERS = errors(403, 409)


def _told(endpoint: Endpoint) -> Endpoint:
    """Give errors of files their answer."""

    @wraps(endpoint)
    async def told(request: Request) -> Response:
        if not core_of(request).files.on:
            raise ApiError(501, "S3 support is not enabled")
        try:
            return await endpoint(request)
        except FilesError as error:
            extra = {"content-range": f"bytes */{error.size}"} if isinstance(error, SpanError) else None
            raise ApiError(error.status, str(error), extra) from error
        except TooLarge as error:
            raise ApiError(413, f"The file is larger than {settings_of(request).max_file} bytes") from error
        except ClientDisconnect:
            return Response(status_code=499)  # nobody is there to read it

    return told


@router.get(
    "/api/{api_version}/jobs/{job_id}/files/upload",
    responses={200: {"model": UploadUrl}, **_ALWAYS, **errors(409)},
    openapi_extra=_UPLOAD,
)
@router.get("/api/jobs/{job_id}/files/upload", include_in_schema=False)
@_told
async def upload_url(request: Request) -> Response:
    """A URL that takes one file without a token."""
    expires_in, name = _expires_in(request), request.query_params.get("filename", "")
    if not name:
        raise ApiError(400, "job_id and filename (query param) are required")
    name = checked(name)
    job = _open(await owned(request))
    if not 1 <= expires_in <= LONGEST:
        raise ApiError(400, f"expires_in must be a number of seconds from 1 to {LONGEST}")
    url = await core_of(request).files.link(job, name, "PUT", expires_in, _base(request))
    return answer({"url": url, "expires_in": expires_in, "method": "PUT"})


@router.put("/api/{api_version}/jobs/{job_id}/files/content/{filename:filename}", responses=_TAKEN, openapi_extra=_BODY)
@router.put("/api/jobs/{job_id}/files/content/{filename:filename}", include_in_schema=False)
@_told
async def upload(request: Request) -> Response:
    """Store the body as a file, whole or not at all."""
    return await _stored(request, _open(await owned(request)))


@router.get(
    "/api/{api_version}/jobs/{job_id}/files/download/{filename:filename}",
    status_code=302,
    response_class=Response,
    responses={**_REDIRECT, **_ALWAYS},
)
@router.head("/api/{api_version}/jobs/{job_id}/files/download/{filename:filename}", include_in_schema=False)
@router.get("/api/jobs/{job_id}/files/download/{filename:filename}", include_in_schema=False)
@router.head("/api/jobs/{job_id}/files/download/{filename:filename}", include_in_schema=False)
@_told
async def download(request: Request) -> Response:
    """Send the reader to a URL that gives the file without a token, for a minute."""
    job, files, name = (await owned(request)).job.id, core_of(request).files, _name(request)
    if not await files.exists(job, name):
        raise ApiError(404, "File not found")
    if INSIDE in request.scope and await files.direct(job, name, REDIRECT_SECONDS) is not None:
        return await given(request, job, name)
    return redirect(await files.link(job, name, "GET", REDIRECT_SECONDS, _base(request)))


@router.get("/api/{api_version}/jobs/{job_id}/files", responses={200: {"model": list[JobFile]}, **_ALWAYS})
@router.get("/api/jobs/{job_id}/files", include_in_schema=False)
@_told
async def listed(request: Request) -> Response:
    """A job's files by name."""
    return await _list(request, await owned(request))


@router.delete(
    "/api/{api_version}/jobs/{job_id}/files/content/{filename:filename}",
    responses={200: {"model": FileDeleted}, **_ALWAYS},
)
@router.delete("/api/jobs/{job_id}/files/content/{filename:filename}", include_in_schema=False)
@_told
async def delete(request: Request) -> Response:
    """Take a file away; again, when it is gone, is no error."""
    return await _deleted(request, await owned(request))


@router.get(
    "/_worker/jobs/{job_id}/files",
    responses={200: {"model": list[JobFile]}, **_ALWAYS, **_WORKERS},
    openapi_extra={"parameters": _SPEAKER},
)
@_told
async def worker_listed(request: Request) -> Response:
    """A job's files by name."""
    return await _list(request, await _worked_on(request))


@router.put(
    "/_worker/jobs/{job_id}/files/content/{filename:filename}",
    responses={**_TAKEN, **_WORKERS},
    openapi_extra={**_BODY, "parameters": _SPEAKER},
)
@_told
async def worker_upload(request: Request) -> Response:
    """Store the body as a file, whole or not at all."""
    return await _stored(request, _open(await _worked_on(request)))


@router.get(
    "/_worker/jobs/{job_id}/files/content/{filename:filename}",
    responses={
        200: {"description": "The file.", "content": _BYTES},
        206: {"description": "A range of it.", "content": _BYTES},
        304: {"description": "It is as known."},
        **_REDIRECT,
        **_ALWAYS,
        **_WORKERS,
        **errors(416),
    },
    openapi_extra={"parameters": [*_SPEAKER, *_RANGE]},
)
@router.head("/_worker/jobs/{job_id}/files/content/{filename:filename}", include_in_schema=False)
@_told
async def worker_download(request: Request) -> Response:
    """A file's bytes, or the range of them that is asked for; from a bucket by a URL that is good for a minute."""
    job_id, name = (await _worked_on(request)).job.id, _name(request)
    url = await core_of(request).files.direct(job_id, name, REDIRECT_SECONDS)
    return await given(request, job_id, name) if url is None or INSIDE in request.scope else redirect(url)


@router.delete(
    "/_worker/jobs/{job_id}/files/content/{filename:filename}",
    responses={200: {"model": FileDeleted}, **_ALWAYS, **_WORKERS},
    openapi_extra={"parameters": _SPEAKER},
)
@_told
async def worker_delete(request: Request) -> Response:
    """Take a file away; again, when it is gone, is no error."""
    return await _deleted(request, await _worked_on(request))


@router.get(PREFIX + "/{job_id}/{filename:filename}", include_in_schema=False)
@router.head(PREFIX + "/{job_id}/{filename:filename}", include_in_schema=False)
@_told
async def linked_download(request: Request) -> Response:
    """A file's bytes for the holder of a signed URL."""
    await _check_link(request, "GET")
    return await given(request, (await _found(request)).job.id, _name(request))


@router.put(PREFIX + "/{job_id}/{filename:filename}", include_in_schema=False)
@_told
async def linked_upload(request: Request) -> Response:
    """A file from the holder of a signed URL."""
    await _check_link(request, "PUT")
    return await _stored(request, _open(await _found(request)))


async def _worked_on(request: Request) -> Live:
    """The job of a task that the worker has, or had last: its result would still be taken.

    Files of other jobs are none of its business, and those of a task that another has by now are that one's. Our
    workers say who they are; official ones know other ways to files.
    """
    worker_id = request.headers.get(headers.WORKER_ID) or owner_of(request)
    incarnation = request.headers.get(headers.INCARNATION)
    if worker_id is None:
        raise ApiError(403, f"{headers.WORKER_ID}: say who you are: a worker reaches the files of jobs it works on")
    core_of(request).desk.workers.check(worker_id, incarnation)
    live = await _found(request)
    if live.job.is_final:
        raise ApiError(409, "Job has ended: its files are none of its workers' business any more")
    if not any(row.worker_id == worker_id for row in live.rows.values()):
        raise ApiError(403, "You have no task of this job: a worker reaches the files of jobs it works on")
    return live


async def _found(request: Request) -> Live:
    live = await core_of(request).find(request.path_params["job_id"])
    if live is None:
        raise ApiError(404, "Job not found")
    return live


def _open(live: Live) -> str:
    """The id of a job whose files may change: those of one that has ended are part of its outcome."""
    if live.job.is_final:
        raise ApiError(409, "Job has ended: its files can be read and deleted, not written")
    return live.job.id


def _name(request: Request) -> str:
    return checked(request.path_params["filename"])


async def _check_link(request: Request, method: str) -> None:
    asked = request.query_params
    signed = (asked.get("expires", ""), asked.get("signature", ""))
    await core_of(request).files.check_link(request.path_params["job_id"], _name(request), method, *signed)


async def _stored(request: Request, job_id: str) -> Response:
    name, limit = _name(request), settings_of(request).max_file
    bound: Bound = request.scope[BOUND]
    bound.limit, bound.paced = limit, False
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise TooLarge
    files = core_of(request).files
    stored = await files.put(job_id, name, _arriving(request))
    uri = files.address(job_id, stored.name)
    return answer({"status": "uploaded", "s3_uri": uri, "name": stored.name, "size": stored.size})


async def _arriving(request: Request) -> AsyncIterator[bytes]:
    """The body, from a sender who goes on sending, for a job that has not ended meanwhile."""
    clock, pieces = core_of(request).clock, aiter(request.stream())
    while True:
        try:
            async with clock.timeout(SILENCE):
                piece = await anext(pieces, None)
        except TimeoutError as error:
            raise ApiError(408, f"Not a byte came for {SILENCE:g} s", {"connection": "close"}) from error
        if piece is None:
            break
        yield piece
    _open(await _found(request))


async def _list(request: Request, live: Live) -> Response:
    found = await core_of(request).files.list(live.job.id)
    return answer([{"name": file.name, "size": file.size, "modified_at": file.modified_at} for file in found])


async def _deleted(request: Request, live: Live) -> Response:
    existed = await core_of(request).files.delete(live.job.id, _name(request))
    return answer({"status": "deleted", "existed": existed})


def _expires_in(request: Request) -> int:
    text = request.query_params.get("expires_in", "3600")
    try:
        return int(text)
    except ValueError as error:
        raise ApiError(400, "expires_in must be an integer") from error


def _base(request: Request) -> str | None:
    """The URL this request came to, as its sender knows it; None when it does not tell."""
    host = request.headers.get("host")
    if host is None:
        return None
    if not _HOST.fullmatch(host):
        raise ApiError(400, "Host: must be a name or an address, and a port at most")
    return f"{request.scope['scheme']}://{host}{request.scope[ROOT]}"
