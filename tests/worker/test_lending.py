"""Places lent while calls wait: given back once, taken back once, never left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_worker._lending import Lending, Places, restraint
from avtomatika_worker._slots import Slots
from tests.conftest import run


class Task:
    """A task with a place among `slots`."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.away = 0
        slots.force(self)
        self.lending = Lending(
            Places(
                leave=lambda: slots.release(self),
                take=lambda: slots.take(self, first=True),
                force=lambda: slots.force(self),
                aside=self._aside,
                lent=self._lent,
            )
        )

    def _lent(self, more: int) -> None:
        self.slots.lent += more

    @contextmanager
    def _aside(self) -> Iterator[None]:
        self.away += 1
        yield
        self.away -= 1

    async def waits(self, until: asyncio.Event) -> None:
        async with self.lending.waiting():
            await until.wait()


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await SYSTEM_CLOCK.sleep(0)


def test_a_place_is_lent_while_any_call_waits():
    async def body() -> None:
        task, first, second = Task(Slots(1)), asyncio.Event(), asyncio.Event()
        calls = [asyncio.create_task(task.waits(event)) for event in (first, second)]
        await turns()
        assert (task.slots.taken, task.slots.lent, task.away) == (0, 1, 1)
        first.set()
        await turns()
        assert (task.slots.taken, task.away) == (0, 1)
        second.set()
        await asyncio.gather(*calls)
        assert (task.slots.taken, task.slots.lent, task.away) == (1, 0, 0)

    run(body())


def test_a_place_is_waited_for_before_those_who_have_not_begun():
    async def body() -> None:
        slots, event = Slots(1), asyncio.Event()
        task = Task(slots)
        call = asyncio.create_task(task.waits(event))
        await turns()
        await slots.take("other")
        behind = asyncio.create_task(slots.take("behind"))
        await turns()
        event.set()
        await turns()
        assert not call.done()
        slots.release("other")
        await call
        assert slots.holds(task)
        assert not behind.done()
        slots.release(task)
        await behind

    run(body())


@pytest.mark.parametrize("late", [False, True])
def test_code_that_is_cancelled_goes_on_at_once_and_its_place_is_taken(late: bool):
    """While it waits for its call, or already for its place."""

    async def body() -> None:
        slots, event = Slots(1), asyncio.Event()
        task = Task(slots)
        call = asyncio.create_task(task.waits(event))
        await turns()
        await slots.take("other")
        if late:
            event.set()
            await turns()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert slots.holds(task)
        assert (slots.taken, slots.places, slots.free, slots.lent) == (2, -1, False, 0)
        slots.release(task)
        assert not slots.free
        slots.release("other")
        assert slots.free

    run(body())


def test_a_call_that_begins_while_the_place_is_waited_for_lends_it_again():
    async def body() -> None:
        slots, first, second = Slots(1), asyncio.Event(), asyncio.Event()
        task = Task(slots)
        calls = [asyncio.create_task(task.waits(first))]
        await turns()
        await slots.take("other")
        first.set()
        await turns()
        calls.append(asyncio.create_task(task.waits(second)))
        await turns()
        slots.release("other")
        await turns()
        assert (calls[0].done(), slots.taken) == (True, 0)
        second.set()
        await asyncio.gather(*calls)
        assert slots.holds(task)

    run(body())


def test_code_that_is_out_takes_nothing_back():
    async def body() -> None:
        slots, event = Slots(1), asyncio.Event()
        task = Task(slots)
        call = asyncio.create_task(task.waits(event))
        await turns()
        task.lending.over()
        event.set()
        await call
        assert (slots.taken, slots.lent) == (0, 0)

    run(body())


def test_the_more_wait_the_slower_more_are_taken_but_never_none():
    assert [restraint(lent, 2) for lent in (0, 31, 32, 64, 320)] == [0, 0, 1, 4, 100]


def test_places_taken_by_force_wake_nobody_until_there_is_room():
    async def body() -> None:
        slots = Slots(1)
        slots.force("a")
        slots.force("b")
        free = asyncio.create_task(slots.until_free())
        slots.release("a")
        await turns()
        assert not free.done()
        slots.release("b")
        await free

    run(body())
