"""Lanes of the queue: tasks that the same workers may take stand in the same one.

A task that asks for nothing but its skill stands in the lane of that name. One that asks for more stands in a lane
whose name spells out what is asked, so that a queue can be read without looking into its tasks: the store finds the
next task of a worker by lane, whatever the worker must have for it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from orchestrator_lite.engine.state import TaskSpec

SEPARATOR = "\x1f"
"""Between a skill's name and what else is asked; it stands in no skill's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """What a task asks of its worker beyond the skill's name.

    Attributes:
        skill: The skill's name.
        requirements: `resource_requirements` of the dialect.
        max_cost: The most the worker may charge for the skill.
        version: A version of the skill, or a range.
        type: The type the skill must have.
    """

    skill: str
    requirements: dict[str, Any] | None = None
    max_cost: float | None = None
    version: str | None = None
    type: str | None = None


def lane_of(spec: TaskSpec) -> str:
    """The lane a task stands in."""
    if spec.resource_requirements is None and spec.max_cost is None and _any_version(spec):
        return spec.type
    asked = {
        "requirements": spec.resource_requirements,
        "max_cost": spec.max_cost,
        "version": spec.skill_version,
        "type": spec.skill_type,
    }
    given = {key: value for key, value in asked.items() if value is not None and value != {}}
    if not given:
        return spec.type
    return spec.type + SEPARATOR + json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _any_version(spec: TaskSpec) -> bool:
    return spec.skill_version is None and spec.skill_type is None


def skill_of(lane: str) -> str:
    """The skill whose tasks stand in a lane."""
    return lane.partition(SEPARATOR)[0] if SEPARATOR in lane else lane


@lru_cache(maxsize=1024)
def wants_of(lane: str) -> Wants:
    """What the tasks of a lane ask for."""
    skill, _, asked = lane.partition(SEPARATOR)
    return Wants(skill=skill, **(json.loads(asked) if asked else {}))
