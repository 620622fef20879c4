"""Calls of skills: jobs of one task, run by blueprints that no file holds."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from orchestrator_lite.blueprint import Blueprint
from orchestrator_lite.engine.actions import ActionFactory

PREFIX = "skill:"
"""How the names of these blueprints begin; the skill's name follows."""


def skill_flow(name: str) -> Blueprint | None:
    """The blueprint behind a job that calls a skill; None when `name` names none.

    It can be made at any time from its name, so such jobs go on after a restart.
    """
    return _made(name) if name.startswith(PREFIX) and len(name) > len(PREFIX) else None


@lru_cache(maxsize=1024)
def _made(name: str) -> Blueprint:
    flow = Blueprint(name)
    skill = name.removeprefix(PREFIX)

    @flow.handler(is_start=True)
    async def start(initial_data: dict[str, Any], actions: ActionFactory) -> None:
        actions.dispatch_task(skill, initial_data, {"success": "finished", "failure": "failed"})

    @flow.handler(is_end=True)
    async def finished() -> None: ...

    @flow.handler(is_end=True)
    async def failed() -> None: ...

    return flow
