"""Which worker may take a task, and which of several should.

Rules of the protocol (release 1.0b30, as run): numbers mean at least, lists mean one of, everything else means equal; a
model is part of a device's name; a worker that names no price meets no `max_cost`. Older forms of
`resource_requirements` (`gpu_info`, `installed_models`, plain keys) mean what they meant in releases 1.0b9-1.0b13.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from orchestrator_lite.engine.lanes import Wants

STRATEGIES = frozenset({"default", "round_robin", "least_connections", "cheapest", "best_value", "overflow"})
"""Ways to choose among idle workers (`dispatch_strategy`)."""

MOST_DEVICES = 100
"""Devices a task may ask for at once."""

LONGEST_VERSION = 200
"""Characters of what is read as a version; Python reads no number of more than 4,300 digits."""

_IGNORED = frozenset({"extra_requirements", "params", "transitions", "skill_version", "skill_type"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a worker has, as its registration and heartbeats say.

    Attributes:
        skills: By name, each as it was published; several versions of one skill may be offered.
        hot: Skills it has warm.
        costs: What it charges by skill.
        properties: Its resources, flat.
        devices: Its devices, each `{type, model, id, properties}`.
        artifacts: What is installed: models and the like.
        software: Version by name.
        extra: Whatever else it says it can.
    """

    skills: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    hot: frozenset[str] = frozenset()
    costs: Mapping[str, float] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    devices: tuple[Mapping[str, Any], ...] = ()
    artifacts: tuple[Mapping[str, Any], ...] = ()
    software: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def cost(self, skill: str) -> float:
        """What it charges for a skill; infinity when it does not say."""
        return self.costs.get(skill, math.inf)


def offer_of(doc: Mapping[str, Any]) -> Offer:
    """What a worker offers, read tolerantly from its registration with later heartbeats merged in."""
    resources, capabilities = _object(doc.get("resources")), _object(doc.get("capabilities"))
    costs = _object(capabilities.get("cost_per_skill")) or _object(doc.get("cost_per_skill"))
    flat = {key: item for key, item in resources.items() if key not in {"properties", "devices"}}
    return Offer(
        skills=_skills(doc),
        hot=frozenset(_names(doc.get("hot_skills")) + _names(doc.get("hot_cache"))),
        costs={key: _price(item) for key, item in costs.items() if _is_number(item)},
        properties={**flat, **_object(resources.get("properties"))},
        devices=_devices(resources),
        artifacts=tuple(_artifacts(doc.get("installed_artifacts")) + _artifacts(doc.get("installed_models"))),
        software=_object(doc.get("installed_software")),
        extra=_object(capabilities.get("extra")),
    )


def mismatch(offer: Offer, wants: Wants) -> str | None:
    """Why a worker may not take the tasks of a lane; None when it may."""
    return (
        _of_skill(offer, wants)
        or _of_cost(offer, wants)
        or (None if wants.requirements is None else _of_requirements(offer, wants.skill, wants.requirements))
    )


def _of_skill(offer: Offer, wants: Wants) -> str | None:
    published = offer.skills.get(wants.skill)
    if published is None:
        return f"does not offer skill {wants.skill!r}"
    if wants.type is not None and not any(skill.get("type") == wants.type for skill in published):
        return f"offers {wants.skill!r} of another type than {wants.type!r}"
    if wants.version is None:
        return None
    fits = version_test(wants.version)
    if any(fits(skill.get("version")) and wants.type in (None, skill.get("type")) for skill in published):
        return None
    versions = ", ".join(sorted({str(skill.get("version") or "unversioned")[:50] for skill in published}))
    return f"offers {wants.skill!r} in version {versions}, not {wants.version}"


def _of_cost(offer: Offer, wants: Wants) -> str | None:
    if wants.max_cost is None or offer.cost(wants.skill) <= wants.max_cost:
        return None
    said = offer.costs.get(wants.skill)
    return "names no price" if said is None else f"charges {said:g}, more than {wants.max_cost:g}"


