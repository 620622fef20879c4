"""What is one server's own. The application is built once per process and serves them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from orchestrator_lite.access import Access
    from orchestrator_lite.runtime.blueprints import Blueprints
    from orchestrator_lite.runtime.core import Core
    from orchestrator_lite.settings import Settings

KEY: Final = "orchestrator_lite.site"
"""Where a connection's scope holds its site."""

ROOT: Final = "orchestrator_lite.root"
"""Where it holds the path that the server is mounted under, empty for none."""

INSIDE: Final = "orchestrator_lite.inside"
"""Where it says that whoever asks is in this process, and reaches no other server."""

BOUND: Final = "orchestrator_lite.bound"
"""Where it holds the bound of its body."""


@dataclass(slots=True, kw_only=True)
class Site:
    """One server, as its routes see it.

    Attributes:
        settings: Its settings.
        blueprints: What it serves.
        access: Who may do what; None before it first ran.
        core: The running server; None while it does not run.
    """

    settings: Settings
    blueprints: Blueprints
    access: Access | None = None
    core: Core | None = None


@dataclass(slots=True)
class Bound:
    """What a body may be; a route may allow more before it reads.

    Attributes:
        limit: Bytes it may become.
        paced: Whether it must come at a certain pace; where not, the route itself sees to a sender who is silent.
    """

    limit: int
    paced: bool = True


def site_of(scope: Mapping[str, Any]) -> Site:
    """The server a connection has come to."""
    site: Site = scope[KEY]
    return site
