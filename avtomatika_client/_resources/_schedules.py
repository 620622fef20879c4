"""Schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avtomatika_client._calls import schedules as calls
from avtomatika_client._calls._session import UNSET, Timeout
from avtomatika_client._resources._handle import AsyncJobHandle, JobHandle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from avtomatika_client._link import AsyncCaller, SyncCaller
    from avtomatika_client.protocol._base import JSON
    from avtomatika_client.protocol.schedules import Schedule, ScheduleChanges, ScheduleFields


class Schedules:
    """Jobs that begin by themselves. A schedule is named by its id or its name."""

    def __init__(self, caller: SyncCaller) -> None:
        self._caller = caller

    def create(
        self,
        name: str,
        blueprint: str,
        input_data: Mapping[str, JSON] | None = None,
        *,
        timeout: Timeout = UNSET,
        **fields: Unpack[ScheduleFields],
    ) -> Schedule:
        """Keep a new schedule; the same one again changes nothing.

        Args:
            name: What it is called; a client's schedules have different names.
            blueprint: Which blueprint its jobs run.
            input_data: Their `initial_data`.
            timeout: Total deadline in seconds.
            fields: When, and what else there is to say: `cron="0 3 * * *"`, `timezone="Europe/Berlin"`, …

        Raises:
            ConflictError: There is another schedule of that name.
            NotFoundError: The server has no such blueprint.
            NotSupportedByServerError: The server keeps no schedules.
            TypeError: A schedule has no such field.
            ValidationFailedError: It does not say when, or a field makes no sense.
        """
        body = {"name": name, "blueprint": blueprint, "input_data": input_data or {}, **calls.checked(fields)}
        return self._caller.run(calls.create(self._caller.session, body, timeout))

    def list(self, *, timeout: Timeout = UNSET) -> list[Schedule]:
        """The client's schedules, the oldest first.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server keeps no schedules.
        """
        return self._caller.run(calls.listed(self._caller.session, timeout))

    def get(self, schedule: str, *, upcoming: int = 5, timeout: Timeout = UNSET) -> Schedule:
        """A schedule, when it is due next, and its last runs.

        Args:
            schedule: Its id or name.
            upcoming: How many times ahead `next_runs` tells of, 100 at most.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: There is no such schedule.
            NotSupportedByServerError: The server keeps no schedules.
        """
        return self._caller.run(calls.get(self._caller.session, schedule, upcoming, timeout))

    def update(self, schedule: str, *, timeout: Timeout = UNSET, **fields: Unpack[ScheduleChanges]) -> Schedule:
        """Let a schedule say something else; a new way to say when takes the place of the old one.

        Args:
            schedule: Its id or name.
            timeout: Total deadline in seconds.
            fields: What changes; None takes a field back.

        Raises:
            ConflictError: The new name is taken, or the schedule stands in the server's `schedules.toml`.
            NotFoundError: There is no such schedule, or blueprint.
            NotSupportedByServerError: The server keeps no schedules.
            TypeError: A schedule has no such field.
            ValidationFailedError: A field makes no sense.
        """
        return self._caller.run(calls.update(self._caller.session, schedule, calls.checked(fields), timeout))

    def delete(self, schedule: str, *, timeout: Timeout = UNSET) -> None:
        """Forget a schedule; its jobs stay.

        Args:
            schedule: Its id or name.
            timeout: Total deadline in seconds.

        Raises:
            ConflictError: It stands in the server's `schedules.toml`.
            NotFoundError: There is no such schedule.
            NotSupportedByServerError: The server keeps no schedules.
        """
        return self._caller.run(calls.delete(self._caller.session, schedule, timeout))

    def run(self, schedule: str, *, timeout: Timeout = UNSET) -> JobHandle:
        """Begin a job of a schedule now, even while it is paused; its times stay as they are.

        Args:
            schedule: Its id or name.
            timeout: Total deadline in seconds.

        Raises:
            ConflictError: Its blueprint is not loaded just now.
            NotFoundError: There is no such schedule.
            NotSupportedByServerError: The server keeps no schedules.
        """
        ref = self._caller.run(calls.run(self._caller.session, schedule, timeout))
        return JobHandle(self._caller, ref)

    def pause(self, schedule: str, *, timeout: Timeout = UNSET) -> Schedule:
        """Let a schedule rest until it is resumed.

        Args:
            schedule: Its id or name.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: There is no such schedule.
            NotSupportedByServerError: The server keeps no schedules.
        """
        return self._caller.run(calls.pause(self._caller.session, schedule, timeout))

    def resume(self, schedule: str, *, timeout: Timeout = UNSET) -> Schedule:
        """Let a paused schedule go on; what was due while it rested is not made up for.

        Args:
            schedule: Its id or name.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: There is no such schedule.
            NotSupportedByServerError: The server keeps no schedules.
        """
        return self._caller.run(calls.resume(self._caller.session, schedule, timeout))


class AsyncSchedules:
    """Jobs that begin by themselves. A schedule is named by its id or its name."""

    def __init__(self, caller: AsyncCaller) -> None:
        self._caller = caller

    async def create(
        self,
        name: str,
        blueprint: str,
        input_data: Mapping[str, JSON] | None = None,
        *,
        timeout: Timeout = UNSET,
        **fields: Unpack[ScheduleFields],
    ) -> Schedule:
        """Keep a new schedule; the same one again changes nothing.

        Args:
            name: What it is called; a client's schedules have different names.
            blueprint: Which blueprint its jobs run.
            input_data: Their `initial_data`.
            timeout: Total deadline in seconds.
            fields: When, and what else there is to say: `cron="0 3 * * *"`, `timezone="Europe/Berlin"`, …

        Raises:
            ConflictError: There is another schedule of that name.
            NotFoundError: The server has no such blueprint.
            NotSupportedByServerError: The server keeps no schedules.
            TypeError: A schedule has no such field.
            ValidationFailedError: It does not say when, or a field makes no sense.
        """
        body = {"name": name, "blueprint": blueprint, "input_data": input_data or {}, **calls.checked(fields)}
        return await self._caller.run(calls.create(self._caller.session, body, timeout))

    async def list(self, *, timeout: Timeout = UNSET) -> list[Schedule]:
        """The client's schedules, the oldest first.

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server keeps no schedules.
        """
        return await self._caller.run(calls.listed(self._caller.session, timeout))

    async def get(self, schedule: str, *, upcoming: int = 5, timeout: Timeout = UNSET) -> Schedule:
        """A schedule, when it is due next, and its last runs.

        Args:
            schedule: Its id or name.
            upcoming: How many times ahead `next_runs` tells of, 100 at most.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: There is no such schedule.
            NotSupportedByServerError: The server keeps no schedules.
        """
        return await self._caller.run(calls.get(self._caller.session, schedule, upcoming, timeout))

    async def update(self, schedule: str, *, timeout: Timeout = UNSET, **fields: Unpack[ScheduleChanges]) -> Schedule:
        """Let a schedule say something else; a new way to say when takes the place of the old one.

        Args:
            schedule: Its id or name.
            timeout: Total deadline in seconds.
            fields: What changes; None takes a field back.

        Raises:
            ConflictError: The new name is taken, or the schedule stands in the server's `schedules.toml`.
            NotFoundError: There is no such schedule, or blueprint.
            NotSupportedByServerError: The server keeps no schedules.
            TypeError: A schedule has no such field.
            ValidationFailedError: A field makes no sense.
        """
        return await self._caller.run(calls.update(self._caller.session, schedule, calls.checked(fields), timeout))

    async def delete(self, schedule: str, *, timeout: Timeout = UNSET) -> None:
        """Forget a schedule; its jobs stay.

        Args:
            schedule: Its id or name.
            timeout: Total deadline in seconds.

        Raises:
            ConflictError: It stands in the server's `schedules.toml`.
            NotFoundError: There is no such schedule.
            NotSupportedByServerError: The server keeps no schedules.
        """
        return await self._caller.run(calls.delete(self._caller.session, schedule, timeout))

    async def run(self, schedule: str, *, timeout: Timeout = UNSET) -> AsyncJobHandle:
        """Begin a job of a schedule now, even while it is paused; its times stay as they are.

        Args:
            schedule: Its id or name.
            timeout: Total deadline in seconds.

        Raises:
            ConflictError: Its blueprint is not loaded just now.
            NotFoundError: There is no such schedule.
            NotSupportedByServerError: The server keeps no schedules.
        """
        ref = await self._caller.run(calls.run(self._caller.session, schedule, timeout))
        return AsyncJobHandle(self._caller, ref)

    async def pause(self, schedule: str, *, timeout: Timeout = UNSET) -> Schedule:
        """Let a schedule rest until it is resumed.

        Args:
            schedule: Its id or name.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: There is no such schedule.
            NotSupportedByServerError: The server keeps no schedules.
        """
        return await self._caller.run(calls.pause(self._caller.session, schedule, timeout))

    async def resume(self, schedule: str, *, timeout: Timeout = UNSET) -> Schedule:
        """Let a paused schedule go on; what was due while it rested is not made up for.

        Args:
            schedule: Its id or name.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: There is no such schedule.
            NotSupportedByServerError: The server keeps no schedules.
        """
        return await self._caller.run(calls.resume(self._caller.session, schedule, timeout))
