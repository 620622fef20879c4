"""The files of all jobs, each whole or not there at all, wherever they lie."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from pathlib import Path
from typing import TypeVar

from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock
from orchestrator_lite.files import _links
from orchestrator_lite.files._door import Doors
from orchestrator_lite.files._errors import FilesOffError, LinkError
from orchestrator_lite.files._folder import Folder
from orchestrator_lite.files._names import address, checked
from orchestrator_lite.files._place import Opened, Place, Stored
from orchestrator_lite.files._task_files import TaskFiles
from orchestrator_lite.files._told import told

T = TypeVar("T")


class Files:
    """The files of a server's jobs.

    Args:
        place: Where they lie: a folder, or a place of another kind; None: a temporary folder that goes with the server.
        on: Whether files are kept at all.
        clock: The time it goes by.
        public_url: Under which others reach the server; None: the URL it listens on.
    """

    def __init__(
        self,
        place: Path | Place | None = None,
        *,
        on: bool = True,
        clock: Clock = SYSTEM_CLOCK,
        public_url: str | None = None,
    ) -> None:
        self.clock = clock
        self.on = on
        self.base_url = "http://127.0.0.1:8080"
        self.public_url = None if public_url is None else public_url.rstrip("/")
        self._kept = Folder(place, clock=clock) if place is None or isinstance(place, Path) else place
        self._doors = Doors()

    async def open(self) -> None:
        """Begin.

        Raises:
            FilesError: It cannot; the text says what to do.
        """
        if self.on:
            await self._kept.open()

    async def close(self) -> None:
        """Take the temporary folder away, if there is one."""
        await self._kept.close()

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
            FilesError: Disk or bucket refuse for another reason.
        """
        name = checked(name)
        with self._doors.entered(job_id) as door:
            return await self._place.put(door, job_id, name, chunks)

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
            FilesError: Disk or bucket refuse.
        """
        return await self._place.get(job_id, checked(name), wanted, only_if)

    async def exists(self, job_id: str, name: str) -> bool:
        """Whether the job has such a file.

        Raises:
            FileNameError: No file can have that name.
        """
        return await self._place.exists(job_id, checked(name))

    async def list(self, job_id: str) -> list[Stored]:
        """A job's files by name."""
        return await self._place.list(job_id)

    async def delete(self, job_id: str, name: str) -> bool:
        """Take a file away; False when there was none.

        Raises:
            FileNameError: No file can have that name.
        """
        return await self._place.delete(job_id, checked(name))

    async def clear(self, job_id: str) -> None:
        """Take all files of a job away."""
        await self._place.clear(job_id)

    async def forget(self, *job_ids: str) -> None:
        """Take all files of jobs away that are no more; uploads for them that are under way come to nothing.

        Again, or for jobs that never had files, it does nothing. Call it before the jobs leave the store: if the
        server dies between the two, they are still there to be forgotten again.

        Raises:
            FilesError: Disk or bucket refuse; what they have not let go of is taken away by the next call.
        """
        doors = [(job_id, self._doors.shut(job_id)) for job_id in job_ids]
        if doors and self.on:
            await self._kept.forget(doors)

    async def wipe(self) -> None:
        """Take the files of all jobs away, as `forget` does.

        Raises:
            FilesError: Disk or bucket refuse.
        """
        self._doors.shut_all()
        if self.on:
            await self._kept.wipe()

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
        name = checked(name)
        url = await self._place.direct(job_id, name, method, expires_in)
        if url is not None:
            return url
        return self._signed(await self._place.signing_key(), job_id, name, method, expires_in, base_url)

    def link_now(self, job_id: str, name: str, method: str, expires_in: int) -> str:
        """As `link`; at a server's first use of files it creates their folder."""
        name = checked(name)
        url = self._place.direct_now(job_id, name, method, expires_in)
        if url is not None:
            return url
        return self._signed(self._place.signing_key_now(), job_id, name, method, expires_in, None)

    async def direct(self, job_id: str, name: str, expires_in: int) -> str | None:
        """Where a file can be fetched without us, for a while; None where its bytes pass through this server."""
        return await self._place.direct(job_id, checked(name), "GET", expires_in)

    async def check_link(self, job_id: str, name: str, method: str, expires: str, signature: str) -> None:
        """Let the holder of a signed URL in.

        Raises:
            LinkError: It is forged, of another method, or has expired.
        """
        key = await self._place.link_key()
        if key is None:
            raise LinkError(_links.INVALID)
        _links.check(key, job_id, name, method, expires, signature, self.clock.now())

    def address(self, job_id: str, name: str) -> str:
        """A file's address, `lite://jobs/<job id>/<name>` on a disk, `s3://<bucket>/…` in a bucket."""
        return address(self._kept.addresses, job_id, name)

    @property
    def addresses(self) -> str:
        """How addresses of files begin here."""
        return self._kept.addresses

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

    @property
    def _place(self) -> Place:
        if not self.on:
            raise FilesOffError("S3 support is not enabled")
        return self._kept

    def _signed(self, key: bytes, job_id: str, name: str, method: str, expires_in: int, base_url: str | None) -> str:
        path = _links.signed_path(key, job_id, name, method, int(self.clock.now()) + expires_in)
        return (self.public_url or base_url or self.base_url).rstrip("/") + path
