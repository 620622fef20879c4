"""Skills: the catalogue, and calling one as if it were a function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avtomatika_client._calls import skills as calls
from avtomatika_client._calls._session import UNSET, Timeout
from avtomatika_client._calls.submitting import submit
from avtomatika_client._resources._handle import AsyncJobHandle, JobHandle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from avtomatika_client._link import AsyncCaller, SyncCaller
    from avtomatika_client.protocol._base import JSON
    from avtomatika_client.protocol.skills import SkillRecord


class Skills:
    """The skills workers have published."""

    def __init__(self, caller: SyncCaller) -> None:
        self._caller = caller

    def call(
        self,
        name: str,
        params: Mapping[str, JSON] | BaseModel | None = None,
        *,
        dispatch_timeout: float | None = None,
        result_timeout: float | None = None,
        priority: float | None = None,
        idempotency_key: str | None = None,
        timeout: Timeout = UNSET,
    ) -> JSON:
        """Have a skill run once and give what it returns: a job of one task, without a blueprint.

        Args:
            name: The skill's name.
            params: Its input: a JSON object, or a pydantic model of one.
            dispatch_timeout: Seconds the task may wait for a worker.
            result_timeout: Seconds from now within which it must have ended; default: a second more than `timeout`, so
                that nobody works on for an answer that is not waited for.
            priority: Tasks of a higher one are handed out first.
            idempotency_key: As for `client.jobs.submit`.
            timeout: Total deadline in seconds, the skill's own time included; None: as long as it takes.

        Raises:
            NotFoundError: No worker has ever published this skill.
            JobFailed: It did not succeed.
            WaitTimeout: The time was up.
            ValueError: `params` is no JSON object.
            NotSupportedByServerError: The server has no such call.
        """
        budget = self._caller.session.budget(timeout)
        new = calls.new_call(
            name,
            params,
            dispatch_timeout=dispatch_timeout,
            result_timeout=calls.time_for(budget, result_timeout),
            priority=priority,
            idempotency_key=idempotency_key,
        )
        return self._caller.run(calls.called(self._caller.session, new, budget))

    def submit(
        self,
        name: str,
        params: Mapping[str, JSON] | BaseModel | None = None,
        *,
        dispatch_timeout: float | None = None,
        result_timeout: float | None = None,
        priority: float | None = None,
        idempotency_key: str | None = None,
        timeout: Timeout = UNSET,
    ) -> JobHandle:
        """Begin a call of a skill without waiting for it; the job is one like any other.

        Args:
            name: The skill's name.
            params: Its input: a JSON object, or a pydantic model of one.
            dispatch_timeout: Seconds the task may wait for a worker.
            result_timeout: Seconds from now within which it must have ended.
            priority: Tasks of a higher one are handed out first.
            idempotency_key: As for `client.jobs.submit`.
            timeout: Total deadline of this call in seconds.

        Raises:
            NotFoundError: No worker has ever published this skill.
            ValueError: `params` is no JSON object.
            NotSupportedByServerError: The server has no such call.
        """
        new = calls.new_call(
            name,
            params,
            dispatch_timeout=dispatch_timeout,
            result_timeout=result_timeout,
            priority=priority,
            idempotency_key=idempotency_key,
        )
        return JobHandle(self._caller, self._caller.run(submit(self._caller.session, new, timeout)))

    def list(self, *, timeout: Timeout = UNSET) -> list[SkillRecord]:
        """Every skill that a worker has ever published, by name, and who offers it now (`GET /api/v1/skills`).

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server has no such list.
        """
        return self._caller.run(calls.listed(self._caller.session, timeout))


class AsyncSkills:
    """The skills workers have published."""

    def __init__(self, caller: AsyncCaller) -> None:
        self._caller = caller

    async def call(
        self,
        name: str,
        params: Mapping[str, JSON] | BaseModel | None = None,
        *,
        dispatch_timeout: float | None = None,
        result_timeout: float | None = None,
        priority: float | None = None,
        idempotency_key: str | None = None,
        timeout: Timeout = UNSET,
    ) -> JSON:
        """Have a skill run once and give what it returns: a job of one task, without a blueprint.

        Args:
            name: The skill's name.
            params: Its input: a JSON object, or a pydantic model of one.
            dispatch_timeout: Seconds the task may wait for a worker.
            result_timeout: Seconds from now within which it must have ended; default: a second more than `timeout`, so
                that nobody works on for an answer that is not waited for.
            priority: Tasks of a higher one are handed out first.
            idempotency_key: As for `client.jobs.submit`.
            timeout: Total deadline in seconds, the skill's own time included; None: as long as it takes.

        Raises:
            NotFoundError: No worker has ever published this skill.
            JobFailed: It did not succeed.
            WaitTimeout: The time was up.
            ValueError: `params` is no JSON object.
            NotSupportedByServerError: The server has no such call.
        """
        budget = self._caller.session.budget(timeout)
        new = calls.new_call(
            name,
            params,
            dispatch_timeout=dispatch_timeout,
            result_timeout=calls.time_for(budget, result_timeout),
            priority=priority,
            idempotency_key=idempotency_key,
        )
        return await self._caller.run(calls.called(self._caller.session, new, budget))

    async def submit(
        self,
        name: str,
        params: Mapping[str, JSON] | BaseModel | None = None,
        *,
        dispatch_timeout: float | None = None,
        result_timeout: float | None = None,
        priority: float | None = None,
        idempotency_key: str | None = None,
        timeout: Timeout = UNSET,
    ) -> AsyncJobHandle:
        """Begin a call of a skill without waiting for it; the job is one like any other.

        Args:
            name: The skill's name.
            params: Its input: a JSON object, or a pydantic model of one.
            dispatch_timeout: Seconds the task may wait for a worker.
            result_timeout: Seconds from now within which it must have ended.
            priority: Tasks of a higher one are handed out first.
            idempotency_key: As for `client.jobs.submit`.
            timeout: Total deadline of this call in seconds.

        Raises:
            NotFoundError: No worker has ever published this skill.
            ValueError: `params` is no JSON object.
            NotSupportedByServerError: The server has no such call.
        """
        new = calls.new_call(
            name,
            params,
            dispatch_timeout=dispatch_timeout,
            result_timeout=result_timeout,
            priority=priority,
            idempotency_key=idempotency_key,
        )
        return AsyncJobHandle(self._caller, await self._caller.run(submit(self._caller.session, new, timeout)))

    async def list(self, *, timeout: Timeout = UNSET) -> list[SkillRecord]:
        """Every skill that a worker has ever published, by name, and who offers it now (`GET /api/v1/skills`).

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server has no such list.
        """
        return await self._caller.run(calls.listed(self._caller.session, timeout))
