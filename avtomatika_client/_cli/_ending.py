"""Commands that wait: what they print when the job has ended, and when the waiting has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from avtomatika_client._cli import _show
from avtomatika_client._cli._failures import ENDED_OTHERWISE, INTERRUPTED, TIMED_OUT, Stop
from avtomatika_client.errors import WaitTimeout
from avtomatika_client.protocol.errors import AvtomatikaError

if TYPE_CHECKING:
    from avtomatika_client._cli._options import Given
    from avtomatika_client._resources._handle import JobHandle
    from avtomatika_client.protocol.jobs import Job

_LAST_LOOK = 2.0
"""Seconds for what is said of a job whose wait has ended."""


def wait_for_result(job: JobHandle, timeout: float | None, said: Given) -> None:
    """Wait until a job has ended and print its result.

    Args:
        job: The job.
        timeout: Seconds; None: as long as it takes.
        said: How to print it.

    Raises:
        Stop: It did not end well, or not in time, or the wait was interrupted.
    """
    from avtomatika_client._cli._words import dumped, error_of

    _until_ended(job, timeout, said)
    state = state_of(job)
    if state.end_status == "finished":
        _show.document(job.result())
        return
    if not _show.as_table(said.as_json):
        _show.document(dumped(state))
    where = f" in state {state.current_state!r}" if state.current_state else ""
    why = f": {error_of(state)}" if error_of(state) else ""
    raise Stop(ENDED_OTHERWISE, f"job {job.id} is {state.end_status}{where}{why}")


def wait_for_cancellation(job: JobHandle, timeout: float | None, said: Given) -> None:
    """Wait until a job whose cancellation was asked for has ended, and print it.

    Args:
        job: The job.
        timeout: Seconds; None: as long as it takes.
        said: How to print it.

    Raises:
        Stop: It ended otherwise, or not in time, or the wait was interrupted.
    """
    from avtomatika_client._cli._words import dumped

    _until_ended(job, timeout, said)
    state = state_of(job)
    if _show.as_table(said.as_json):
        _show.line(state.end_status)
    else:
        _show.document(dumped(state))
    if state.end_status != "cancelled":
        raise Stop(ENDED_OTHERWISE, f"job {job.id} ended before it could be cancelled: it is {state.end_status}")


@contextmanager
def leaving(job: JobHandle, timeout: float | None) -> Iterator[None]:
    """Say so when what is done inside ends before the job does."""
    try:
        yield
    except KeyboardInterrupt:
        raise Stop(INTERRUPTED, f"interrupted; job {job.id} goes on") from None
    except WaitTimeout:
        raise Stop(TIMED_OUT, f"job {job.id} has not ended within {timeout:g} s and goes on") from None


def _until_ended(job: JobHandle, timeout: float | None, said: Given) -> None:
    """Wait; where that ends first, say that the job goes on and how to look at it."""
    from avtomatika_client._cli._follow import follow

    try:
        follow(job, timeout)
    except KeyboardInterrupt:
        raise _left(job, said, INTERRUPTED, f"interrupted; job {job.id} goes on") from None
    except WaitTimeout:
        status = _last_status(job)
        raise _left(
            job, said, TIMED_OUT, f"job {job.id} has not ended within {timeout:g} s{status} and goes on"
        ) from None


def _last_status(job: JobHandle) -> str:
    """What is known of the job's status, asked for once more."""
    with suppress(AvtomatikaError):
        job.refresh(timeout=_LAST_LOOK)
    return f" (it is {job.status})" if job.status else ""


def _left(job: JobHandle, said: Given, code: int, text: str) -> Stop:
    from avtomatika_client._cli._words import dumped

    if not _show.as_table(said.as_json):
        _show.document({"id": job.id} if job.state is None else dumped(job.state))
    return Stop(code, f"{text}; look at it: {said.command(f'jobs get {job.id}')}")


def state_of(job: JobHandle) -> Job:
    """A job's state, which has just been read."""
    assert job.state is not None  # noqa: S101 - whoever calls has read it
    return job.state
