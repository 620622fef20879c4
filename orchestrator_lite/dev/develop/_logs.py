"""What a developer sees of the processes' logs: their own lines, and what has gone wrong."""

from __future__ import annotations

import logging
import sys

_QUIET = ("asyncio", "avtomatika_client", "avtomatika_worker", "httpcore", "httpx", "orchestrator_lite", "uvicorn")


def show_logs() -> None:
    """Log to standard error: everything from INFO of the user's code and skills, warnings of the rest."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    for name in (*_QUIET, "websockets"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # While the server is replaced they fail; should it end for good, the command itself says so.
    logging.getLogger("avtomatika_worker._heartbeat").setLevel(logging.ERROR)
    logging.getLogger("avtomatika_worker.task").setLevel(logging.INFO)
