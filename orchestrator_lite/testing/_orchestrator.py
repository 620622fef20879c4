"""The server a test is given: in this process, with a virtual clock, and starting itself when it is first used."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import suppress
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.app import Orchestrator
from orchestrator_lite.settings import Settings
from orchestrator_lite.store.sqlite import SqliteStore
from orchestrator_lite.testing._errors import ClosedError, NeverEndsError, OtherLoopError
from orchestrator_lite.testing._faults.faults import Faults
from orchestrator_lite.testing._inside import InsideClient, InsideWorkers
from orchestrator_lite.testing._time.clock import VirtualClock

if TYPE_CHECKING:
    from orchestrator_lite.blueprint import Blueprint

THROWN: Final = 100
"""How often a wait in vain is ended by an error in its place; then the test is cancelled, which `except` lets pass."""
STUCK: Final = 150
"""How often a test's waits may be ended until it counts as stuck: it swallows whatever it is told."""
_IMPATIENT: Final = 40
"""What a wait counts that was ended because real time had passed: there is little left."""

FIRES: Final = 20
"""Runs of schedules that a wait outlasts while nothing else happens; `advance` knows no such limit."""

TEST_TASK: Final[ContextVar[asyncio.Task[Any] | None]] = ContextVar("orchestrator_lite_test_task", default=None)
"""The task that runs the test, where whoever runs it has said so; else the one that first uses the server."""


