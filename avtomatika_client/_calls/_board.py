"""The waits of one client, in whichever thread or task: one of them asks the server for all that nobody asks for yet.

Whoever asks is the leader of those it asks for; the others sleep until their job has ended, until the leader leaves
(then one of them takes over), or until they have slept so long that they look for themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from avtomatika_client._calls.jobs import JobRef
    from avtomatika_client.protocol.jobs import Job


MOST_LEADERS: Final = 32
"""Requests for waits that are on their way at once: half of the places that long exchanges have."""

SHORTEST: Final = 0.05
"""Seconds the shortest of several such requests is held: waits that find no place for one join it then."""

LATE: Final = 1.0
"""Seconds after which an answer that should be there is not counted on any more."""


class Wake:
    """Wakes one sleeper, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = False
        self._call: Callable[[], object] | None = None

    def set(self) -> None:
        """Wake it, now or when it falls asleep."""
        with self._lock:
            self._done, call = True, self._call
        if call is not None:
            call()

    @contextmanager
    def calling(self, call: Callable[[], object]) -> Iterator[None]:
        """Have `call` called when it is set, at once if it is; at the end it is as new."""
        with self._lock:
            self._call, done = call, self._done
        try:
            if done:
                call()
            yield
        finally:
            with self._lock:
                self._call, self._done = None, False


class Wait:
    """One wait for one job.

    Attributes:
        ref: The job.
        wake: Wakes it.
        job: The job, once it is known to have ended.
        leader: Who asks for it just now.
        answered: When the server last said that the job goes on, on the clock's monotonic scale.
        alone: Whether it asks for itself, because those who ask for many do not know its job.
        asked: Whether it has been asked for.
    """

    __slots__ = ("alone", "answered", "asked", "job", "leader", "ref", "wake")

    def __init__(self, ref: JobRef) -> None:
        self.ref = ref
        self.wake = Wake()
        self.job: Job | None = None
        self.leader: Wait | None = None
        self.answered = 0.0
        self.alone = False
        self.asked = False


class Board:
    """All waits of a client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits: dict[Wait, None] = {}
        self._gathering: Wait | None = None
        self._ends: dict[Wait, float] = {}

    def __len__(self) -> int:
        return len(self._waits)

    @contextmanager
    def waiting(self, ref: JobRef) -> Iterator[Wait]:
        """Wait for a job inside the block."""
        wait = Wait(ref)
        with self._lock:
            self._waits[wait] = None
        try:
            yield wait
        finally:
            self.let_go(wait)
            with self._lock:
                del self._waits[wait]
                heir = next((other for other in self._waits if other.leader is None and not other.alone), None)
            if heir is not None:
                heir.wake.set()

    def leads(self, wait: Wait, now: float) -> bool:
        """Whether this wait is to ask now: nobody asks for it, or is about to, and there is a place for one more.

        One that has asked before leaves it to another that comes back just now: so requests become one again.
        """
        with self._lock:
            if wait.leader is not None or (self._gathering is not None and self._gathering is not wait):
                return False
            back = wait.asked and any(now - LATE <= end <= now + SHORTEST for end in self._ends.values())
            if back or len(self._ends) >= MOST_LEADERS:
                return False
            self._gathering = wait
            return True

    def take(self, leader: Wait, most: int, until: float) -> list[Wait]:
        """The waits that `leader`, itself first, asks for from now on until `until` at the latest."""
        with self._lock:
            free = [wait for wait in self._waits if wait.leader is None and not wait.alone and wait is not leader]
            taken = [leader, *free[: most - 1]]
            for wait in taken:
                wait.leader, wait.asked = leader, True
            self._ends[leader] = until
            self._gathering = None
            return taken

    def until(self, now: float, seconds: float, longest: float) -> float:
        """Until when the next one asks.

        At most until the next of the others who ask comes back: then one goes on for both. And the more ask, the
        shorter: so one of them comes back soon, whoever began to wait meanwhile joins it, and in the end all wait for
        one request again.

        Args:
            now: The time, on the clock's monotonic scale.
            seconds: What is left of its own time.
            longest: Seconds for which the first one asks.
        """
        with self._lock:
            held = min(seconds, max(longest / 2.0 ** len(self._ends), SHORTEST))
            return min([now + held, *(end for end in self._ends.values() if end >= now + SHORTEST)])

    def answered(self, taken: list[Wait], ended: dict[str, Job], now: float) -> None:
        """The server has answered: those whose job has ended are told."""
        for wait in taken:
            wait.answered = now
            job = ended.get(wait.ref.id)
            if job is not None:
                wait.job = job
                wait.wake.set()

    def unknown(self, taken: list[Wait], ids: set[str]) -> None:
        """The server knows none of these jobs by this request: each is asked for by itself."""
        for wait in taken:
            if wait.ref.id in ids:
                wait.alone = True
                wait.wake.set()

    def disband(self, leader: Wait) -> None:
        """There is nothing to ask together: everybody looks for itself."""
        self.let_go(leader)
        with self._lock:
            others = [wait for wait in self._waits if wait is not leader]
        for wait in others:
            wait.wake.set()

    def wake(self) -> None:
        """Have everybody look again: the client is closed."""
        with self._lock:
            waits = list(self._waits)
        for wait in waits:
            wait.wake.set()

    def let_go(self, leader: Wait) -> None:
        """The leader asks no more, just now or for good."""
        with self._lock:
            self._ends.pop(leader, None)
            if self._gathering is leader:
                self._gathering = None
            for wait in self._waits:
                if wait.leader is leader:
                    wait.leader = None