def _of_requirements(offer: Offer, skill: str, asked: Mapping[str, Any]) -> str | None:
    for key, value in asked.items():
        if value is None or key in _IGNORED:
            continue
        check = _CHECKS.get(key)
        missing = _flat(offer, key, value) if check is None else check(offer, value)
        if missing is not None:
            return missing
    return _parameters(offer, skill, _object(asked.get("skill"))) or _extra(offer, asked.get("extra_requirements"))


def _resources(offer: Offer, asked: Any) -> str | None:
    wanted = _object(asked)
    for key, value in {**wanted, **_object(wanted.get("properties"))}.items():
        if key not in {"properties", "devices"} and value is not None and (missing := _flat(offer, key, value)):
            return missing
    devices = wanted.get("devices")
    return _all_devices(offer, devices) if isinstance(devices, list) else None


def _flat(offer: Offer, key: str, value: Any) -> str | None:
    return None if meets(offer.properties.get(key), value) else f"has not {key} {value!r}"


def _all_devices(offer: Offer, asked: list[Any]) -> str | None:
    """Each device that is asked for must be there for itself; one that another could do without makes room for it."""
    if len(asked) > min(MOST_DEVICES, len(offer.devices)):
        return f"has not {len(asked)} devices"
    fitting = [[at for at, own in enumerate(offer.devices) if _device_fits(own, _object(item))] for item in asked]
    given: dict[int, int] = {}
    for number, item in enumerate(asked):
        if not _given(number, fitting, given, set()):
            return f"has no free device like {_object(item)!r}"
    return None


def _given(number: int, fitting: list[list[int]], given: dict[int, int], tried: set[int]) -> bool:
    """Give a device to one of those asked for, if need be by giving its holder another (augmenting paths)."""
    for at in fitting[number]:
        if at not in tried:
            tried.add(at)
            if at not in given or _given(given[at], fitting, given, tried):
                given[at] = number
                return True
    return False


