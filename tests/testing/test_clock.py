"""Virtual time on a plain event loop: it stands still, jumps when all has settled, and never runs away."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.testing._errors import ClockError, NeverEndsError
from orchestrator_lite.testing._time import clock as virtual_clock
from orchestrator_lite.testing._time.clock import VirtualClock


class Vain(Exception):
    """Ends the waiting test."""


def virtually(body, *, effects=lambda: 0, start=None, debug=False):
    """Run `body(clock)` on a loop that follows a virtual clock; a wait in vain cancels it and raises `Vain`."""

    async def whole():
        clock, told = VirtualClock(start), []
        task = asyncio.create_task(body(clock))

        def in_vain(why):
            told.append(why)
            task.cancel()

        clock.install(task, effects=effects, in_vain=in_vain)
        try:
            return await task
        except asyncio.CancelledError:
            raise Vain(*told) from None
        finally:
            clock.uninstall()

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop, debug=debug) as runner:
        return runner.run(whole())


def real():
    return SYSTEM_CLOCK.monotonic()


@pytest.mark.parametrize("debug", [False, True])
def test_an_hour_of_sleep_costs_no_real_time_and_asyncio_follows(debug):
    async def body(clock):
        began, loop_began = real(), asyncio.get_running_loop().time()
        await asyncio.get_running_loop().create_task(_sleep(3600))
        assert clock.elapsed == pytest.approx(3600)
        assert asyncio.get_running_loop().time() - loop_began == pytest.approx(3600)
        with pytest.raises(TimeoutError):
            async with SYSTEM_CLOCK.timeout(60):
                await asyncio.Event().wait()
        assert clock.elapsed == pytest.approx(3660)
        assert real() - began < 5

    virtually(body, debug=debug)


async def _sleep(seconds):
    await SYSTEM_CLOCK.sleep(seconds)


def test_time_stands_still_while_the_test_runs_and_while_callbacks_are_ready():
    async def body(clock):
        for _ in range(100):
            await _sleep(0)
        assert clock.elapsed == 0

    virtually(body)


def test_advance_fires_every_timer_in_order_and_none_beyond():
    async def body(clock):
        fired = []
        loop = asyncio.get_running_loop()
        for seconds in (50, 10, 30, 40, 40):
            loop.call_later(seconds, lambda seconds=seconds: fired.append((seconds, round(clock.elapsed))))
        await clock.advance(40)
        assert fired == [(10, 10), (30, 30), (40, 40), (40, 40)]
        assert clock.elapsed == 40
        await clock.advance(minutes=1, hours=1, days=1)
        assert clock.elapsed == pytest.approx(40 + 60 + 3600 + 86400)
        assert fired[-1] == (50, 50)

    virtually(body)


def test_what_a_timer_starts_has_settled_when_advance_returns():
    async def body(clock):
        steps = []

        async def chain():
            await _sleep(10)
            for step in range(50):
                await _sleep(0)
                steps.append(step)

        task = asyncio.create_task(chain())
        await clock.advance(10)
        assert len(steps) == 50
        await task

    virtually(body)


def test_advance_by_nothing_lets_everything_settle():
    async def body(clock):
        done = asyncio.create_task(_sleep(0))
        await clock.advance()
        assert done.done()
        assert clock.elapsed == 0

    virtually(body)


def test_wall_time_begins_where_it_is_told_to():
    async def body(clock):
        await clock.advance(hours=1)
        return clock.now()

    assert virtually(body, start=1_000_000.0) == 1_003_600.0


@pytest.mark.parametrize("distance", [-1.0, float("inf"), float("nan")])
def test_time_does_not_go_back_nor_to_no_place(distance):
    async def body(clock):
        with pytest.raises(ClockError, match="it only goes forward"):
            await clock.advance(distance)
        assert clock.elapsed == 0

    virtually(body)


def test_two_advances_at_once_are_refused():
    async def body(clock):
        first = asyncio.create_task(clock.advance(10))
        await _sleep(0)
        with pytest.raises(ClockError, match="being moved already"):
            await clock.advance(5)
        await first
        assert clock.elapsed == 10

    virtually(body)


def test_a_clock_that_is_not_in_use_says_so():
    with pytest.raises(ClockError, match="not in use"):
        asyncio.run(VirtualClock().advance(1))


def test_time_waits_for_threads():
    async def body(clock):
        went_on = threading.Event()
        timer = asyncio.get_running_loop().call_later(1, went_on.set)
        assert not await asyncio.to_thread(went_on.wait, 0.1)
        assert clock.elapsed == 0
        timer.cancel()

    virtually(body)


def test_time_waits_for_what_is_held():
    async def body(clock):
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        with clock.hold():
            threading.Timer(0.1, lambda: loop.call_soon_threadsafe(done.set)).start()
            async with SYSTEM_CLOCK.timeout(0.01):
                await done.wait()
        assert clock.elapsed == 0

    virtually(body)


def test_time_waits_for_child_processes():
    async def body(clock):
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(0.3)")
        async with SYSTEM_CLOCK.timeout(0.01):
            assert await child.wait() == 0
        assert clock.elapsed == 0

    virtually(body)


def test_time_waits_for_sockets_that_are_busy_and_not_for_idle_ones():
    async def body(clock):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            threading.Timer(0.05, theirs.sendall, (b"x",)).start()
            assert await reader.read(1) == b"x"
            assert clock.elapsed == 0
            await clock.advance(hours=1)
            assert clock.elapsed == 3600
            writer.close()

    virtually(body)


def test_a_wait_without_any_timer_is_in_vain():
    async def body(_):
        await asyncio.Event().wait()

    with pytest.raises(Vain):
        virtually(body)


def test_a_wait_with_only_upkeep_left_is_in_vain_after_two_rounds_of_it():
    beats = []

    async def body(clock):
        async def beat():
            while True:
                await clock.sleep(5, upkeep=True)
                beats.append(clock.elapsed)

        async with _background(beat()):
            await asyncio.Event().wait()

    with pytest.raises(Vain):
        virtually(body)
    assert len(beats) == 2


def test_upkeep_that_brings_something_about_is_not_in_vain():
    effects = [0]

    async def body(clock):
        async def beat():
            while True:
                with contextlib.suppress(TimeoutError):
                    async with clock.timeout(5, upkeep=True):
                        await asyncio.Event().wait()
                effects[0] += 1
                if effects[0] == 20:
                    done.set()

        done = asyncio.Event()
        async with _background(beat()):
            await done.wait()
        assert clock.elapsed == 100

    virtually(body, effects=lambda: effects[0])


def test_a_wait_that_ends_by_itself_is_not_in_vain_however_late():
    async def body(clock):
        async def beat():
            while True:
                await clock.wait_any((asyncio.get_running_loop().create_future(),), 60, upkeep=True)

        async with _background(beat()):
            with clock.ends_within(3600):
                while clock.elapsed < 3600:
                    await clock.sleep(25, upkeep=True)
            with pytest.raises(TimeoutError):
                async with clock.timeout(3600):
                    await asyncio.Event().wait()

    virtually(body)


def test_a_wait_on_endless_work_ends_after_the_patience_in_real_time(monkeypatch):
    monkeypatch.setattr(virtual_clock, "PATIENCE", 0.3)

    async def body(clock):
        async def work():
            while True:
                await clock.sleep(1)

        async with _background(work()):
            began = real()
            try:
                await asyncio.Event().wait()
            finally:
                assert real() - began < 5

    with pytest.raises(Vain, match="real seconds"):
        virtually(body)


def test_polling_for_what_never_comes_ends_too(monkeypatch):
    monkeypatch.setattr(virtual_clock, "PATIENCE", 0.3)

    async def body(clock):
        async def work():
            while True:
                await clock.sleep(1)

        async with _background(work()):
            while True:
                await clock.sleep(0.1)

    with pytest.raises(Vain, match="real seconds"):
        virtually(body)


def test_a_thread_that_never_ends_is_not_waited_for_beyond_the_patience(monkeypatch):
    monkeypatch.setattr(virtual_clock, "PATIENCE", 0.3)
    release = threading.Event()

    async def body(clock):
        thread = asyncio.get_running_loop().run_in_executor(None, release.wait)
        try:
            await thread
        finally:
            await clock.advance(60)  # what cleans up can wait again
            release.set()

    with pytest.raises(Vain, match="real seconds"):
        virtually(body)


def test_advance_that_takes_too_long_says_how_far_it_came(monkeypatch):
    monkeypatch.setattr(virtual_clock, "PATIENCE", 0.2)

    async def body(clock):
        async def work():
            while True:
                await clock.sleep(0.001)

        async with _background(work()):
            with pytest.raises(NeverEndsError, match=r"to go after 0\.2 real seconds"):
                await clock.advance(days=1000)

    virtually(body)


def test_the_loop_gets_its_own_time_back_and_its_timers_keep_their_distance():
    async def whole():
        clock = VirtualClock()
        loop = asyncio.get_running_loop()
        clock.install(asyncio.current_task(), effects=lambda: 0, in_vain=lambda _: None)
        await clock.advance(days=1)
        soon = loop.create_future()
        loop.call_later(0.05, soon.set_result, None)
        clock.uninstall()
        began = real()
        assert abs(loop.time() - began) < 5
        await soon
        assert 0.04 < real() - began < 5
        assert clock.elapsed == 86400

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(whole())


def test_another_kind_of_loop_is_refused_in_one_line():
    uvloop = pytest.importorskip("uvloop")

    async def whole():
        with pytest.raises(ClockError, match="selector loop") as caught:
            VirtualClock().install(None, effects=lambda: 0, in_vain=lambda _: None)
        assert "\n" not in str(caught.value)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(whole())


@contextlib.asynccontextmanager
async def _background(work):
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_whoever_waits_for_what_is_left_gets_there(orchestrator):
    clock = orchestrator.clock
    until = clock.monotonic() + 2e-9
    rounds = 0
    while (left := until - clock.monotonic()) > 0:
        rounds += 1
        assert rounds < 10
        await clock.sleep(left)
