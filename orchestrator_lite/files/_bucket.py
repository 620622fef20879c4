"""Files in a bucket of S3, or of whatever speaks its protocol: `<prefix>/jobs/<job id>/<name>` (spec/avtomatika.md §5).

Whoever fetches a file is sent to the bucket itself by a presigned URL, unless that was switched off.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.files._bucket_feed import PIECE, Feed, fed, in_pieces
from orchestrator_lite.files._bucket_store import made
from orchestrator_lite.files._bucket_told import MISCONFIGURED, WARNING, BucketError, told
from orchestrator_lite.files._door import Door
from orchestrator_lite.files._errors import FileMissingError, FileNameError, FilesError
from orchestrator_lite.files._names import checked
from orchestrator_lite.files._place import Opened, Stored
from orchestrator_lite.files._spans import parse_span
from orchestrator_lite.settings import Settings

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Store

log = logging.getLogger(__name__)

PART = 5 * 1024 * 1024
"""Bytes of a part of an upload, the least S3 takes; files below it go in one request."""

LONGEST_KEY = 1024
"""Bytes of an object's key on S3, prefix and job included."""

MOST_PARTS = 10_000
"""Parts an upload may have on S3."""

READ = 2 * 1024 * 1024
"""Bytes fetched at once: a slow reader keeps no connection to the bucket."""

KEY = "orchestrator-lite.key"
"""Where the key of our own signed URLs lies, below the prefix."""

FIRST_LOOK = 10.0
"""Seconds the bucket has at the start to show that it is there."""

AT_ONCE = 8
"""Jobs whose files are taken away at the same time."""


