"""The registered workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avtomatika_client._calls import admin, jobs as calls
from avtomatika_client._calls._session import UNSET, Timeout

if TYPE_CHECKING:
    from avtomatika_client._link import AsyncCaller, SyncCaller
    from avtomatika_client.protocol.worker import WorkerRecord


class Workers:
    """The registered workers."""

    def __init__(self, caller: SyncCaller) -> None:
        self._caller = caller

    def list(self, *, timeout: Timeout = UNSET) -> list[WorkerRecord]:
        """The workers the server knows (`GET /api/v1/workers`).

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server has no such list.
        """
        return self._caller.run(calls.workers(self._caller.session, timeout))

    def reload(self, *, timeout: Timeout = UNSET) -> None:
        """Make the server read `workers.toml` again (`POST /api/v1/admin/reload-workers`).

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server cannot.
            APIStatusError: 422: the file means nothing, with what is wrong; what was read before holds on.
        """
        self._caller.run(admin.reload_workers(self._caller.session, timeout))


class AsyncWorkers:
    """The registered workers."""

    def __init__(self, caller: AsyncCaller) -> None:
        self._caller = caller

    async def list(self, *, timeout: Timeout = UNSET) -> list[WorkerRecord]:
        """The workers the server knows (`GET /api/v1/workers`).

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server has no such list.
        """
        return await self._caller.run(calls.workers(self._caller.session, timeout))

    async def reload(self, *, timeout: Timeout = UNSET) -> None:
        """Make the server read `workers.toml` again (`POST /api/v1/admin/reload-workers`).

        Args:
            timeout: Total deadline in seconds.

        Raises:
            NotSupportedByServerError: The server cannot.
            APIStatusError: 422: the file means nothing, with what is wrong; what was read before holds on.
        """
        await self._caller.run(admin.reload_workers(self._caller.session, timeout))
