"""A job's files: put, fetched, listed, deleted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, overload

from avtomatika_client._bodies import open_source
from avtomatika_client._calls import files as calls
from avtomatika_client._calls._session import UNSET, Timeout
from avtomatika_client._progress import Counted, Progress, Watched
from avtomatika_client._sinks import Download, Memory, PartFile, target_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from avtomatika_client._bodies import Source
    from avtomatika_client._calls.jobs import JobRef
    from avtomatika_client._link import AsyncCaller, SyncCaller
    from avtomatika_client._progress import OnProgress
    from avtomatika_client.protocol.clock import Clock
    from avtomatika_client.protocol.files import JobFile

T = TypeVar("T")


class Files:
    """A job's files; made as `job.files`."""

    def __init__(self, caller: SyncCaller, ref: JobRef) -> None:
        self._caller = caller
        self._session = caller.session
        self._ref = ref

    def upload(
        self, name: str, source: Source, *, on_progress: OnProgress | None = None, timeout: Timeout = UNSET
    ) -> None:
        """Put a file; one of that name is replaced. It is sent in pieces, whatever its size.

        A try that has failed is repeated from the beginning, unless the source gives its bytes only once.

        Args:
            name: Its name within the job; may hold slashes.
            source: A path, bytes, a file opened in binary mode, or an iterable of bytes.
            on_progress: Called with the bytes sent and the bytes in all (None: not known), at most 20 times a second
                and at the end; what it raises ends the upload.
            timeout: Total deadline in seconds; by default there is none, but an upload that stands still for as long
                as a whole call may take has failed.

        Raises:
            OSError: The source cannot be read.
            ValueError: Name or source cannot be used.
            ValidationFailedError: The server refused the name, or the file as too large.
            NotFoundError: The server does not know the job.
            NotSupportedByServerError: The server keeps no files.
        """
        progress = Progress(on_progress, self._session.clock)
        body = Counted(open_source(source), progress)
        self._caller.run(calls.upload(self._session, self._ref, name, body, timeout))
        progress.end()

    def upload_url(self, name: str, expires_in: float = 600, *, timeout: Timeout = UNSET) -> str:
        """A URL to which whoever holds it can `PUT` the file's bytes, without a token.

        Args:
            name: The file's name within the job.
            expires_in: Seconds it is good for.
            timeout: Total deadline in seconds.

        Raises:
            ValueError: The name cannot be used.
            NotFoundError: The server does not know the job.
            NotSupportedByServerError: The server keeps no files.
        """
        return self._caller.run(calls.upload_url(self._session, self._ref, name, expires_in, timeout))

    @overload
    def download(
        self, name: str, to: None = None, *, on_progress: OnProgress | None = None, timeout: Timeout = UNSET
    ) -> bytes: ...
    @overload
    def download(
        self,
        name: str,
        to: str | os.PathLike[str],
        *,
        on_progress: OnProgress | None = None,
        timeout: Timeout = UNSET,
    ) -> Path: ...
    def download(
        self,
        name: str,
        to: str | os.PathLike[str] | None = None,
        *,
        on_progress: OnProgress | None = None,
        timeout: Timeout = UNSET,
    ) -> Path | bytes:
        """Fetch a file; returns where it is, or its bytes. It is there whole or not at all.

        A download that breaks off goes on where it ended, if server and file still allow it.

        Args:
            name: The file's name within the job.
            to: A path; a folder: the file is put there under its own base name; None: its bytes are returned.
            on_progress: Called with the bytes received and the bytes in all (None: not known), at most 20 times a
                second and at the end; what it raises ends the download.
            timeout: Total deadline in seconds; by default there is none, but a download that stands still for as long
                as a whole call may take has failed.

        Raises:
            OSError: It cannot be written.
            ValueError: The name cannot be used.
            NotFoundError: The server does not know the file, or the job.
            NotSupportedByServerError: The server keeps no files.
        """
        progress = Progress(on_progress, self._session.clock)
        place = _place(name, to)
        sink = Download(place)
        try:
            self._caller.run(calls.download(self._session, self._ref, name, Watched(sink, progress), timeout))
            result = _finished(sink, place)
        finally:
            _discard(place)
        progress.end()
        return result

    def list(self, *, timeout: Timeout = UNSET) -> list[JobFile]:
        """The job's files, by name.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: The server does not know the job.
            NotSupportedByServerError: The server keeps no files, or does not list them.
        """
        return self._caller.run(calls.listed(self._session, self._ref, timeout))

    def delete(self, name: str, *, timeout: Timeout = UNSET) -> None:
        """Delete a file.

        Args:
            name: Its name within the job.
            timeout: Total deadline in seconds.

        Raises:
            ValueError: The name cannot be used.
            NotFoundError: The server does not know the job, or the file.
            NotSupportedByServerError: The server keeps no files, or does not delete them.
        """
        self._caller.run(calls.delete(self._session, self._ref, name, timeout))


