"""A worker that is the whole process: signals, and an exit code that tells the truth."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable

from avtomatika_client.protocol.clock import Clock
from avtomatika_client.protocol.errors import AvtomatikaError
from avtomatika_worker._definition import Definition, RunOptions
from avtomatika_worker._run import Run
from avtomatika_worker.errors import SupersededError

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_process(definition: Definition, options: RunOptions | None = None) -> int:
    """Run a worker until a signal; its exit code: 0 after a drain, 1 when it could not start or was superseded."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        code = _run(runner, definition, options or RunOptions())
        if left := asyncio.all_tasks(runner.get_loop()):
            # Closing the loop would wait without end for code that catches its cancellation.
            logger.warning("Leaving behind %d coroutines that do not end", len(left))
            logging.shutdown()
            sys.stdout.flush()
            os._exit(code)
    return code


def _run(runner: asyncio.Runner, definition: Definition, options: RunOptions) -> int:
    try:
        runner.run(_serve(definition, options))
    except SupersededError:
        return 1  # it has said so itself, when it happened
    except AvtomatikaError as error:
        logger.error("%s", error)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


async def _serve(definition: Definition, options: RunOptions) -> None:
    run = Run(definition, options)
    loop = asyncio.get_running_loop()
    # Not every platform has them, and only the main thread may set them.
    with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
        for number in _SIGNALS:
            loop.add_signal_handler(number, run.signalled)
    try:
        await run.serve()
    finally:
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
        await _end_others(options.clock)


async def _end_others(clock: Clock) -> None:
    """Cancel what users' code has left running on the loop."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        with contextlib.suppress(TimeoutError):
            async with clock.timeout(1.0):
                await asyncio.wait(others)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
