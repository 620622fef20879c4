"""Where a link's tasks come from and its results go to, whatever carries them."""

from __future__ import annotations

from typing import Final, Protocol

from pydantic_core import from_json

from avtomatika_client._calls._flow import Reply
from avtomatika_client._seam import AsyncTransport
from avtomatika_client.protocol._base import JSON
from avtomatika_worker._acks import Acks
from avtomatika_worker._journal import Finished
from avtomatika_worker._session import Session

MARGIN: Final = 10.0
"""Seconds beyond its hold after which a poll counts as lost."""
_NOTHING: Final = 204


class Refused(Exception):
    """The server answered, but not with what was asked for."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"status {reply.status}")
        self.reply = reply


class Source(Protocol):
    """Gives out tasks."""

    async def next(self, limit: int) -> list[JSON]:
        """Wait for up to `limit` tasks, parsed but not read; an empty list when there was none for a while.

        Raises:
            Refused: The server said something else.
            APIConnectionError: It could not be asked.
        """


class Sink(Protocol):
    """Takes results and brings them to their orchestrator."""

    def put(self, result: Finished) -> None:
        """Deliver a result, for as long as it takes."""


class LongPoll:
    """Tasks by `GET /_worker/workers/{id}/tasks/next`, one request in flight."""

    def __init__(self, session: Session, transport: AsyncTransport, acks: Acks) -> None:
        self._session = session
        self._transport = transport
        self._acks = acks

    async def next(self, limit: int) -> list[JSON]:
        """Wait for tasks; the request acknowledges what was received before."""
        session = self._session
        with self._acks.carried() as acks:
            reply = await self._transport.send(session.peer.poll(acks, limit), timeout=session.hold + MARGIN)
            if not reply.is_success:
                raise Refused(reply)
        return [] if reply.status == _NOTHING or not reply.content else _tasks(reply.content)


def _tasks(content: bytes) -> list[JSON]:
    """The tasks of a reply: one as it stands, or several under `tasks` (feature `batch`); no JSON stays text."""
    try:
        parsed = from_json(content)
    except ValueError:
        return [content.decode(errors="replace")]
    several = parsed.get("tasks") if isinstance(parsed, dict) else None
    return several if isinstance(several, list) else [parsed]