class AsyncFiles:
    """A job's files; made as `job.files`."""

    def __init__(self, caller: AsyncCaller, ref: JobRef) -> None:
        self._caller = caller
        self._session = caller.session
        self._ref = ref

    async def upload(
        self, name: str, source: Source, *, on_progress: OnProgress | None = None, timeout: Timeout = UNSET
    ) -> None:
        """Put a file; one of that name is replaced. It is sent in pieces, whatever its size.

        A try that has failed is repeated from the beginning, unless the source gives its bytes only once.

        Args:
            name: Its name within the job; may hold slashes.
            source: A path, bytes, a file opened in binary mode, or an iterable of bytes.
            on_progress: Called with the bytes sent and the bytes in all (None: not known), at most 20 times a second
                and at the end; what it raises ends the upload.
            timeout: Total deadline in seconds; by default there is none, but an upload that stands still for as long
                as a whole call may take has failed.

        Raises:
            OSError: The source cannot be read.
            ValueError: Name or source cannot be used.
            ValidationFailedError: The server refused the name, or the file as too large.
            NotFoundError: The server does not know the job.
            NotSupportedByServerError: The server keeps no files.
        """
        progress = self._progress(on_progress)
        body = Counted(await self._aside(lambda: open_source(source)), progress)
        await self._caller.run(calls.upload(self._session, self._ref, name, body, timeout))
        progress.end()

    async def upload_url(self, name: str, expires_in: float = 600, *, timeout: Timeout = UNSET) -> str:
        """A URL to which whoever holds it can `PUT` the file's bytes, without a token.

        Args:
            name: The file's name within the job.
            expires_in: Seconds it is good for.
            timeout: Total deadline in seconds.

        Raises:
            ValueError: The name cannot be used.
            NotFoundError: The server does not know the job.
            NotSupportedByServerError: The server keeps no files.
        """
        return await self._caller.run(calls.upload_url(self._session, self._ref, name, expires_in, timeout))

    @overload
    async def download(
        self, name: str, to: None = None, *, on_progress: OnProgress | None = None, timeout: Timeout = UNSET
    ) -> bytes: ...
    @overload
    async def download(
        self,
        name: str,
        to: str | os.PathLike[str],
        *,
        on_progress: OnProgress | None = None,
        timeout: Timeout = UNSET,
    ) -> Path: ...
    async def download(
        self,
        name: str,
        to: str | os.PathLike[str] | None = None,
        *,
        on_progress: OnProgress | None = None,
        timeout: Timeout = UNSET,
    ) -> Path | bytes:
        """Fetch a file; returns where it is, or its bytes. It is there whole or not at all.

        A download that breaks off goes on where it ended, if server and file still allow it.

        Args:
            name: The file's name within the job.
            to: A path; a folder: the file is put there under its own base name; None: its bytes are returned.
            on_progress: Called with the bytes received and the bytes in all (None: not known), at most 20 times a
                second and at the end; what it raises ends the download.
            timeout: Total deadline in seconds; by default there is none, but a download that stands still for as long
                as a whole call may take has failed.

        Raises:
            OSError: It cannot be written.
            ValueError: The name cannot be used.
            NotFoundError: The server does not know the file, or the job.
            NotSupportedByServerError: The server keeps no files.
        """
        progress = self._progress(on_progress)
        place = await self._aside(lambda: _place(name, to))
        sink = Download(place)
        try:
            await self._caller.run(calls.download(self._session, self._ref, name, Watched(sink, progress), timeout))
            result = await self._aside(lambda: _finished(sink, place))
        finally:
            _discard(place)
        progress.end()
        return result

    async def list(self, *, timeout: Timeout = UNSET) -> list[JobFile]:
        """The job's files, by name.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: The server does not know the job.
            NotSupportedByServerError: The server keeps no files, or does not list them.
        """
        return await self._caller.run(calls.listed(self._session, self._ref, timeout))

    async def delete(self, name: str, *, timeout: Timeout = UNSET) -> None:
        """Delete a file.

        Args:
            name: Its name within the job.
            timeout: Total deadline in seconds.

        Raises:
            ValueError: The name cannot be used.
            NotFoundError: The server does not know the job, or the file.
            NotSupportedByServerError: The server keeps no files, or does not delete them.
        """
        await self._caller.run(calls.delete(self._session, self._ref, name, timeout))

    def _progress(self, on_progress: OnProgress | None) -> Progress:
        return Progress(on_progress, self._session.clock, asyncio.get_running_loop())

    async def _aside(self, call: Callable[[], T]) -> T:
        return await aside(self._session.clock, call)


async def aside(clock: Clock, call: Callable[[], T]) -> T:
    """What `call`, which may block, returns."""
    with clock.hold():
        return await asyncio.to_thread(call)


def _place(name: str, to: str | os.PathLike[str] | None) -> Memory | PartFile:
    calls.checked_name(name)
    return Memory() if to is None else PartFile(target_of(to, name))


def _finished(sink: Download, place: Memory | PartFile) -> Path | bytes:
    sink.check()
    return place.content if isinstance(place, Memory) else place.finish()


def _discard(place: Memory | PartFile) -> None:
    if isinstance(place, PartFile):
        place.discard()
