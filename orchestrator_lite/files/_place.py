"""Where files may lie, as `Files` sees it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from dataclasses import dataclass
from typing import Protocol

from orchestrator_lite.files._door import Door
from orchestrator_lite.files._spans import Span


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of a job.

    Attributes:
        name: Its name, folders separated by `/`.
        size: Bytes.
        modified_at: When it was stored last, UTC seconds.
    """

    name: str
    size: int
    modified_at: float


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


class Place(Protocol):
    """A folder, or a bucket; names are checked before they come here. Errors are those of `FilesError`.

    Attributes:
        addresses: How the addresses of its files begin, before `jobs/`.
    """

    addresses: str

    async def open(self) -> None:
        """Begin; fails when it can be told at once that no file could be kept."""

    async def close(self) -> None:
        """End; what uploads left that did not end is taken away."""

    async def put(self, door: Door, job_id: str, name: str, chunks: AsyncIterable[bytes]) -> Stored:
        """Store a file, whole or not at all."""

    async def get(self, job_id: str, name: str, wanted: str | None, only_if: str | None) -> Opened:
        """Begin to read a file."""

    async def exists(self, job_id: str, name: str) -> bool:
        """Whether there is such a file."""

    async def list(self, job_id: str) -> list[Stored]:
        """A job's files by name."""

    async def delete(self, job_id: str, name: str) -> bool:
        """Take a file away; False when there was none."""

    async def clear(self, job_id: str) -> None:
        """Take a job's files away."""

    async def forget(self, doors: Iterable[tuple[str, Door]]) -> None:
        """Take the files of jobs away whose doors were shut."""

    async def wipe(self) -> None:
        """Take all files away."""

    async def direct(self, job_id: str, name: str, method: str, expires_in: int) -> str | None:
        """A URL of the place's own; None where the server's own URLs are used."""

    def direct_now(self, job_id: str, name: str, method: str, expires_in: int) -> str | None:
        """As `direct`."""

    async def link_key(self) -> bytes | None:
        """The key of the server's own URLs; None while none can have been signed."""

    async def signing_key(self) -> bytes:
        """As `link_key`, created when there is none."""

    def signing_key_now(self) -> bytes:
        """As `signing_key`."""
