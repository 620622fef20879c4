"""Access tokens of workers: lent for an hour against a credential, and refreshed (`spec/avtomatika.md` §6.6)."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.access._jwt import decoded, encoded
from orchestrator_lite.access._workers import WorkerTokens

LIFETIME: Final = 3600
"""Seconds an access token is good for, as officially."""
REFRESHABLE: Final = 30 * 86_400
"""Seconds within which it can be refreshed."""

_ACCESS: Final = "worker"
_REFRESH: Final = "worker-refresh"


class Lent:
    """Makes and reads the tokens; nothing is kept, so they outlive a restart.

    A token ends with the credential it was lent against: when that is changed or taken away.

    Args:
        clock: Whose seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = b""

    def sign_with(self, key: bytes) -> None:
        """Set what tokens are signed with, 32 bytes or more."""
        self._key = key

    async def lend(self, worker_id: str, workers: WorkerTokens) -> dict[str, Any]:
        """New tokens for a worker, in the words of the releases.

        Args:
            worker_id: Who has shown its credential.
            workers: The credentials of now.
        """
        with self._clock.hold():
            return await asyncio.to_thread(self._made, worker_id, workers.mark(worker_id), self._clock.now())

    async def holder(self, token: bytes, workers: WorkerTokens) -> str | None:
        """The worker whose access token it is; None: nobody's, or nobody's any more."""
        return await self._owner(token, _ACCESS, workers)

    async def refreshes(self, token: bytes, workers: WorkerTokens) -> str | None:
        """The worker whose refresh token it is; None: nobody's, or nobody's any more."""
        return await self._owner(token, _REFRESH, workers)

    async def _owner(self, token: bytes, use: str, workers: WorkerTokens) -> str | None:
        claims = await decoded(token.decode("latin-1"), self._key, use, self._clock)
        if claims is None or not isinstance(claims["sub"], str):
            return None
        return claims["sub"] if claims.get("cred") == workers.mark(claims["sub"]) else None

    def _made(self, worker_id: str, mark: str, now: float) -> dict[str, Any]:
        said = {"sub": worker_id, "cred": mark}
        return {
            "access_token": encoded(said, self._key, _ACCESS, now=now, lifetime=LIFETIME),
            "expires_in": LIFETIME,
            "refresh_token": encoded(said, self._key, _REFRESH, now=now, lifetime=REFRESHABLE),
            "worker_id": worker_id,
        }
