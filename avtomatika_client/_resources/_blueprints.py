"""The blueprints a server serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avtomatika_client._calls import overview as calls
from avtomatika_client._calls._session import UNSET, Timeout

if TYPE_CHECKING:
    from avtomatika_client._calls.overview import GraphFormat
    from avtomatika_client._link import AsyncCaller, SyncCaller


class Blueprints:
    """The blueprints a server serves."""

    def __init__(self, caller: SyncCaller) -> None:
        self._caller = caller

    def graph(self, name: str, *, format: GraphFormat = "dot", timeout: Timeout = UNSET) -> str:  # noqa: A002
        """A blueprint's states and the ways between them (`GET /api/v1/blueprints/{name}/graph`).

        Args:
            name: The blueprint's name.
            format: `dot` (Graphviz), `mermaid` or `svg`; official servers draw the first only.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: The server has no such blueprint.
            NotSupportedByServerError: The server draws no such format.
        """
        return self._caller.run(calls.graph(self._caller.session, name, format, timeout))


class AsyncBlueprints:
    """The blueprints a server serves."""

    def __init__(self, caller: AsyncCaller) -> None:
        self._caller = caller

    async def graph(self, name: str, *, format: GraphFormat = "dot", timeout: Timeout = UNSET) -> str:  # noqa: A002
        """A blueprint's states and the ways between them (`GET /api/v1/blueprints/{name}/graph`).

        Args:
            name: The blueprint's name.
            format: `dot` (Graphviz), `mermaid` or `svg`; official servers draw the first only.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: The server has no such blueprint.
            NotSupportedByServerError: The server draws no such format.
        """
        return await self._caller.run(calls.graph(self._caller.session, name, format, timeout))
