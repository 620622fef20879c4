"""A real, lightweight orchestrator for Avtomatika jobs: integration tests, laptops, one-machine deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING

# Importing the client first makes it check that the worker package is ours (another distribution has its import name).
import avtomatika_client  # noqa: F401

if TYPE_CHECKING:
    from orchestrator_lite.app import Orchestrator
    from orchestrator_lite.blueprint import Blueprint, BlueprintError, F, JobContext, StateMachineBlueprint
    from orchestrator_lite.engine.actions import ActionFactory
    from orchestrator_lite.settings import Settings

_HOMES = {
    "ActionFactory": "orchestrator_lite.engine.actions",
    "Blueprint": "orchestrator_lite.blueprint",
    "BlueprintError": "orchestrator_lite.blueprint",
    "F": "orchestrator_lite.blueprint",
    "JobContext": "orchestrator_lite.blueprint",
    "Orchestrator": "orchestrator_lite.app",
    "Settings": "orchestrator_lite.settings",
    "StateMachineBlueprint": "orchestrator_lite.blueprint",
}

__all__ = [
    "ActionFactory",
    "Blueprint",
    "BlueprintError",
    "F",
    "JobContext",
    "Orchestrator",
    "Settings",
    "StateMachineBlueprint",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: a blueprint file loads no web framework."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
