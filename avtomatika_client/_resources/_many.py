"""Submitting many jobs: by requests of many where the server offers them, else one by one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from avtomatika_client._calls import many
from avtomatika_client._calls._session import UNSET, Budget, Timeout
from avtomatika_client._calls.jobs import JobRef
from avtomatika_client._resources._handle import AsyncJobHandle, JobHandle
from avtomatika_client.errors import APIStatusError
from avtomatika_client.protocol.errors import AvtomatikaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avtomatika_client._calls._session import Session
    from avtomatika_client._calls.many import Submitted
    from avtomatika_client._calls.submitting import NewJob
    from avtomatika_client._link import AsyncCaller, SyncCaller

_AT_ONCE: Final = 8
"""Creations of one job each that are under way side by side."""

_PORTIONS_AT_ONCE: Final = 2
"""The same, of many each: one is made or read while the server works on another."""


class _Course:
    """What has become of the jobs so far.

    Args:
        session: Whose call it is.
        total: How many they are.
        timeout: Seconds for all; by default each request has the client's own.
    """

    def __init__(self, session: Session, total: int, timeout: Timeout) -> None:
        self._whole = None if timeout is UNSET else Budget(session.clock, timeout)
        self._total = total
        self._refs: dict[int, JobRef] = {}
        self.error: AvtomatikaError | None = None

    @property
    def each(self) -> Timeout:
        """Seconds for the next request."""
        return UNSET if self._whole is None else self._whole.left

    def took(self, begin: int, found: Sequence[Submitted]) -> None:
        """Take what became of jobs, the first of which is number `begin`."""
        for place, one in enumerate(found, begin):
            if isinstance(one, APIStatusError):
                self.failed(one)
            else:
                self._refs[place] = one

    def failed(self, error: AvtomatikaError) -> None:
        """Take a failure; the first one counts."""
        if self.error is None:
            self.error = error

    def refs(self) -> list[JobRef]:
        """Where the jobs are found, in their order.

        Raises:
            AvtomatikaError: One was refused; a note names those that were accepted.
        """
        refs = [self._refs[place] for place in sorted(self._refs)]
        if self.error is not None:
            ids = ", ".join(ref.id for ref in refs)
            self.error.add_note(f"{len(refs)} of {self._total} jobs were accepted before: {ids or 'none'}")
            raise self.error
        return refs


def submit_all(caller: SyncCaller, new_jobs: Sequence[NewJob], timeout: Timeout) -> list[JobHandle]:
    """Create the jobs.

    Raises:
        AvtomatikaError: One was refused.
    """
    course = _Course(caller.session, len(new_jobs), timeout)
    together = caller.run(many.can_submit_many(caller.session, new_jobs, course.each))
    for begin, some in many.portions(new_jobs, together=together).items():
        try:
            course.took(begin, caller.run(many.create(caller.session, some, course.each, together=together)))
        except AvtomatikaError as error:
            course.failed(error)
        if course.error is not None:
            break
    return [JobHandle(caller, ref) for ref in course.refs()]


async def submit_all_async(caller: AsyncCaller, new_jobs: Sequence[NewJob], timeout: Timeout) -> list[AsyncJobHandle]:
    """`submit_all`, on the running loop."""
    course = _Course(caller.session, len(new_jobs), timeout)
    together = await caller.run(many.can_submit_many(caller.session, new_jobs, course.each))
    portions = many.portions(new_jobs, together=together)
    work = iter(portions.items())

    async def take() -> None:
        for begin, some in work:
            try:
                found = await caller.run(many.create(caller.session, some, course.each, together=together))
                course.took(begin, found)
            except AvtomatikaError as error:
                course.failed(error)
            if course.error is not None:
                return

    # A failure stops the others between two requests, not within one: so it is known what was accepted.
    async with asyncio.TaskGroup() as group:
        for _ in range(min(_PORTIONS_AT_ONCE if together else _AT_ONCE, len(portions))):
            group.create_task(take())
    return [AsyncJobHandle(caller, ref) for ref in course.refs()]