class Bucket:
    """Files of jobs in a bucket.

    Args:
        settings: `files` says which, the settings `s3_…` how it is reached.
        clock: The time it goes by.
    """

    def __init__(self, settings: Settings, *, clock: Clock) -> None:
        self.addresses = f"{str(settings.files).rstrip('/')}/"
        self._name = self.addresses.removeprefix("s3://").partition("/")[0]
        self._settings = settings
        self._part = max(PART, -(-settings.max_file // MOST_PARTS))
        self._clock = clock
        self._made: S3Store | None = None
        self._key: bytes | None = None

    async def open(self) -> None:
        """Look whether the bucket is there; one that cannot be reached just now is waited for.

        Raises:
            FilesError: It will never be there as it is set up.
        """
        try:
            async with self._clock.timeout(FIRST_LOOK):
                await self._look("jobs/", quiet=True)
        except BucketError as error:
            if error.reason in MISCONFIGURED:
                raise FilesError(
                    f"The bucket for files {self._name!r} cannot be used ({error.reason}): see the settings `files`,"
                    " `s3_endpoint`, `s3_region`, `s3_access_key` and `s3_secret_key`."
                ) from None
            log.warning(WARNING, self._name, error.reason)
        except TimeoutError:
            log.warning(WARNING, self._name, "it does not answer")

    async def close(self) -> None:
        """As of `Place`: there is nothing to end."""

    async def put(self, door: Door, job_id: str, name: str, chunks: AsyncIterable[bytes]) -> Stored:
        """As of `Place`."""
        key = _key(job_id, name)
        if len((self.addresses + key).encode()) - len(f"s3://{self._name}/") > LONGEST_KEY:
            raise FileNameError(f"filename: too long for the bucket, whose keys have {LONGEST_KEY} bytes at most")
        size = await self._sent(key, chunks)
        if door.shut:  # the job was forgotten meanwhile
            await self._delete([key])
            door.check()
        return Stored(name, size, self._clock.now())

    async def get(self, job_id: str, name: str, wanted: str | None, only_if: str | None) -> Opened:
        """As of `Place`; a file that is replaced while it is read breaks off."""
        meta = await self._head(_key(job_id, name))
        size, etag = meta["size"], meta["e_tag"]
        span = parse_span(wanted, size) if only_if in {None, etag} else None
        start, stop = (0, size) if span is None else (span.start, span.stop)
        return Opened(name, size, etag or '""', span, self._read(_key(job_id, name), etag, start, stop))

    async def exists(self, job_id: str, name: str) -> bool:
        """As of `Place`."""
        try:
            await self._head(_key(job_id, name))
        except FileMissingError:
            return False
        return True

    async def list(self, job_id: str) -> list[Stored]:
        """As of `Place`; objects whose names no file can have are not ours."""
        found = []
        below = _key(job_id, "")
        async for batch in self._listed(below):
            for meta in batch:
                name = meta["path"].removeprefix(below)
                if _is_name(name):
                    found.append(Stored(name, meta["size"], meta["last_modified"].timestamp()))
        return sorted(found, key=lambda file: file.name)

    async def delete(self, job_id: str, name: str) -> bool:
        """As of `Place`."""
        existed = await self.exists(job_id, name)
        if existed:
            await self._delete([_key(job_id, name)])
        return existed

    async def clear(self, job_id: str) -> None:
        """As of `Place`."""
        await self._cleared(_key(job_id, ""))

    async def forget(self, doors: Iterable[tuple[str, Door]]) -> None:
        """As of `Place`."""
        waiting = [job_id for job_id, _ in doors]
        while waiting:
            now, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            await asyncio.gather(*map(self.clear, now))

    async def wipe(self) -> None:
        """As of `Place`; what lies beside `jobs/` stays."""
        await self._cleared("jobs/")

    async def direct(self, job_id: str, name: str, method: str, expires_in: int) -> str | None:
        """As of `Place`: a presigned URL."""
        if not self._settings.s3_direct:
            return None
        from obstore import sign_async

        with self._clock.hold(), told(self._name):
            return await sign_async(self._store, _verb(method), _key(job_id, name), timedelta(seconds=expires_in))

    def direct_now(self, job_id: str, name: str, method: str, expires_in: int) -> str | None:
        """As of `Place`: a presigned URL."""
        if not self._settings.s3_direct:
            return None
        from obstore import sign

        with told(self._name):
            return sign(self._store, _verb(method), _key(job_id, name), timedelta(seconds=expires_in))

    async def link_key(self) -> bytes | None:
        """As of `Place`."""
        return None if self._settings.s3_direct else await self.signing_key()

    async def signing_key(self) -> bytes:
        """As of `Place`: it lies in the bucket, so that links survive a restart."""
        if self._key is None:
            from obstore import get_async, put_async
            from obstore.exceptions import AlreadyExistsError

            with self._clock.hold(), told(self._name):
                with suppress(AlreadyExistsError):
                    await put_async(self._store, KEY, secrets.token_bytes(32), mode="create")
                self._key = bytes(await (await get_async(self._store, KEY)).bytes_async())
        return self._key

    def signing_key_now(self) -> bytes:
        """As of `Place`."""
        if self._key is None:
            from obstore import get, put
            from obstore.exceptions import AlreadyExistsError

            with told(self._name):
                with suppress(AlreadyExistsError):
                    put(self._store, KEY, secrets.token_bytes(32), mode="create")
                self._key = bytes(get(self._store, KEY).bytes())
        return self._key

    @property
    def _store(self) -> S3Store:
        if self._made is None:
            self._made = made(self._settings)
        return self._made

    async def _sent(self, key: str, chunks: AsyncIterable[bytes]) -> int:
        """Send a file; how many bytes it has."""
        from obstore import put_async

        pieces = in_pieces(chunks, self._part)
        first = await anext(pieces)
        if len(first) < self._part:
            with self._clock.hold(), told(self._name):
                await put_async(self._store, key, first, use_multipart=False)
            return len(first)
        feed = Feed()

        async def send() -> None:
            await put_async(self._store, key, feed, use_multipart=True, chunk_size=self._part, max_concurrency=2)

        with told(self._name):
            await fed(self._clock, _after(first, in_pieces(pieces, PIECE)), feed, send())
        return feed.size

    async def _head(self, key: str) -> ObjectMeta:
        from obstore import head_async

        try:
            with self._clock.hold(), told(self._name):
                return await head_async(self._store, key)
        except FileMissingError:
            await self._look(key)  # a missing bucket answers in the same way
            raise

    async def _look(self, prefix: str, *, quiet: bool = False) -> None:
        """Whether the bucket is there: one that is not there says so only to whoever lists it."""
        async for _ in self._listed(prefix, at_once=1, quiet=quiet):
            return

    async def _listed(self, prefix: str, *, at_once: int = 1000, quiet: bool = False) -> AsyncIterator[Any]:
        from obstore import list as listing

        with told(self._name):
            found = listing(self._store, prefix, chunk_size=at_once)
        while True:
            with self._clock.hold(), told(self._name, quiet=quiet):
                batch = await anext(found, None)
            if batch is None:
                return
            yield batch

    async def _cleared(self, prefix: str) -> None:
        async for batch in self._listed(prefix):
            await self._delete([meta["path"] for meta in batch])

    async def _delete(self, keys: Sequence[str]) -> None:
        from obstore import delete_async

        with self._clock.hold(), told(self._name):
            await delete_async(self._store, keys)

    async def _read(self, key: str, etag: str | None, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        from obstore import get_async

        while start < stop:
            end = min(stop, start + READ)
            options: dict[str, Any] = {"range": (start, end)}
            if etag is not None:
                options["if_match"] = etag
            with self._clock.hold(), told(self._name):
                result = await get_async(self._store, key, options=cast("Any", options))
                chunk = bytes(await result.bytes_async())
            yield chunk
            start = end


def _key(job_id: str, name: str) -> str:
    return f"jobs/{job_id}/{name}"


def _verb(method: str) -> Literal["GET", "PUT"]:
    return "PUT" if method == "PUT" else "GET"


def _is_name(name: str) -> bool:
    try:
        return checked(name) == name
    except FileNameError:
        return False


async def _after(first: bytes, rest: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        if piece:
            yield piece
