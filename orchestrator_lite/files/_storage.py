"""The files of all jobs: streamed to and from a folder, each whole or not there at all.

Bytes pass through `obstore`; names, folders and what makes an upload atomic are in `_disk`. Whatever ends outside the
event loop is awaited within `Clock.hold`, and nothing else is: while a sender or a reader takes its time, a virtual
clock may go on.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import tempfile
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock
from orchestrator_lite.files import _links
from orchestrator_lite.files._disk import KEY, Disk, Stored
from orchestrator_lite.files._door import Door, Doors
from orchestrator_lite.files._errors import FileMissingError, FilesError, LinkError
from orchestrator_lite.files._names import checked
from orchestrator_lite.files._spans import Span, parse_span
from orchestrator_lite.files._task_files import TaskFiles
from orchestrator_lite.files._told import told

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import LocalStore

log = logging.getLogger(__name__)

T = TypeVar("T")

CHUNK = 512 * 1024
"""Bytes read from the disk at once."""

PART = 1024 * 1024
"""Bytes written to the disk at once; one upload has at most three of these in memory."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that is being read; what replaces it meanwhile does not change it.

    Attributes:
        name: Its name.
        size: Bytes of the whole file.
        etag: Of this content, in quotes.
        span: The part that is read, None for all.
        chunks: Its bytes.
    """

    name: str
    size: int
    etag: str
    span: Span | None
    chunks: AsyncGenerator[bytes, None]

    async def close(self) -> None:
        """Let go of the file before its end."""
        await self.chunks.aclose()


class Files:
    """The files of a server's jobs.

    Args:
        folder: Where they lie, created with the first one; None: in a temporary folder that goes with the server.
        eager: Whether `open` creates the folder, to tell at once when it cannot be used.
        clock: The time it goes by.
        durable: Whether a file that was taken is to survive a power cut.
        public_url: Under which others reach the server; None: the URL it listens on.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        eager: bool = False,
        clock: Clock = SYSTEM_CLOCK,
        durable: bool = False,
        public_url: str | None = None,
    ) -> None:
        self.clock = clock
        self.base_url = "http://127.0.0.1:8080"
        self.public_url = None if public_url is None else public_url.rstrip("/")
        self._folder = None if folder is None else folder.absolute()
        self._eager = eager
        self._durable = durable and folder is not None
        self._doors = Doors()
        self._lock = threading.Lock()
        self._ready: tuple[Disk, LocalStore] | None = None
        self._remove: weakref.finalize[..., Files] | None = None
        self._closed = False

    async def open(self) -> None:
        """Begin.

        Raises:
            FilesError: It cannot; the text says what to do.
        """
        if not self._eager:
            return
        try:
            with self.clock.hold():
                await asyncio.to_thread(self._prepared)
        except OSError as error:
            raise FilesError(
                f"The folder for files {self._folder} cannot be used ({error.strerror}): make it writable or choose"
                " another one (setting `files`)."
            ) from error

    async def close(self) -> None:
        """Take the temporary folder away, if there is one."""
        if self._ready is None and not self._lock.locked():
            self._closed = True  # no file has ever been: nothing is worth a thread
            return
        await self.run(self._end)

    async def put(self, job_id: str, name: str, chunks: AsyncIterable[bytes]) -> Stored:
        """Store a file, whole or not at all; until then an older one of that name is what is read.

        Args:
            job_id: The job it belongs to.
            name: Its name.
            chunks: Its bytes; what this raises ends the upload.

        Raises:
            FileNameError: No file can have that name.
            FileClashError: A folder stands in its place, or a file in that of one of its folders.
            FileMissingError: The job was forgotten meanwhile.
            FilesFullError: There is no room.
            FilesError: The disk refuses for another reason.
        """
        name = checked(name)
        with self._doors.entered(job_id) as door:
            return await self._put(door, job_id, name, chunks)

    async def _put(self, door: Door, job_id: str, name: str, chunks: AsyncIterable[bytes]) -> Stored:
        disk, store = await self._opened()
        staged = secrets.token_hex(16)
        try:
            await self._written(store, disk.staged(staged), chunks)
            now = self.clock.now()
            return await self.run(lambda: disk.publish(staged, job_id, name, now, door))
        except BaseException:
            with suppress(FilesError):
                await self.run(lambda: disk.discard(staged))
            raise

    async def get(self, job_id: str, name: str, *, wanted: str | None = None, only_if: str | None = None) -> Opened:
        """Begin to read a file.

        Args:
            job_id: The job it belongs to.
            name: Its name.
            wanted: The value of a `Range` header; one that is not understood is passed over.
            only_if: Pass `wanted` over unless this is the file's etag.

        Raises:
            FileNameError: No file can have that name.
            FileMissingError: The job has none of that name.
            SpanError: No byte lies in the range.
            FilesError: The disk refuses.
        """
        name = checked(name)
        disk, store = await self._opened()
        key = await self.run(lambda: disk.located(job_id, name))
        with self.clock.hold(), told():
            result = await _got(store, key)
            size, etag = _size_and_etag(result)
            span = parse_span(wanted, size) if only_if in {None, etag} else None
            while span is not None:
                result = await _got(store, key, span)
                looked_at, (size, etag) = etag, _size_and_etag(result)
                if etag == looked_at:
                    break
                span = parse_span(wanted, size) if only_if in {None, etag} else None  # it was replaced meanwhile
        return Opened(name, size, etag, span, self._read(result))

    async def exists(self, job_id: str, name: str) -> bool:
        """Whether the job has such a file.

        Raises:
            FileNameError: No file can have that name.
        """
        name = checked(name)
        try:
            await self._do(lambda disk: disk.located(job_id, name))
        except FileMissingError:
            return False
        return True

    async def list(self, job_id: str) -> list[Stored]:
        """A job's files by name."""
        return await self._do(lambda disk: disk.listed(job_id))

    async def delete(self, job_id: str, name: str) -> bool:
        """Take a file away; False when there was none.

        Raises:
            FileNameError: No file can have that name.
        """
        name = checked(name)
        return await self._do(lambda disk: disk.delete(job_id, name))

    async def clear(self, job_id: str) -> None:
        """Take all files of a job away."""
        await self._do(lambda disk: disk.clear(job_id))

    async def forget(self, *job_ids: str) -> None:
        """Take all files of jobs away that are no more; uploads for them that are under way come to nothing.

        Again, or for jobs that never had files, it does nothing. Call it before the jobs leave the store: if the
        server dies between the two, they are still there to be forgotten again.

        Raises:
            FilesError: The disk refuses; what it has not let go of is taken away by the next call.
        """
        doors = [(job_id, self._doors.shut(job_id)) for job_id in job_ids]

        def forget() -> None:
            if not self._was_used():
                return
            disk = self._prepared()[0]
            for job_id, door in doors:
                with door.lock:
                    disk.clear(job_id)

        if doors and (self._folder is not None or self._ready is not None):
            await self.run(forget)

    async def wipe(self) -> None:
        """Take the files of all jobs away, as `forget` does.

        Raises:
            FilesError: The disk refuses.
        """
        self._doors.shut_all()
        if await self.run(self._was_used):
            await self._do(lambda disk: disk.wipe())

    async def link(self, job_id: str, name: str, method: str, expires_in: int, base_url: str | None = None) -> str:
        """An absolute URL under which `method` is let in without a token for `expires_in` seconds.

        Args:
            job_id: The job.
            name: The file.
            method: `GET` or `PUT`.
            expires_in: Seconds, from 1 to `LONGEST`.
            base_url: Where the server is for whoever asks; the setting `public_url` comes first.

        Raises:
            FileNameError: No file can have that name.
        """
        await self._opened()
        return self.link_now(job_id, name, method, expires_in, base_url)

    def link_now(self, job_id: str, name: str, method: str, expires_in: int, base_url: str | None = None) -> str:
        """As `link`; at a server's first use of files it creates their folder."""
        expires = int(self.clock.now()) + expires_in
        path = _links.signed_path(self._prepared()[0].key, job_id, checked(name), method, expires)
        return (self.public_url or base_url or self.base_url).rstrip("/") + path

    async def check_link(self, job_id: str, name: str, method: str, expires: str, signature: str) -> None:
        """Let the holder of a signed URL in.

        Raises:
            LinkError: It is forged, of another method, or has expired.
        """
        if self._ready is None and not await self.run(self._was_used):
            raise LinkError(_links.INVALID)  # strangers have no folder created
        disk, _ = await self._opened()
        _links.check(disk.key, job_id, name, method, expires, signature, self.clock.now())

    def of(self, job_id: str) -> TaskFiles:
        """A job's files as its handlers are given them."""
        return TaskFiles(self, job_id)

    async def run(self, work: Callable[[], T]) -> T:
        """Do on a thread what blocks.

        Raises:
            FilesError: The disk refuses.
        """
        with self.clock.hold(), told():
            return await asyncio.to_thread(work)

    async def _do(self, work: Callable[[Disk], T]) -> T:
        return await self.run(lambda: work(self._prepared()[0]))

    async def _opened(self) -> tuple[Disk, LocalStore]:
        return self._ready if self._ready is not None else await self.run(self._prepared)

    def _prepared(self) -> tuple[Disk, LocalStore]:
        """The folder; the first time it is created, and so is its key."""
        with self._lock:
            if self._closed:
                raise FilesError("Files are not available: the server stops")
            if self._ready is None:
                from obstore.store import LocalStore  # loaded with the first file: most jobs have none

                folder = self._folder
                if folder is None:
                    folder = Path(tempfile.mkdtemp(prefix="orchestrator-lite-"))
                    # it goes with the server, with the last that knows of it, or with the process
                    self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
                try:
                    disk = Disk(folder, durable=self._durable)
                except OSError as error:
                    log.error("the folder for files %s cannot be used: %s", folder, error.strerror)
                    raise
                self._ready = disk, LocalStore(disk.root)
            return self._ready

    def _was_used(self) -> bool:
        return self._ready is not None or (self._folder is not None and (self._folder / KEY).exists())

    def _end(self) -> None:
        with self._lock:
            ready, self._closed, self._ready = self._ready, True, None
        if ready is not None:
            ready[0].close()
        if self._remove is not None:
            self._remove()

    async def _written(self, store: LocalStore, key: str, chunks: AsyncIterable[bytes]) -> None:
        from obstore import open_writer_async

        writer = open_writer_async(store, key, buffer_size=PART, max_concurrency=2)
        try:
            async for chunk in chunks:
                if not chunk:
                    continue
                with self.clock.hold(), told():
                    await writer.write(chunk)
            with self.clock.hold(), told():
                await writer.close()
        finally:
            del writer  # else the traceback keeps what was written, until it is collected

    async def _read(self, result: GetResult) -> AsyncGenerator[bytes, None]:
        stream = result.stream(min_chunk_size=CHUNK)
        del result
        try:
            while True:
                with self.clock.hold(), told():
                    chunk = await anext(stream, None)
                if chunk is None:
                    return
                yield bytes(chunk)
        finally:
            del stream  # else the traceback of a cancel keeps the file open until it is collected


async def _got(store: LocalStore, key: str, span: Span | None = None) -> GetResult:
    from obstore import get_async

    if span is None:
        return await get_async(store, key)
    return await get_async(store, key, options={"range": (span.start, span.stop)})


def _size_and_etag(result: GetResult) -> tuple[int, str]:
    return result.meta["size"], result.meta["e_tag"] or '""'
