"""The files of a task's job, as its skill sees them: `ctx.files`."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from avtomatika_client._bodies import Source, open_source
from avtomatika_client._calls import files as calls
from avtomatika_client._calls._flow import Flow
from avtomatika_client._calls._retry import Retry
from avtomatika_client._calls._session import Session
from avtomatika_client._calls.jobs import JobRef
from avtomatika_client._drivers import run_async
from avtomatika_client._seam import AsyncTransport
from avtomatika_client._sinks import Download, Memory, PartFile, target_of
from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.files import JobFile
from avtomatika_worker._bridge import Bridge, check_loop
from avtomatika_worker._cancel import Cancellation
from avtomatika_worker._wire import Peer
from avtomatika_worker.errors import NotSupportedError, TaskCancelled

T = TypeVar("T")

CALL_SECONDS: Final = 30.0
"""A call that moves no file; also how long a file may stand still."""
RETRIES: Final = 4
_making = threading.Lock()


@dataclass(frozen=True, slots=True)
class Depot:
    """Where an orchestrator keeps files.

    Attributes:
        peer: Gives who we are to it just now, and its dialect.
        transport: The way to it.
        clock: The time.
    """

    peer: Callable[[], Peer]
    transport: AsyncTransport
    clock: Clock

    async def run(self, call: Callable[[Session], Flow[T]]) -> T:
        """Make one call.

        Raises:
            NotSupportedError: This orchestrator keeps no files for workers.
        """
        peer = self.peer()
        if not peer.dialect.files:
            raise NotSupportedError(f"{peer.target.url} keeps no files for workers")
        return await self.exchange(call)

    async def exchange(self, call: Callable[[Session], Flow[T]]) -> T:
        """Make one call, whatever the orchestrator says it can do."""
        peer = self.peer()
        session = Session(
            base_url=peer.target.url,
            headers=peer.headers(),
            clock=self.clock,
            timeout=CALL_SECONDS,
            retry=Retry(retries=RETRIES),
        )
        return await run_async(call(session), self.transport, self.clock)

    async def aside(self, call: Callable[[], T]) -> T:
        """What `call`, which may block, returns."""
        with self.clock.hold():
            return await asyncio.to_thread(call)


class JobFiles:
    """The files of a task's job; await its calls. In plain functions use `ctx.files.blocking`.

    Transfers go in pieces, are repeated where that does no harm, and end when the task is cancelled.
    """

    def __init__(self, depot: Depot, job_id: str, cancellation: Cancellation) -> None:
        """Made by the worker for each task.

        Args:
            depot: Where the files are.
            job_id: Whose files.
            cancellation: The task's.
        """
        self._depot = depot
        self._ref = JobRef(job_id, calls.WORKER_API)
        self._bridge = Bridge(cancellation)
        self._folder: Path | None = None

    @property
    def blocking(self) -> BlockingFiles:
        """The same calls for plain functions."""
        return BlockingFiles(self)

    @property
    def folder(self) -> Path:
        """The task's own folder, made when it is first asked for and removed after the task."""
        if self._bridge.closed:
            raise TaskCancelled("The task has ended; its folder is gone.")
        with _making:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="avtomatika-task-"))
            return self._folder

    async def download(self, name: str, to: str | os.PathLike[str] | None = None) -> Path:
        """Fetch a file; returns where it is. It is there whole or not at all.

        Args:
            name: Its name within the job.
            to: A path, or a folder; None: into the task's own folder, which is removed after the task.

        Raises:
            NotFoundError: The job has no such file.
            OSError: It cannot be written.
            ValueError: The name cannot be used.
            NotSupportedError: This orchestrator keeps no files for workers.
        """
        self._check_loop("download")
        place = await self._depot.aside(lambda: PartFile(self._target(name, to)))
        sink = Download(place)
        try:
            await self._depot.run(lambda session: calls.download(session, self._ref, name, sink))
            sink.check()
            return await self._depot.aside(place.finish)
        finally:
            place.discard()

    async def read(self, name: str) -> bytes:
        """A file's bytes.

        Args:
            name: Its name within the job.

        Raises:
            NotFoundError: The job has no such file.
            ValueError: The name cannot be used.
            NotSupportedError: This orchestrator keeps no files for workers.
        """
        self._check_loop("read")
        memory = Memory()
        sink = Download(memory)
        await self._depot.run(lambda session: calls.download(session, self._ref, name, sink))
        sink.check()
        return memory.content

    async def upload(self, name: str, source: Source) -> None:
        """Put a file; one of that name is replaced.

        Args:
            name: Its name within the job; may hold slashes.
            source: A path, bytes, a file opened in binary mode, or an iterable of bytes.

        Raises:
            OSError: The source cannot be read.
            ValueError: Name or source cannot be used.
            ValidationFailedError: The server refused the name, or the file as too large.
            NotSupportedError: This orchestrator keeps no files for workers.
        """
        self._check_loop("upload")
        calls.checked_name(name)
        body = await self._depot.aside(lambda: open_source(source))
        await self._depot.run(lambda session: calls.upload(session, self._ref, name, body))

    async def list(self) -> list[JobFile]:
        """The job's files, by name.

        Raises:
            NotSupportedError: This orchestrator keeps no files for workers.
        """
        self._check_loop("list")
        return await self._depot.run(lambda session: calls.listed(session, self._ref))

    async def delete(self, name: str) -> None:
        """Delete a file; one that is not there is no error.

        Args:
            name: Its name within the job.

        Raises:
            ValueError: The name cannot be used.
            NotSupportedError: This orchestrator keeps no files for workers.
        """
        self._check_loop("delete")
        await self._depot.run(lambda session: calls.delete(session, self._ref, name))

    async def close(self, code: asyncio.Future[Any]) -> None:
        """The task has its result: end what still runs, remove the folder once its code is out.

        Args:
            code: The skill's running code.
        """
        await self._bridge.close()
        folder = self._folder
        if folder is None:
            return
        if code.done():
            await self._depot.aside(lambda: _remove(folder))
        else:
            code.add_done_callback(lambda _: _remove(folder))

    def from_thread(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `work` returns, run on the worker's loop while this thread waits.

        Raises:
            TaskCancelled: The task should end.
            RuntimeError: Called on the loop itself.
        """
        return self._bridge.call(work, "await the calls of `ctx.files` instead of `ctx.files.blocking`")

    def _target(self, name: str, to: str | os.PathLike[str] | None) -> Path:
        calls.checked_name(name)
        if to is not None:
            return target_of(to, name)
        path = self.folder.joinpath(*name.split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _check_loop(self, verb: str) -> None:
        check_loop(f"ctx.files.blocking.{verb}")


class BlockingFiles:
    """The files of a task's job for plain functions: the calls of `ctx.files`, which wait where they stand.

    They raise TaskCancelled as soon as the task should end.
    """

    def __init__(self, files: JobFiles) -> None:
        self._files = files

    @property
    def folder(self) -> Path:
        """As of `ctx.files`."""
        return self._files.folder

    def download(self, name: str, to: str | os.PathLike[str] | None = None) -> Path:
        """As of `ctx.files`."""
        return self._files.from_thread(lambda: self._files.download(name, to))

    def read(self, name: str) -> bytes:
        """As of `ctx.files`."""
        return self._files.from_thread(lambda: self._files.read(name))

    def upload(self, name: str, source: Source) -> None:
        """As of `ctx.files`."""
        self._files.from_thread(lambda: self._files.upload(name, source))

    def list(self) -> list[JobFile]:
        """As of `ctx.files`."""
        return self._files.from_thread(self._files.list)

    def delete(self, name: str) -> None:
        """As of `ctx.files`."""
        self._files.from_thread(lambda: self._files.delete(name))


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
