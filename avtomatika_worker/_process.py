"""A worker that is the whole process: signals, and an exit code that tells the truth."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable

from avtomatika_client.protocol.errors import AvtomatikaError
from avtomatika_worker._definition import Definition, RunOptions
from avtomatika_worker._run import Run
from avtomatika_worker.errors import SupersededError

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_process(definition: Definition, options: RunOptions | None = None) -> int:
    """Run a worker until a signal; its exit code: 0 after a drain, 1 when it could not start or was superseded."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(definition, options or RunOptions()))
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


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop where it is installed: a third less work per task."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
