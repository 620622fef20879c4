"""What tests are given: the in-process server with its virtual clock, the live server, and faults to put in their way.

The fixtures `orchestrator` and `live_orchestrator` come from the pytest plugin of this package; these names are for
annotations, and for tests that do not run under pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator_lite.testing._errors import (
        BlockedError,
        ClockError,
        ClosedError,
        MisuseError,
        NeverEndsError,
        OtherLoopError,
    )
    from orchestrator_lite.testing._faults.faults import Faults
    from orchestrator_lite.testing._live import LiveOrchestrator
    from orchestrator_lite.testing._orchestrator import TestSettings, VirtualOrchestrator
    from orchestrator_lite.testing._time.clock import VirtualClock

_HOMES = {
    "BlockedError": "_errors",
    "ClockError": "_errors",
    "ClosedError": "_errors",
    "Faults": "_faults.faults",
    "LiveOrchestrator": "_live",
    "MisuseError": "_errors",
    "NeverEndsError": "_errors",
    "OtherLoopError": "_errors",
    "TestSettings": "_orchestrator",
    "VirtualClock": "_time.clock",
    "VirtualOrchestrator": "_orchestrator",
}

__all__ = [
    "BlockedError",
    "ClockError",
    "ClosedError",
    "Faults",
    "LiveOrchestrator",
    "MisuseError",
    "NeverEndsError",
    "OtherLoopError",
    "TestSettings",
    "VirtualClock",
    "VirtualOrchestrator",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: pytest loads this package in every session."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
