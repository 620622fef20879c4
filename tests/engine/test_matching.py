"""Which worker may take a task: by the rules of the protocol, old and new forms alike."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator_lite.engine.actions import ActionError, ActionFactory
from orchestrator_lite.engine.lanes import Wants, lane_of, skill_of, wants_of
from orchestrator_lite.engine.matching import meets, mismatch, offer_of, version_test
from orchestrator_lite.engine.state import TaskSpec

B5 = {
    "supported_tasks": ["echo", "scan"],
    "resources": {"max_concurrent_tasks": 5, "cpu_cores": 4, "gpu_info": {"model": "NVIDIA T4", "vram_gb": 16}},
    "installed_software": {"python": "3.9"},
    "installed_models": [{"name": "sd", "version": "1.5"}],
    "capabilities": {"cost_per_skill": {"echo": 0.25}, "extra": {"region": "eu"}},
}
B20 = {
    "supported_skills": [
        {"name": "echo", "type": "text", "version": "2.1", "properties": {"quality": "high"}},
        {"name": "echo", "type": "text", "version": "1.4"},
    ],
    "available_skills": ["echo"],
    "hot_skills": ["echo"],
    "resources": {
        "properties": {"cpu_cores": 8, "ram_gb": 32, "zones": ["a", "b"]},
        "devices": [
            {"id": "0", "type": "gpu", "model": "NVIDIA A100", "properties": {"memory_gb": 40, "dtypes": ["bf16"]}},
            {"id": "1", "type": "gpu", "model": "NVIDIA T4", "properties": {"memory_gb": 16, "dtypes": ["fp16"]}},
        ],
    },
    "installed_artifacts": [{"name": "sd", "type": "model", "version": "1.5", "properties": {"size": 7}}],
    "installed_software": {"python": "3.11"},
    "capabilities": {"cost_per_skill": {"echo": 0.5}},
}


def fits(worker: dict[str, Any], **wants: Any) -> bool:
    return mismatch(offer_of(worker), Wants(skill=wants.pop("skill", "echo"), **wants)) is None


@pytest.mark.parametrize(
    ("requirements", "b5", "b20"),
    [
        ({}, True, True),
        ({"resources": {"properties": {"cpu_cores": 4}}}, True, True),
        ({"resources": {"properties": {"cpu_cores": 8}}}, False, True),
        ({"resources": {"cpu_cores": 8}}, False, True),
        ({"cpu_cores": 2}, True, True),
        ({"resources": {"properties": {"zones": ["b", "c"]}}}, False, True),
        ({"resources": {"properties": {"zones": "a"}}}, False, True),
        ({"resources": {"properties": {"zones": ["c"]}}}, False, False),
        ({"gpu_info": {"model": "t4", "vram_gb": 16}}, True, True),
        ({"gpu_info": {"model": "NVIDIA T4", "vram_gb": 24}}, False, False),
        ({"gpu_info": {"vram_gb": 24}}, False, True),
        ({"resources": {"devices": [{"type": "gpu"}]}}, True, True),
        ({"resources": {"devices": [{"type": "gpu"}, {"type": "gpu"}]}}, False, True),
        ({"resources": {"devices": [{"type": "gpu"}, {"type": "gpu", "model": "A100"}]}}, False, True),
        ({"resources": {"devices": [{"type": "gpu", "properties": {"dtypes": ["bf16", "fp8"]}}]}}, False, True),
        ({"resources": {"devices": [{"type": "tpu"}]}}, False, False),
        ({"installed_models": [{"name": "sd"}]}, True, True),
        ({"installed_models": ["sd"]}, True, True),
        ({"installed_artifacts": [{"name": "sd", "version": "1.6"}]}, False, False),
        ({"installed_artifacts": [{"name": "sd", "properties": {"size": 5}}]}, False, True),
        ({"installed_software": {"python": "any"}}, True, True),
        ({"installed_software": {"python": "3.11"}}, False, True),
        ({"installed_software": {"python": ">=3.10"}}, False, True),
        ({"installed_software": {"cuda": "any"}}, False, False),
        ({"extra_requirements": {"region": "eu"}}, True, False),
        ({"skill": {"quality": "high"}}, False, True),
        ({"unheard_of": 1}, False, False),
    ],
)
def test_requirements_mean_what_they_mean_officially(requirements, b5, b20):
    assert fits(B5, requirements=requirements) is b5
    assert fits(B20, requirements=requirements) is b20


@pytest.mark.parametrize(
    ("wanted", "version", "inside"),
    [
        ("2.1", "2.1", True),
        ("2.1", "2.1.0", True),
        ("2.1", "2.2", False),
        (">=2,<3", "2.9.1", True),
        (">=2,<3", "3.0", False),
        ("~=2.1", "2.7", True),
        ("==2.*", "2.7", True),
        (">=2", None, False),
        (">=2", "nightly", False),
        ("nightly", "nightly", True),
        ("2.1", None, False),
    ],
)
def test_a_version_is_exact_or_a_range(wanted, version, inside):
    assert version_test(wanted)(version) is inside


def test_one_of_several_published_versions_is_enough():
    assert fits(B20, version="<2")
    assert fits(B20, version=">=2")
    assert not fits(B20, version=">=3")
    assert mismatch(offer_of(B20), Wants(skill="echo", version=">=3")) == "offers 'echo' in version 1.4, 2.1, not >=3"


def test_a_type_must_be_the_one_published():
    assert fits(B20, type="text")
    assert not fits(B20, type="image")
    assert not fits(B5, type="text")


def test_a_price_is_met_by_those_that_name_one():
    assert fits(B5, max_cost=0.25)
    assert not fits(B20, max_cost=0.25)
    assert mismatch(offer_of(B5), Wants(skill="scan", max_cost=9.0)) == "names no price"


def test_numbers_are_not_booleans():
    assert not meets(True, 2)
    assert meets(True, True)


def test_a_lane_says_what_its_tasks_ask_for():
    spec = TaskSpec(type="echo", params={}, max_cost=1.0, resource_requirements={"b": [1], "a": "ü"})
    same = TaskSpec(type="echo", params={"x": 1}, max_cost=1.0, resource_requirements={"a": "ü", "b": [1]})
    assert lane_of(spec) == lane_of(same)
    assert skill_of(lane_of(spec)) == "echo"
    assert wants_of(lane_of(spec)) == Wants(skill="echo", max_cost=1.0, requirements={"a": "ü", "b": [1]})
    assert lane_of(TaskSpec(type="echo", params={}, resource_requirements={})) == "echo"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"dispatch_strategy": "cheepest"}, "dispatch_strategy: 'cheepest' is not one of"),
        ({"skill_version": ">>2"}, "skill_version: '>>2' is no version range"),
        ({"skill_version": 2}, "skill_version: expected a text"),
        ({"resource_requirements": ["gpu"]}, "resource_requirements: expected an object"),
    ],
)
def test_a_malformed_option_is_named(option, said):
    actions = ActionFactory("key", frozenset({"done"}))
    with pytest.raises(ActionError, match=said):
        actions.dispatch_task("echo", {}, {"success": "done"}, **option)


def test_an_offer_is_read_from_whatever_a_worker_says():
    odd = {
        "supported_skills": [None, 3, {"name": None}, {"name": "a"}, "b"],
        "resources": {"devices": "many", "properties": None, "gpu_info": []},
        "capabilities": {"cost_per_skill": {"a": "cheap", "b": True}, "extra": 3},
        "installed_artifacts": [3, {"version": "1"}],
        "hot_skills": {"a": 1},
    }
    offer = offer_of(odd)
    assert set(offer.skills) == {"a", "b"}
    assert (offer.costs, offer.devices, offer.artifacts, offer.hot) == ({}, (), (), frozenset())


@pytest.mark.parametrize("odd", [{"v": 1}, ["1"], 10**400, "1" * 5000, None, True, ""])
def test_whatever_stands_where_a_word_is_expected_the_answer_is_yes_or_no(odd):
    """One odd worker, or one odd requirement, must not keep all others from their tasks."""
    worker = {
        "supported_skills": [{"name": "s", "type": odd, "version": odd}, {"name": "s", "type": "t", "version": "2"}],
        "installed_software": {"python": odd, "cuda": "12"},
        "installed_artifacts": [{"name": "sd", "version": odd, "properties": odd}],
        "capabilities": {"cost_per_skill": {"s": odd}, "extra": odd},
        "resources": {"properties": {"cpu": odd}, "devices": [{"type": odd, "model": odd, "properties": odd}]},
    }
    asked: list[dict[str, Any]] = [
        {"installed_software": {"python": "3", "cuda": odd}},
        {"installed_artifacts": [{"name": "sd", "version": "1"}]},
        {"installed_artifacts": [{"name": "sd", "version": odd, "properties": odd}]},
        {"devices": [{"type": odd, "model": odd, "id": odd, "properties": odd}]},
        {"resources": {"cpu": odd, "properties": odd, "devices": odd}, "gpu_info": odd, "skill": odd, "x": odd},
        {"resources": {"cpu": 1}},
    ]
    for requirements in asked:
        for more in ({}, {"type": "t", "version": "1"}, {"version": ">=2"}, {"max_cost": 1}):
            wants = Wants(skill="s", requirements=requirements, **more)
            assert mismatch(offer_of(worker), wants) is None or mismatch(offer_of(worker), wants)


def test_devices_are_given_so_that_all_that_are_asked_for_are_served():
    def gpu(**properties: Any) -> dict[str, Any]:
        return {"type": "gpu", "properties": properties}

    offer = offer_of({"supported_skills": ["s"], "resources": {"devices": [gpu(vram_gb=80), gpu(vram_gb=8)]}})
    small, large = gpu(vram_gb=8), {"properties": {"vram_gb": 80}}
    assert mismatch(offer, Wants(skill="s", requirements={"devices": [small, large]})) is None
    assert mismatch(offer, Wants(skill="s", requirements={"devices": [large, large]})) is not None
    assert mismatch(offer, Wants(skill="s", requirements={"devices": [small, small, small]})) == "has not 3 devices"


def test_what_is_null_is_not_asked_for():
    offer = offer_of({"supported_skills": ["s"], "resources": {"gpu_info": {"model": "T4", "vram_gb": 16}}})
    for asked in ({"gpu_info": {"model": None, "vram_gb": None}}, {"resources": {"properties": {"ram_gb": None}}}):
        assert mismatch(offer, Wants(skill="s", requirements=asked)) is None


def test_a_range_longer_than_any_version_is_refused_when_it_is_asked_for():
    with pytest.raises(ValueError, match="too long for a version range"):
        version_test(">=" + "1" * 5000)
