"""Jobs as the store keeps them, and the values that may stand in them."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from pydantic import BaseModel
from pydantic_core import from_json, to_json

from orchestrator_lite.engine.json_values import DEEPEST, NotJSONError, copied
from orchestrator_lite.engine.state import Client, Job, Task, TaskSpec, from_document, to_document

TEXT = st.text(max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=4)
SECONDS = st.none() | st.floats(min_value=0.001, max_value=1e9)
SPEC = st.builds(
    TaskSpec,
    type=TEXT,
    params=OBJECT,
    transitions=st.dictionaries(TEXT, TEXT, max_size=3),
    resource_requirements=st.none() | OBJECT,
    timeout_seconds=SECONDS,
    dispatch_timeout_seconds=SECONDS,
    max_cost=SECONDS,
    priority=NUMBER,
)
TASK = st.builds(
    Task,
    spec=SPEC,
    attempt=st.integers(min_value=1, max_value=9),
    retries=st.integers(min_value=0, max_value=3),
    dispatched_at=NUMBER,
    dropped=st.booleans(),
    waiting_for_retry=st.booleans(),
)
JOB = st.builds(
    Job,
    id=TEXT,
    blueprint=TEXT,
    client=st.builds(Client, name=TEXT, plan=TEXT, params=OBJECT),
    created_at=NUMBER,
    updated_at=NUMBER,
    initial_data=OBJECT,
    current_state=TEXT,
    state_history=OBJECT,
    dispatch_timeout=SECONDS,
    tasks=st.dictionaries(TEXT, TASK, max_size=2),
    last_task=st.none() | st.tuples(TEXT, SPEC),
    done=st.dictionaries(TEXT, st.integers(), max_size=3),
    aggregation_results=OBJECT,
    data=JSON,
    result=JSON,
    error=st.none() | OBJECT,
)


@settings(max_examples=200, deadline=None)
@given(JOB)
def test_every_job_is_read_as_it_was_written(job):
    assert from_document(to_document(job)) == job


def test_a_document_has_no_field_that_a_job_has_not():
    job = Job(
        id="a", blueprint="b", client=Client(name="c"), created_at=0, updated_at=0, initial_data={}, current_state="s"
    )
    assert set(from_json(to_document(job))) == set(Job.__dataclass_fields__)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_a_copy_is_equal_and_shares_nothing_mutable(value):
    copy = copied(value)
    assert copy == value
    assert repr(copy) == repr(value), "types are kept: 1 is not 1.0 nor True"
    assert not mutable(copy) & mutable(value)
    assert from_json(to_json(copy)) == value


def mutable(value: Any) -> set[int]:
    """The identities of all lists and objects within a value."""
    if isinstance(value, dict):
        return {id(value)}.union(*map(mutable, value.values()))
    if isinstance(value, list):
        return {id(value)}.union(*map(mutable, value))
    return set()


class Color(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()


@dataclass
class Point:
    x: int
    tags: set[str]


class Model(BaseModel):
    at: datetime
    inner: Point


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Color.RED, "red"),
        (Level.HIGH, 3),
        (Text("a"), "a"),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=(1, 2)), {"a": [1, 2]}),
        (Point(1, {"t"}), {"x": 1, "tags": ["t"]}),
        (Model(at=datetime(2026, 1, 2, tzinfo=UTC), inner=Point(2, set())), None),
        (date(2026, 1, 2), "2026-01-02"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (Path("/a/b"), "/a/b"),
        (b"bytes", "bytes"),
        ({1: "a"}, {"1": "a"}),
    ],
    ids=repr,
)
def test_what_pydantic_can_write_becomes_plain(value, plain):
    wanted = {"at": "2026-01-02T00:00:00Z", "inner": {"x": 2, "tags": []}} if plain is None else plain
    assert copied({"a": [value]}) == {"a": [wanted]}
    assert from_json(to_json(copied(value))) == wanted


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


CIRCLE: list[Any] = []
CIRCLE.append({"again": CIRCLE})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (math.nan, "NaN|nan"),
        (-math.inf, "inf"),
        (object(), "object"),
        (nested, "function"),
        ("\ud800", "surrogate"),
        ({"\udcff": 1}, "surrogate"),
        ({None: 1}, "key"),
        ({(1,): 1}, "key"),
        (1 << 20_000, "integer"),
        (nested(DEEPEST + 1), "deeper"),
        (CIRCLE, "deeper"),
        (Point(1, CIRCLE), "Point"),  # type: ignore[arg-type]
        (b"\xff", "bytes"),
    ],
    ids=[
        "nan",
        "inf",
        "object",
        "function",
        "text",
        "key",
        "None",
        "tuple",
        "long",
        "deep",
        "circle",
        "in",
        "bytes",
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_place(value, words):
    with pytest.raises(NotJSONError, match=words) as caught:
        copied({"outer": [0, value]}, "data")
    assert str(caught.value).startswith("data.outer[1]")


def test_what_is_allowed_at_the_deepest_can_be_read_again():
    value = nested(DEEPEST - 5)
    job = Job(
        id="a",
        blueprint="b",
        client=Client(name="c"),
        created_at=0,
        updated_at=0,
        initial_data=copied({"a": value}),
        current_state="s",
        tasks={"t": Task(spec=TaskSpec(type="x", params={"a": value}))},
    )
    assert from_document(to_document(job)) == job


def test_a_document_of_an_earlier_release_knows_no_hold():
    job = Job(
        id="job",
        blueprint="flow",
        client=Client(name="me"),
        created_at=1.0,
        updated_at=1.0,
        initial_data={},
        current_state="start",
    )
    earlier = from_json(to_document(job))
    del earlier["hold"]
    assert from_document(to_json(earlier)) == job
