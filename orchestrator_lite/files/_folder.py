"""Files in a folder: streamed to and from it, each whole or not there at all.

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
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.files._disk import KEY, Disk
from orchestrator_lite.files._door import Door
from orchestrator_lite.files._errors import FileMissingError, FilesError
from orchestrator_lite.files._place import Opened, Stored
from orchestrator_lite.files._spans import Span, parse_span
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


class Folder:
    """Files of jobs in a folder.

    Args:
        folder: Where they lie, created with the first one; None: in a temporary folder that goes with the server.
        eager: Whether `open` creates the folder, to tell at once when it cannot be used.
        clock: The time it goes by.
        durable: Whether a file that was taken is to survive a power cut.
    """

    addresses = "lite://"

    def __init__(self, folder: Path | None, *, eager: bool = False, clock: Clock, durable: bool = False) -> None:
        self.clock = clock
        self._folder = None if folder is None else folder.absolute()
        self._eager = eager
        self._durable = durable and folder is not None
        self._lock = threading.Lock()
        self._ready: tuple[Disk, LocalStore] | None = None
        self._remove: weakref.finalize[..., Folder] | None = None
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

    async def put(self, door: Door, job_id: str, name: str, chunks: AsyncIterable[bytes]) -> Stored:
        """As of `Place`."""
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

    async def get(self, job_id: str, name: str, wanted: str | None, only_if: str | None) -> Opened:
        """As of `Place`."""
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
        """As of `Place`."""
        try:
            await self._do(lambda disk: disk.located(job_id, name))
        except FileMissingError:
            return False
        return True

    async def list(self, job_id: str) -> list[Stored]:
        """As of `Place`."""
        return await self._do(lambda disk: disk.listed(job_id))

    async def delete(self, job_id: str, name: str) -> bool:
        """As of `Place`."""
        return await self._do(lambda disk: disk.delete(job_id, name))

    async def clear(self, job_id: str) -> None:
        """As of `Place`."""
        await self._do(lambda disk: disk.clear(job_id))

    async def forget(self, doors: Iterable[tuple[str, Door]]) -> None:
        """As of `Place`; costs nothing where there has never been a file."""

        def forget() -> None:
            if not self._was_used():
                return
            disk = self._prepared()[0]
            for job_id, door in doors:
                with door.lock:
                    disk.clear(job_id)

        if self._folder is not None or self._ready is not None:
            await self.run(forget)

    async def wipe(self) -> None:
        """As of `Place`."""
        if await self.run(self._was_used):
            await self._do(lambda disk: disk.wipe())

    async def direct(self, job_id: str, name: str, method: str, expires_in: int) -> str | None:
        """As of `Place`: there is none."""
        return self.direct_now(job_id, name, method, expires_in)

    def direct_now(self, job_id: str, name: str, method: str, expires_in: int) -> str | None:
        """As of `Place`: there is none."""
        del job_id, name, method, expires_in
        return None

    async def link_key(self) -> bytes | None:
        """As of `Place`: strangers have no folder created."""
        if self._ready is None and not await self.run(self._was_used):
            return None
        return await self.signing_key()

    async def signing_key(self) -> bytes:
        """As of `Place`."""
        return (await self._opened())[0].key

    def signing_key_now(self) -> bytes:
        """As of `Place`."""
        return self._prepared()[0].key

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
