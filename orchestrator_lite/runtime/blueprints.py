"""The blueprints a server serves, by name and by route."""

from __future__ import annotations

import re
from collections.abc import Callable

from orchestrator_lite.blueprint import Blueprint, BlueprintError
from orchestrator_lite.runtime.skill_flows import PREFIX, skill_flow

DEFAULT_VERSION = "v1"
_ENDPOINT = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_VERSION = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*")


class Blueprints:
    """A registry that refuses what cannot be served.

    Args:
        collides: Whether a path is served by a fixed POST route.
    """

    def __init__(self, collides: Callable[[str], bool]) -> None:
        self._collides = collides
        self._by_name: dict[str, Blueprint] = {}
        self._by_path: dict[str, Blueprint] = {}

    def add(self, blueprint: Blueprint) -> None:
        """Serve a blueprint from now on.

        Raises:
            BlueprintError: It is wrong in itself, or its name or endpoint is taken; file and line come first.
        """
        blueprint.validate()
        where = f"{blueprint.file}:{blueprint.line}: blueprint {blueprint.name!r}"
        if blueprint.name.startswith(PREFIX):
            raise BlueprintError(f"{where}: names that begin with {PREFIX!r} are those of calls of skills")
        other = self._by_name.get(blueprint.name)
        if other is not None:
            raise BlueprintError(f"{where}: the name is taken by the one at {other.file}:{other.line}")
        paths = _paths(blueprint, where)
        for path in paths:
            taken = self._by_path.get(path)
            if taken is not None:
                raise BlueprintError(f"{where}: {path} is the endpoint of {taken.name!r} at {taken.file}:{taken.line}")
            if self._collides(path):
                raise BlueprintError(f"{where}: {path} collides with a fixed route of the server")
        self._by_name[blueprint.name] = blueprint
        self._by_path.update(dict.fromkeys(paths, blueprint))

    def named(self, name: str) -> Blueprint | None:
        """The blueprint of this name, that of a skill's call too."""
        return self._by_name.get(name) or skill_flow(name)

    def at(self, path: str) -> Blueprint | None:
        """The blueprint whose jobs are created by a POST to this path."""
        return self._by_path.get(path)

    def endpoints(self) -> list[tuple[Blueprint, str]]:
        """Every blueprint that has one, with the path under which its jobs are created."""
        return [
            (blueprint, f"/api/{blueprint.api_version or DEFAULT_VERSION}{blueprint.api_endpoint}")
            for blueprint in self.all()
            if blueprint.api_endpoint
        ]

    def all(self) -> list[Blueprint]:
        """Every blueprint."""
        return list(self._by_name.values())


def _paths(blueprint: Blueprint, where: str) -> list[str]:
    """Where jobs are created: under `/api/{version}`, and without a version of its own under `/api` as well."""
    endpoint = blueprint.api_endpoint
    if endpoint is None:
        return []
    if not _ENDPOINT.fullmatch(endpoint):
        raise BlueprintError(f"{where}: api_endpoint {endpoint!r} must look like /jobs/my_flow")
    version = blueprint.api_version or DEFAULT_VERSION
    if not _VERSION.fullmatch(version):
        raise BlueprintError(f"{where}: api_version {version!r} must look like v1")
    return [f"/api/{version}{endpoint}"] + ([] if blueprint.api_version else [f"/api{endpoint}"])
