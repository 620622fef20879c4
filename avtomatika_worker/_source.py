"""Where a link's tasks come from and its results go to, whatever carries them."""

from __future__ import annotations

from typing import Protocol

from avtomatika_client._calls._flow import Reply
from avtomatika_worker._journal import Finished


class Refused(Exception):  # noqa: N818 - an answer of the server, not a mistake of ours
    """The server answered, but not with what was asked for."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"status {reply.status}")
        self.reply = reply


class Source(Protocol):
    """Gives out tasks."""

    async def next(self) -> list[bytes]:
        """Wait for tasks, as they came; an empty list when there was none for a while.

        Raises:
            Refused: The server said something else.
            APIConnectionError: It could not be asked.
        """


class Sink(Protocol):
    """Takes results and brings them to their orchestrator."""

    def put(self, result: Finished) -> None:
        """Deliver a result, for as long as it takes."""
