"""Jobs count towards their client's quota when they are created, and not when they were refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import HTTPConnection

from orchestrator_lite.access import Allowance, Refused
from orchestrator_lite.api._front import CLIENT, QUOTA
from orchestrator_lite.api._http import ApiError
from orchestrator_lite.api._identity import access_of
from orchestrator_lite.engine.state import Client


class Counted:
    """Jobs that have been counted and are being created."""

    def __init__(self, request: HTTPConnection, count: int) -> None:
        client: Client = request.scope[CLIENT]
        self._name = client.name
        self._count = count
        self._scope = request.scope
        self._quotas = access_of(request).quotas
        try:
            self._tell(self._quotas.take(self._name, count))
        except Refused as refused:
            raise ApiError(refused.status, str(refused), refused.headers) from None

    def give_back(self) -> None:
        """They were not created after all; again, it does nothing."""
        count, self._count = self._count, 0
        if count:
            self._tell(self._quotas.give_back(self._name, count))

    def _tell(self, allowance: Allowance | None) -> None:
        if allowance is not None:
            self._scope[QUOTA] = allowance.headers()


@contextmanager
def counted(request: HTTPConnection, count: int = 1) -> Iterator[Counted]:
    """Count the jobs that are created inside the block, unless it raises.

    Args:
        request: Whose quota.
        count: How many jobs: all of them are counted, or none.

    Raises:
        ApiError: 429: the client's quota does not hold so many.
    """
    jobs = Counted(request, count)
    try:
        yield jobs
    except BaseException:
        jobs.give_back()
        raise