def _device_fits(device: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    if any(wanted.get(key) and device.get(key) != wanted[key] for key in ("type", "id")):
        return False
    if wanted.get("model") and str(wanted["model"]).lower() not in str(device.get("model") or "").lower():
        return False
    own = _object(device.get("properties"))
    if "memory_gb" in own:  # as release 1.0b20 calls it
        own = {"vram_gb": own["memory_gb"], **own}
    return _has_all(own, wanted.get("properties"))


def _has_all(own: Mapping[str, Any], wanted: Any) -> bool:
    """Whether every property that is asked for is met; one that is null is not asked for."""
    return all(value is None or meets(own.get(key), value) for key, value in _object(wanted).items())


def _gpu(offer: Offer, asked: Any) -> str | None:
    """`gpu_info` of releases 1.0b9-1.0b13: `{"model", "vram_gb"}`."""
    wanted = dict(_object(asked))
    like = {"type": "gpu", "model": wanted.pop("model", None), "properties": wanted}
    return _all_devices(offer, [like])


def _installed(offer: Offer, asked: Any) -> str | None:
    for wanted in _artifacts(asked):
        if not any(_artifact_fits(own, wanted) for own in offer.artifacts):
            return f"has not installed {wanted['name']!r}"
    return None


def _artifact_fits(own: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    if own.get("name") != wanted.get("name"):
        return False
    if wanted.get("version") not in (None, "unknown", own.get("version")):
        return False
    return _has_all(_object(own.get("properties")), wanted.get("properties"))


def _software(offer: Offer, asked: Any) -> str | None:
    for name, version in _object(asked).items():
        own = offer.software.get(name)
        if own is None or (version not in (None, "any", own) and not _in_range(version, own)):
            return f"has not {name} {version}"
    return None


def _in_range(version: Any, own: Any) -> bool:
    try:
        return isinstance(version, str) and version_test(version)(own)
    except ValueError:
        return False


def _nothing(offer: Offer, asked: Any) -> None:
    """Checked elsewhere."""


_CHECKS: dict[str, Callable[[Offer, Any], str | None]] = {
    "resources": _resources,
    "devices": lambda offer, asked: _all_devices(offer, asked) if isinstance(asked, list) else None,
    "gpu_info": _gpu,
    "installed_artifacts": _installed,
    "installed_models": _installed,
    "installed_software": _software,
    "skill": _nothing,
}


def _parameters(offer: Offer, skill: str, asked: Mapping[str, Any]) -> str | None:
    """`skill`: fields or properties of the published skill, which must be equal."""
    if not asked:
        return None
    for published in offer.skills.get(skill, ()):
        own = {**_object(published.get("properties")), **{k: v for k, v in published.items() if v is not None}}
        if all(own.get(key) == value for key, value in asked.items()):
            return None
    return f"offers {skill!r} with other parameters than {dict(asked)!r}"


def _extra(offer: Offer, asked: Any) -> str | None:
    for key, value in _object(asked).items():
        if offer.extra.get(key) != value:
            return f"has not {key} {value!r}"
    return None


def meets(own: Any, wanted: Any) -> bool:
    """Whether a property is what is asked for: numbers at least, lists one of, everything else equal."""
    if own is None:
        return False
    if _is_number(own) and _is_number(wanted):
        return bool(own >= wanted)
    if isinstance(wanted, list):
        return any(item in wanted for item in (own if isinstance(own, list) else [own]))
    if isinstance(own, list):
        return wanted in own
    if isinstance(wanted, dict) and isinstance(own, dict):
        return all(meets(own.get(key), value) for key, value in wanted.items())
    return bool(own == wanted)


@lru_cache(maxsize=256)
def version_test(wanted: str) -> Callable[[Any], bool]:
    """Whether a version is the one asked for, or lies in the range.

    Args:
        wanted: A version (`2.1`), or a range in the words of Python's packages (`>=2,<3`, `~=2.1`, `==2.*`).

    Raises:
        ValueError: It is no range.
    """
    if wanted and wanted[0] in "<>=!~":
        if len(wanted) > LONGEST_VERSION:
            raise ValueError(f"{wanted[:50]!r}… is too long for a version range")
        try:
            inside = SpecifierSet(wanted, prereleases=True)
        except InvalidSpecifier as error:
            raise ValueError(f"{wanted!r} is no version range such as '>=2,<3'") from error
        return lambda version: isinstance(version, str) and _parsed(version) is not None and version in inside
    exact = _parsed(wanted)
    return lambda version: version == wanted or (isinstance(version, str) and None is not exact == _parsed(version))


def _parsed(version: str) -> Version | None:
    if len(version) > LONGEST_VERSION:
        return None
    try:
        return Version(version)
    except InvalidVersion:
        return None


def _skills(doc: Mapping[str, Any]) -> dict[str, tuple[Mapping[str, Any], ...]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for key in ("supported_skills", "supported_tasks", "available_skills"):
        for item in _listed(doc.get(key)):
            skill = item if isinstance(item, dict) else {"name": item}
            name = skill.get("name")
            if isinstance(name, str) and name and (isinstance(item, dict) or name not in found):
                found.setdefault(name, []).append(skill)
    return {name: tuple(published) for name, published in found.items()}


def _devices(resources: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    devices = [item for item in _listed(resources.get("devices")) if isinstance(item, dict)]
    gpu = _object(resources.get("gpu_info"))
    if gpu:
        rest = {key: item for key, item in gpu.items() if key != "model"}
        devices.append({"type": "gpu", "model": gpu.get("model"), "properties": rest})
    return tuple(devices)


def _artifacts(value: Any) -> list[Mapping[str, Any]]:
    found = [item if isinstance(item, dict) else {"name": item} for item in _listed(value)]
    return [item for item in found if isinstance(item.get("name"), str)]


def _names(value: Any) -> list[str]:
    found: Iterable[Any] = (item.get("name") if isinstance(item, dict) else item for item in _listed(value))
    return [item for item in found if isinstance(item, str)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _price(value: float) -> float:
    """A price that can be reckoned with; one beyond all numbers is as good as none."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
