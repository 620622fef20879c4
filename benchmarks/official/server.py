"""The official orchestrator with storage in memory and one no-op blueprint; run by its own interpreter.

Settings come from the environment (`_official.py`). The engine sets the root logger to DEBUG when it is built, and
aiohttp writes its access log through it: raising the root logger afterwards is the only way to switch both off.
Handlers have no return hints: the engine reads them as the job's output schema and fails jobs that do not keep it.
"""

from __future__ import annotations

import logging

from avtomatika import ActionFactory, Blueprint, OrchestratorEngine
from avtomatika.config import Config
from avtomatika.storage.memory import MemoryStorage

flow = Blueprint("noop", api_endpoint="/jobs/noop", api_version="v1")


@flow.handler(is_start=True)
async def start(initial_data: dict, actions: ActionFactory):
    """Hand the one task out."""
    actions.dispatch_task("noop", params=initial_data, transitions={"success": "finished", "failure": "failed"})


@flow.handler(is_end=True)
async def finished():
    """The good end."""


@flow.handler(is_end=True)
async def failed():
    """The bad end."""


engine = OrchestratorEngine(MemoryStorage(), Config())
engine.register_blueprint(flow)
logging.getLogger().setLevel(logging.WARNING)
engine.run()