class TestSettings(Settings):
    """Settings as they are by default, whatever the environment of the tests says; webhooks may reach this machine."""

    __test__ = False

    egress_allow: list[str] = Field(default=["127.0.0.1", "localhost", "::1"])

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments alone."""
        return (init_settings,)


class VirtualOrchestrator(Orchestrator):
    """An orchestrator for one test, in its process and on its virtual clock; it starts itself when it is first used.

    Args:
        blueprints: What it serves; `add` takes more.
        settings: Default: `TestSettings()`, which reads nothing from the environment.
        clock: Default: one that begins with the real time.
        owner: Whose it is, for messages.

    Attributes:
        clock: Its time, which the whole event loop follows.
        faults: What is put in the way of requests.
        failure: The error of a wait that could not end.
        on_stuck: Called with it when the test does not end whatever it is told.
    """

    def __init__(
        self,
        blueprints: Iterable[Blueprint] = (),
        *,
        settings: Settings | None = None,
        clock: VirtualClock | None = None,
        owner: str = "its test",
    ) -> None:
        self.clock: VirtualClock = clock or VirtualClock()
        self.faults = Faults()
        self.failure: NeverEndsError | None = None
        self.on_stuck: Callable[[NeverEndsError], None] | None = None
        self._ends = 0
        self._owner = owner
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._closed = False
        self._diagnosis: asyncio.Task[None] | None = None
        self._closer: AsyncGenerator[None] | None = None
        self._left: list[str] = []
        self._fired = (0, 0)
        self._moved = 0
        store = SqliteStore(None, inline=True, clock=self.clock)
        super().__init__(blueprints, store=store, settings=settings or TestSettings(), clock=self.clock)
        self._look_again = math.inf
        # its rounds are so seldom that it would take long to see that a wait is in vain
        self._keeps_house = "retention" in self.settings.model_fields_set
        self._faults = self.faults

    def add(self, blueprint: Blueprint) -> None:
        """Serve a blueprint from now on.

        Raises:
            BlueprintError: It is wrong in itself, or its name or endpoint is taken; file and line come first.
            ClosedError: The test it was for is over.
        """
        self._check_open()
        super().add(blueprint)

    async def ready(self) -> Clock:
        """Start with the first use, on the loop of the test.

        Raises:
            ClosedError: The test it was for is over.
            OtherLoopError: It has been used on another loop before.
            ClockError: The loop cannot follow a virtual clock.
        """
        self._check_open()
        loop = asyncio.get_running_loop()
        if self._loop is None:
            await self._begin(loop)
        elif self._loop is not loop:
            raise OtherLoopError(f"this orchestrator belongs to the event loop of {self._owner}: use it there alone")
        elif self._task is None or self._task.done():  # it began in a fixture that had a task of its own
            self.attend(asyncio.current_task())
        return self.clock

    def attend(self, task: asyncio.Task[Any] | None) -> None:
        """From now on this task is the test; a wait that can never end is ended by cancelling it."""
        self._task = task
        self.clock.attend(task)

    async def __aenter__(self) -> Self:
        await self.ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_in_loop()

    def problems(self) -> list[str]:
        """What the test left behind, one line each."""
        return [*(self._left or self._told_of_guests()), *self.faults.unused()]

    def _told_of_guests(self) -> list[str]:
        return [
            f"{guest} was still running when the test ended: use `async with orchestrator.working(worker):`"
            if isinstance(guest, InsideWorkers)
            else f"{guest} was still open when the test ended: use `async with orchestrator.client() as client:`"
            for guest in self.guests
        ]

    async def close_in_loop(self) -> None:
        """End everything, on the loop it runs on; does nothing the second time."""
        self._closed = True
        closer, self._closer = self._closer, None
        if closer is not None:
            await closer.aclose()

    async def _until_closed(self) -> AsyncGenerator[None]:
        """Ends the server when it is closed, by us or by a loop that ends: loops close their async generators."""
        try:
            yield
        finally:
            self._closed = True
            await self._end()

    async def _end(self) -> None:
        self._left = self._told_of_guests()
        for guest in list(self.guests):
            with suppress(Exception):
                await guest.__aexit__(None, None, None)
        try:
            await super().__aexit__(None, None, None)
        finally:
            if self._diagnosis is not None:
                self._diagnosis.cancel()
            self.clock.uninstall()

    def close(self) -> None:
        """End everything from outside, when its loop stands still or is closed."""
        loop = self._loop
        self._closed = True
        if loop is not None and not loop.is_closed():
            loop.run_until_complete(self.close_in_loop())
        elif self.clock.is_installed:  # the loop was closed without a word
            self.clock.uninstall()
            _driven(self._store.close())

    async def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._task is None or self._task.done():
            self._task = TEST_TASK.get() or asyncio.current_task()
        self.clock.install(self._task, effects=self._effects, in_vain=self._in_vain)
        self._loop = loop
        try:
            await super().__aenter__()
        except BaseException:
            self.clock.uninstall()
            raise
        self._closer = self._until_closed()
        await anext(self._closer)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(
                f"this orchestrator ended with {self._owner}: let each test ask for the `orchestrator` fixture"
            )

    def _effects(self) -> object:
        """Another value whenever something has happened.

        Schedules run for ever, and a wait beside one would never be found to be in vain: when nothing but their jobs
        has moved for a number of runs, these count no more.
        """
        core = self._site.core
        if core is None:
            return 0, self.faults.spent
        fires, others = core.schedules.keeper.fires, core.moves - core.moves_by_schedule
        if self._fired[1] != others:
            self._fired = fires, others
        if fires - self._fired[0] <= FIRES:
            self._moved = core.moves
        return self._moved, self.faults.spent

    def _in_vain(self, why: str | None) -> None:
        """A wait cannot end: find out why, and end it."""
        if self._loop is None:
            return
        if self._diagnosis is None or self._diagnosis.done():
            self._diagnosis = self._loop.create_task(self._end_wait(why))
        else:
            self._fail(NeverEndsError(f"this wait never ends: {why or 'nothing is left to happen'}"), why)

    async def _end_wait(self, why: str | None) -> None:
        reasons = [*([why] if why else []), *await self._told()]
        self._fail(NeverEndsError(f"this wait never ends: {'; '.join(reasons)}"), why)

    async def _told(self) -> list[str]:
        core = self._site.core
        found = [await core.explain(job_id) for job_id in core.unfinished()] if core is not None else []
        return [each.sentence for each in found if each is not None] or ["no job, task or timer is left to bring it"]

    def _fail(self, error: NeverEndsError, why: str | None) -> None:
        self._ends += _IMPATIENT if why else 1
        self.failure = self.failure if self.failure is not None and self._ends > THROWN else error
        if self._ends > STUCK and self.on_stuck is not None:
            self.on_stuck(NeverEndsError(f"{self.failure}; the test catches whatever is to end it"))
            return
        ended = sum(guest.give_up(error) for guest in self.guests if isinstance(guest, InsideClient))
        if (not ended or self._ends > THROWN) and self._task is not None and not self._task.done():
            self._task.cancel()


def _driven(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run what needs no loop, such as closing a store that works inline."""
    with suppress(StopIteration):
        coroutine.send(None)
