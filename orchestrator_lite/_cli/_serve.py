"""`orchestrator-lite serve`: blueprints of files behind a socket, until a signal says stop."""

from __future__ import annotations

import asyncio
import logging
import signal

from orchestrator_lite._loading import load_blueprints
from orchestrator_lite._logs import configure
from orchestrator_lite.app import Orchestrator
from orchestrator_lite.settings import Settings

log = logging.getLogger("orchestrator_lite")


async def serve_files(files: list[str], settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; a second signal ends at once."""
    configure(settings.log_format, settings.log_level)
    blueprints = load_blueprints(files)
    orchestrator = Orchestrator(blueprints, settings=settings)
    stop = _stop_on_signals()
    async with orchestrator.listening():
        log.info("orchestrator-lite listening on %s", orchestrator.url)
        if orchestrator.is_development:
            log.info(
                "development mode: client token dev-client-token, worker token dev-worker-token, user dev, password dev"
            )
        await stop.wait()
        log.info("stopping")


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)  # the next one acts as if nobody listened: it ends the process
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
    return stop
