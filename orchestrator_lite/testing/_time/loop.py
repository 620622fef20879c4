"""An event loop whose time stands still until everything has settled, and then jumps to the next timer.

asyncio asks its selector with a timeout of 0 while a callback is ready. Any other timeout, after nothing was found to
read or write and with nothing held, *is* the settled state.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

from avtomatika_client.protocol.clock import HOLD, SYSTEM_CLOCK
from orchestrator_lite.testing._errors import ClockError
from orchestrator_lite.testing._time.sentinel import SENTINEL

SLICE: Final = 0.05
"""Real seconds to wait at a time for what ends outside the loop."""

QUIET: Final = 0.25
"""Real seconds without traffic after which other people's sockets count as idle."""


DOUBT: Final = 0.25
"""Real seconds in which other people's threads may still bring something before a wait counts as vain."""


HURRY: Final = 1.0
"""Real seconds a turn may take once another has taken far too long: it is likely to be tried again."""


_TAKEN: Final = ("time", HOLD, "run_in_executor", "subprocess_exec", "subprocess_shell")
"""What of a loop is replaced."""


class Settled(Protocol):
    """Decides what happens when nothing can happen before time passes."""

    @property
    def is_hopeless(self) -> bool:
        """Whether time is to go on even though nothing settles."""

    def settled(self, timers: list[asyncio.TimerHandle]) -> float | None:
        """The time to jump to, by the loop's clock; None: it has made something ready instead."""

    def waited(self, seconds: float) -> bool:
        """So much real time has passed; True when what is held is not to be waited for any longer."""

    def blocked(self, by: str) -> None:
        """Something has blocked the loop for too long, and was ended."""


class VirtualLoop:
    """Takes over the clock of a running loop, until `release`.

    Args:
        loop: asyncio's own selector loop.
        guide: Decides where time goes.
        task: The test's.
        patience: Real seconds one turn of the loop may take.

    Attributes:
        time: The loop's time.
        wakes: How often something has come from outside.
        turn_began: When its present turn began, in real seconds; None while it waits.
        patience: Real seconds a turn may take.
        task: The test's.
        blocked: What has blocked it and was ended.

    Raises:
        ClockError: It is another kind of loop.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, guide: Settled, task: asyncio.Task[Any] | None, patience: float
    ) -> None:
        if not isinstance(loop, asyncio.SelectorEventLoop) or not hasattr(loop, "_selector"):
            kind = f"{type(loop).__module__}.{type(loop).__qualname__}"
            raise ClockError(f"virtual time needs asyncio's own selector loop, not {kind}: use another policy")
        self._loop: Any = loop
        self._guide = guide
        self._real: Any = self._loop._selector  # noqa: SLF001 - the way described above; a test per Python version
        self._clock = SYSTEM_CLOCK
        self._began = self.time = loop.time()
        self._held: set[object] = set()
        self._children: list[asyncio.SubprocessTransport] = []
        self._foreign: frozenset[int] = frozenset()
        self._busy_until = 0.0
        self._asked = self._clock.monotonic()
        self.wakes = 0
        self.task, self.patience = task, patience
        self.blocked: str | None = None
        self.turn_began: float | None = self._asked
        self._before = {name: value for name, value in vars(loop).items() if name in _TAKEN}  # another orchestrator's
        self._loop._selector = self  # noqa: SLF001
        loop.time = lambda: self.time  # type: ignore[method-assign]
        setattr(loop, HOLD, self.holding)
        loop.run_in_executor = self._in_executor  # type: ignore[method-assign,assignment]
        for name in ("subprocess_exec", "subprocess_shell"):
            setattr(loop, name, self._child(getattr(loop, name)))
        self._unwatch = SENTINEL.watch(self)

    def release(self) -> None:
        """Give the loop its own clock back; its timers keep their distance."""
        loop = self._loop
        self._unwatch()
        if not loop.is_closed():
            loop._selector = self._real  # noqa: SLF001
        for name in _TAKEN:
            with suppress(AttributeError):
                delattr(loop, name)
        vars(loop).update(self._before)
        ahead = self.time - loop.time()
        for timer in loop._scheduled:  # noqa: SLF001
            timer._when -= ahead  # noqa: SLF001
        heapq.heapify(loop._scheduled)  # noqa: SLF001

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Time stands still until the end of the block."""
        token = object()
        self.hold(token)
        try:
            yield
        finally:
            self.let_go(token)

    def hold(self, token: object) -> None:
        """Something goes on outside the loop."""
        self._held.add(token)

    def let_go(self, token: object) -> None:
        """It has ended, and its result is on the loop; may be called from any thread."""
        self._held.discard(token)

    def linger(self) -> None:
        """Let time stand still a moment, or until something comes."""
        self._busy_until = self._clock.monotonic() + DOUBT

    def select(self, timeout: float | None = None) -> list[Any]:
        """What asyncio asks of its selector, between two turns of the loop."""
        self.turn_began = None
        if self.blocked is not None:
            by, self.blocked = self.blocked, None
            if self.patience > HURRY:
                self.patience = HURRY
                self._guide.blocked(by)
        try:
            return self._selected(timeout)
        finally:
            self.turn_began = self._clock.monotonic()

    def _selected(self, timeout: float | None) -> list[Any]:
        now = self._clock.monotonic()
        if self._guide.waited(now - self._asked):
            self._held.clear()
            self._children.clear()
        self._asked = now
        events: list[Any] = self._real.select(0)
        self._note(events)
        self.wakes += len(events)
        if events or (timeout is not None and timeout <= 0):
            if self._guide.is_hopeless:  # something spins for ever: what has a deadline is to end all the same
                self.time = max(self.time, min((timer.when() for timer in self._timers()), default=self.time))
            return events
        if self._is_held():
            return self._really_waited()
        target = self._guide.settled(self._timers())
        if target is not None:
            self.time = max(self.time, target)
        return []

    def _timers(self) -> list[asyncio.TimerHandle]:
        return [timer for timer in self._loop._scheduled if not timer.cancelled()]  # noqa: SLF001

    def _really_waited(self) -> list[Any]:
        events: list[Any] = self._real.select(SLICE)
        self._note(events)
        self.wakes += len(events)
        if events and not self._foreign:
            self._busy_until = 0.0
        return events

    def _is_held(self) -> bool:
        self._children = [child for child in self._children if child.get_returncode() is None]
        return bool(self._held or self._children) or self._clock.monotonic() < self._busy_until

    def _note(self, events: list[Any]) -> None:
        """Other people's sockets are busy for a moment after they came or had traffic."""
        if not self._foreign and len(self._real.get_map() or ()) <= 1:
            return
        own = self._loop._ssock.fileno() if self._loop._ssock is not None else -1  # noqa: SLF001
        foreign = frozenset(self._real.get_map() or ()) - {own}
        if foreign != self._foreign or any(key.fd != own for key, _ in events):
            came = bool(foreign - self._foreign) or any(key.fd in foreign for key, _ in events)
            self._foreign = foreign
            self._busy_until = self._clock.monotonic() + QUIET if came else self._busy_until
        if not foreign:
            self._busy_until = 0.0

    def _in_executor(self, executor: Any, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        running: asyncio.Future[Any] = asyncio.SelectorEventLoop.run_in_executor(
            self._loop, executor, function, *arguments
        )
        token = object()
        self.hold(token)
        running.add_done_callback(lambda _: self.let_go(token))
        return running

    def _child(self, start: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def started(*arguments: Any, **options: Any) -> Any:
            transport, protocol = await start(*arguments, **options)
            self._children.append(transport)
            return transport, protocol

        return started

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
