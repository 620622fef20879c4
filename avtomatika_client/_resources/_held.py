"""Submitting a job with files: created held, given its files, released; cancelled when one of these fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from avtomatika_client._bodies import open_source
from avtomatika_client._calls import files as calls, jobs
from avtomatika_client._calls._retry import Retry
from avtomatika_client._calls._session import UNSET, Budget, Timeout
from avtomatika_client._calls.submitting import submit
from avtomatika_client._resources._files import aside
from avtomatika_client.errors import NotFoundError
from avtomatika_client.protocol.errors import AvtomatikaError

if TYPE_CHECKING:
    from avtomatika_client._bodies import Body, Source
    from avtomatika_client._calls._flow import Flow
    from avtomatika_client._calls._session import Session
    from avtomatika_client._calls.jobs import JobRef
    from avtomatika_client._calls.submitting import NewJob
    from avtomatika_client._link import AsyncCaller, SyncCaller

AT_ONCE: Final = 4
"""Files that are sent side by side."""
_CANCEL_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Limit:
    """The time for the whole: by default each call has its own, and an upload no end."""

    session: Session
    whole: Budget | None

    @classmethod
    def of(cls, session: Session, timeout: Timeout) -> _Limit:
        return cls(session, None if timeout is UNSET else Budget(session.clock, timeout))

    @property
    def each(self) -> Timeout:
        return UNSET if self.whole is None else self.whole.left

    @property
    def budget(self) -> Budget:
        return self.session.budget(self.each)


def submit_held(caller: SyncCaller, new: NewJob, files: Mapping[str, Source], timeout: Timeout) -> JobRef:
    """Create a job with its files; with an idempotency key: go on with the one that the same call has created before.

    Raises:
        OSError: A source cannot be read; nothing was created.
        ValueError: A name or a source cannot be used; nothing was created.
        NotSupportedByServerError: The server cannot hold jobs; nothing was created.
    """
    session, bodies = caller.session, _opened(files)
    limit = _Limit.of(session, timeout)
    caller.run(calls.require_held_files(session, limit.budget))
    ref = caller.run(submit(session, new, limit.each))
    if new.key is not None and not caller.run(_is_held(session, ref, limit)):
        return ref
    try:
        _upload_all(caller, ref, bodies, limit)
        caller.run(calls.release(session, ref, limit.budget))
    except BaseException as error:
        if new.key is None:
            with _noted(error, ref):
                caller.run(_cancelled(session, ref))
        raise
    return ref


async def submit_held_async(caller: AsyncCaller, new: NewJob, files: Mapping[str, Source], timeout: Timeout) -> JobRef:
    """`submit_held`, on the running loop."""
    session = caller.session
    bodies = await aside(session.clock, lambda: _opened(files))
    limit = _Limit.of(session, timeout)
    await caller.run(calls.require_held_files(session, limit.budget))
    ref = await _created(caller, new, limit.each)
    if new.key is not None and not await caller.run(_is_held(session, ref, limit)):
        return ref
    try:
        await _upload_all_async(caller, ref, bodies, limit)
        await caller.run(calls.release(session, ref, limit.budget))
    except BaseException as error:
        if new.key is None:
            with _noted(error, ref):
                await caller.run(_cancelled(session, ref))
        raise
    return ref


def _is_held(session: Session, ref: JobRef, limit: _Limit) -> Flow[bool]:
    job = yield from jobs.get(session, ref, limit.budget)
    return job.held


async def _created(caller: AsyncCaller, new: NewJob, timeout: Timeout) -> JobRef:
    """Create a job; one whose creation was under way when this was cancelled is cancelled too, unless it has a key."""
    creating = asyncio.ensure_future(caller.run(submit(caller.session, new, timeout)))
    try:
        return await asyncio.shield(creating)
    except asyncio.CancelledError as error:
        try:
            await caller.session.clock.wait_any((creating,), _CANCEL_SECONDS)
            made = creating.done() and not creating.cancelled() and creating.exception() is None
            if made and new.key is None:
                with _noted(error, creating.result()):
                    await caller.run(_cancelled(caller.session, creating.result()))
        finally:
            creating.cancel()
        raise


@contextmanager
def _noted(error: BaseException, ref: JobRef) -> Iterator[None]:
    """Around a cancel: where it fails, `error` names the job that stays behind."""
    try:
        yield
    except NotFoundError:
        pass  # it has ended
    except AvtomatikaError as failed:
        error.add_note(f"job {ref.id} was created and could not be cancelled: {failed}")


def _opened(files: Mapping[str, Source]) -> dict[str, Body]:
    seen: dict[int, str] = {}
    for name, source in files.items():
        if hasattr(source, "read") or isinstance(source, Iterator):
            if id(source) in seen:
                raise ValueError(f"{seen[id(source)]!r} and {name!r} are to be read from the same open source")
            seen[id(source)] = name
    return {calls.checked_name(name): open_source(source) for name, source in files.items()}


def _cancelled(session: Session, ref: JobRef) -> Flow[object]:
    return jobs.cancel(replace(session, retry=Retry(retries=0)), ref, Budget(session.clock, _CANCEL_SECONDS))


def _upload_all(caller: SyncCaller, ref: JobRef, bodies: Mapping[str, Body], limit: _Limit) -> None:
    stop = threading.Event()

    def send(name: str, body: Body) -> None:
        caller.run(calls.upload(caller.session, ref, name, _Stoppable(body, stop), limit.each))

    if len(bodies) == 1:
        send(*next(iter(bodies.items())))
        return
    with ThreadPoolExecutor(AT_ONCE, "avtomatika-upload") as threads:
        sending = [threads.submit(send, name, body) for name, body in bodies.items()]
        try:
            done, _ = wait(sending, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        finally:
            stop.set()
            threads.shutdown(cancel_futures=True)


async def _upload_all_async(caller: AsyncCaller, ref: JobRef, bodies: Mapping[str, Body], limit: _Limit) -> None:
    work = iter(bodies.items())

    async def take() -> None:
        for name, body in work:
            await caller.run(calls.upload(caller.session, ref, name, body, limit.each))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(bodies))):
                group.create_task(take())
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None


class _StoppedError(Exception):
    """Another upload has failed."""


class _Stoppable:
    def __init__(self, body: Body, stop: threading.Event) -> None:
        self._body = body
        self._stop = stop

    @property
    def size(self) -> int | None:
        return self._body.size

    @property
    def repeatable(self) -> bool:
        return self._body.repeatable

    def chunks(self) -> Iterator[bytes]:
        for piece in self._body.chunks():
            if self._stop.is_set():
                raise _StoppedError
            yield piece
