"""A job's files as handlers are given them, in the words of the official `TaskFiles`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pydantic_core import from_json, to_json

from orchestrator_lite.files._errors import FileMissingError
from orchestrator_lite.files._names import checked, named, on_disk

if TYPE_CHECKING:
    from orchestrator_lite.files._place import Stored
    from orchestrator_lite.files._storage import Files

READ = 1024 * 1024
"""Bytes read from a local file at once."""


class TaskFiles:
    """The files of one job, for the handler that runs.

    A handler has a local folder of its own, which goes when it has ended: what is to stay is uploaded. Names are those
    of the job's files; where one is asked for, its address (`lite://…`, `s3://…`) will do. A name that ends with `/`
    means a folder with all that is in it.
    """

    def __init__(self, files: Files, job_id: str) -> None:
        self._files = files
        self._job_id = job_id
        self._local: Path | None = None

    @property
    def local_dir(self) -> Path:
        """The handler's local folder."""
        if self._local is None:
            self._local = Path(tempfile.mkdtemp(prefix=f"orchestrator-lite-{self._job_id[-12:]}-"))
        return self._local

    def path(self, filename: str) -> Path:
        """Where a file of that name lies in the local folder, or is to be written before `upload`.

        Raises:
            FileNameError: No file can have that name.
        """
        below = on_disk(self._name(filename))
        return self.local_dir.joinpath(*below)

    def generate_presigned_url(self, filename: str, method: str = "GET", expires_in: int = 3600) -> str:
        """A URL under which the file can be fetched (`GET`) or put (`PUT`) without a token.

        Args:
            filename: The file.
            method: `GET` or `PUT`.
            expires_in: Seconds it is good for.

        Raises:
            FileNameError: No file can have that name.
        """
        return self._files.link_now(self._job_id, self._name(filename), method, expires_in)

    async def download(self, name_or_uri: str, local_name: str | None = None, verify_meta: Any = None) -> Path:
        """Copy a file, or a folder, into the local folder.

        Args:
            name_or_uri: Which; a folder's name ends with `/`.
            local_name: Its name there, default the same.
            verify_meta: Passed over, as officially.

        Returns:
            Where it lies.

        Raises:
            FileMissingError: The job has none.
        """
        del verify_meta
        name = self._bare(name_or_uri).lstrip("/")
        if name.endswith("/"):
            return await self._download_folder(name, local_name or name)
        target = self.path(local_name or name)
        await self._fetch(name, target)
        return target

    async def upload(self, local_name: str, remote_name: str | None = None) -> str:
        """Store a file, or a folder, of the local folder.

        Args:
            local_name: Which.
            remote_name: Its name among the job's files, default the same.

        Returns:
            Its address, `lite://…` or `s3://…`.

        Raises:
            FileNotFoundError: There is nothing of that name in the local folder.
        """
        source = self.path(local_name.rstrip("/"))
        remote = self._name(remote_name or local_name)
        below = await self._files.run(lambda: _files_below(source))
        if below is None:
            raise FileNotFoundError(f"there is no file {local_name!r} in the handler's local folder {source.parent}")
        if below == [source]:
            return await self._send(source, remote)
        for file in below:
            await self._send(file, f"{remote}/{file.relative_to(source).as_posix()}")
        return self._files.address(self._job_id, f"{remote}/")

    async def upload_stream(self, filename: str, stream: AsyncIterable[bytes]) -> str:
        """Store bytes as they come; its address."""
        stored = await self._files.put(self._job_id, self._name(filename), stream)
        return self._files.address(self._job_id, stored.name)

    async def read_bytes(self, name_or_uri: str) -> bytes:
        """A file's bytes: of the local folder, else of the job.

        Raises:
            FileMissingError: There is none.
        """
        name = self._name(self._bare(name_or_uri))
        local = self._local
        if local is not None:
            path = local.joinpath(*on_disk(name))
            here = await self._files.run(lambda: path.read_bytes() if path.is_file() else None)
            if here is not None:
                return here
        opened = await self._files.get(self._job_id, name)
        return b"".join([chunk async for chunk in opened.chunks])

    async def read_text(self, name_or_uri: str) -> str:
        """A file's text, UTF-8: of the local folder, else of the job."""
        return (await self.read_bytes(name_or_uri)).decode()

    async def read_json(self, name_or_uri: str) -> Any:
        """What a JSON file holds: of the local folder, else of the job."""
        return from_json(await self.read_bytes(name_or_uri))

    async def write_json(self, filename: str, data: Any, upload: bool = True) -> str:
        """Write a JSON file into the local folder and, unless told otherwise, store it; its address, or `file://…`."""
        local = await self._write(filename, to_json(data))
        return await self._send(local, self._name(filename)) if upload else f"file://{local}"

    async def write_text(self, filename: str, text: str, upload: bool = True) -> Path:
        """Write a text file (UTF-8) into the local folder and, unless told otherwise, store it; where it lies."""
        local = await self._write(filename, text.encode())
        if upload:
            await self._send(local, self._name(filename))
        return local

    async def list(self) -> list[Stored]:
        """The job's files by name, size and time (ours: official handlers cannot list)."""
        return await self._files.list(self._job_id)

    async def delete(self, filename: str) -> bool:
        """Take a file of the job away; False when there was none (ours)."""
        return await self._files.delete(self._job_id, self._name(filename))

    async def cleanup(self) -> None:
        """Take all files of the job away, and the local folder."""
        await self._files.clear(self._job_id)
        await self.close()

    async def close(self) -> None:
        """Take the local folder away; the server does so when the handler has ended."""
        local, self._local = self._local, None
        if local is not None:
            await self._files.run(lambda: shutil.rmtree(local, ignore_errors=True))

    def _bare(self, name_or_uri: str) -> str:
        return named(self._files.addresses, self._job_id, name_or_uri)

    def _name(self, filename: str) -> str:
        return checked(self._bare(filename).lstrip("/").rstrip("/"))

    async def _download_folder(self, name: str, local_name: str) -> Path:
        below = self._name(name) + "/"
        found = [file.name for file in await self.list() if file.name.startswith(below)]
        if not found:
            raise FileMissingError(f"File not found: the job has no folder {name!r} with files in it")
        target = self.path(local_name)
        for file in found:
            await self._fetch(file, target.joinpath(*on_disk(file.removeprefix(below))))
        return target

    async def _fetch(self, name: str, target: Path) -> None:
        opened = await self._files.get(self._job_id, name)
        handle = await self._files.run(lambda: _created(target))
        with handle:
            async for chunk in opened.chunks:
                await self._files.run(lambda chunk=chunk: handle.write(chunk))  # type: ignore[misc]

    async def _send(self, source: Path, remote: str) -> str:
        return await self.upload_stream(remote, self._chunks(source))

    async def _chunks(self, source: Path) -> AsyncIterator[bytes]:
        handle = await self._files.run(lambda: source.open("rb"))
        with handle:
            while chunk := await self._files.run(lambda: handle.read(READ)):
                yield chunk

    async def _write(self, filename: str, content: bytes) -> Path:
        path = self.path(filename)

        def write() -> None:
            with _created(path) as handle:
                handle.write(content)

        await self._files.run(write)
        return path


def _created(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")


def _files_below(path: Path) -> list[Path] | None:
    """The file itself, or the files of a folder; None when there is neither."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        return None
    return sorted(file for file in path.rglob("*") if file.is_file())
