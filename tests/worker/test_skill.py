"""`@skill`: what is found out at decoration."""

from __future__ import annotations

import asyncio
import enum
import typing
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypedDict
from uuid import UUID

import pytest
import typing_extensions
from pydantic import BaseModel, Field

from avtomatika_worker import Context, InvalidInputError, Result, SkillDefinitionError, skill

if TYPE_CHECKING:
    from decimal import Decimal

CTX = Context(task_id="t", job_id="j", skill="s")


class Model(BaseModel):
    name: str
    size: Annotated[int, Field(gt=0)] = 1


@dataclass
class Data:
    name: str
    day: date


class Typed(TypedDict, total=False):
    name: str


class Color(enum.Enum):
    RED = "red"


def test_W2_hints_under_future_annotations_are_real():
    @skill
    def by_model(params: Model) -> None: ...

    @skill
    def by_dataclass(anything: Data, ctx: Context) -> None: ...

    @skill
    def by_typed_dict(anything: Typed) -> None: ...

    @skill
    def by_dict(anything: dict[str, Any]) -> None: ...

    @skill
    def by_keywords(color: Color, ids: list[UUID], size: int = 3) -> None: ...

    assert by_model.plan.bind({"name": "x"}, CTX) == {"params": Model(name="x")}
    bound = by_dataclass.plan.bind({"name": "x", "day": "2026-01-02"}, CTX)
    assert bound == {"anything": Data("x", date(2026, 1, 2)), "ctx": CTX}
    assert by_typed_dict.plan.bind({"name": "x"}, CTX) == {"anything": {"name": "x"}}
    assert by_dict.plan.bind({"any": 1}, CTX) == {"anything": {"any": 1}}
    one = "12345678123456781234567812345678"
    assert by_keywords.plan.bind({"color": "red", "ids": [one]}, CTX) == {"color": Color.RED, "ids": [UUID(one)]}


def test_a_class_of_the_surrounding_function_may_be_a_hint():
    class Local(BaseModel):
        x: int

    @skill
    async def local(params: Local) -> Local:
        return params

    assert local.plan.bind({"x": "1"}, CTX) == {"params": Local(x=1)}


def test_params_may_be_optional_a_union_open_or_absent():
    @skill
    def optional(ctx: Optional[Context], params: Model | None = None) -> None: ...  # noqa: UP045

    @skill
    def union(payload: Model | Data) -> None: ...

    @skill
    def open_ended(name: str, **rest: Any) -> None: ...

    @skill
    def nothing(ctx: Context) -> None: ...

    @skill
    def unhinted(params, ctx): ...

    assert optional.plan.bind({"name": "x"}, CTX) == {"params": Model(name="x"), "ctx": CTX}
    assert union.plan.bind({"name": "x"}, CTX) == {"payload": Model(name="x")}
    assert union.plan.bind({"name": "x", "day": "2026-01-02"}, CTX) == {"payload": Data("x", date(2026, 1, 2))}
    assert open_ended.plan.bind({"name": "x", "more": 1}, CTX) == {"name": "x", "more": 1}
    assert nothing.plan.bind(None, CTX) == nothing.plan.bind({"ignored": 1}, CTX) == {"ctx": CTX}
    assert unhinted.plan.bind(None, CTX) == {"params": {}, "ctx": CTX}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "name: Field required"),
        (None, "name: Field required"),
        ([], "params: Input should be a valid dictionary or instance of Model"),
        ({"name": "x", "size": 0}, "size: Input should be greater than 0"),
        ({"name": 1, "size": "x"}, "name: Input should be a valid string; size: Input should be a valid integer"),
    ],
)
def test_params_that_do_not_fit_name_every_field(params: Any, message: str):
    @skill
    def work(params: Model) -> None: ...

    with pytest.raises(InvalidInputError, match=message):
        work.plan.bind(params, CTX)


def test_schemas_come_from_the_hints():
    @skill(name="scan", version="2.1")
    async def work(path: str, depth: int = 1) -> Model | Result:
        """Scan a path."""
        return Model(name=path)

    published = work.published
    assert published["name"] == "scan"
    assert published["version"] == "2.1"
    assert published["description"] == "Scan a path."
    assert published["input_schema"]["required"] == ["path"]
    assert set(published["input_schema"]["properties"]) == {"path", "depth"}
    assert published["output_schema"]["title"] == "Model"


def test_a_skill_is_still_the_function():
    @skill
    async def double(n: int) -> int:
        """Twice."""
        return 2 * n

    assert asyncio.run(double(2)) == 4
    assert double.__name__ == "double"
    assert double.__doc__ == "Twice."
    assert "double" in repr(double)


def test_its_type_is_still_the_functions():
    @skill(timeout=5)
    async def double(n: int) -> int:
        return 2 * n

    if TYPE_CHECKING:
        typing_extensions.assert_type(double.function(1), typing.Coroutine[Any, Any, int])


def unresolvable(params: Nowhere) -> None: ...  # noqa: F821


def only_for_checkers(a: int, price: Decimal) -> None: ...


def unusable(a: object, b: asyncio.Queue) -> None: ...


def unusable_return() -> asyncio.Queue: ...


def positional(a, /): ...


def starred(*args): ...


def generator():
    yield 1


async def async_generator():
    yield 1


def two_contexts(a: Context, b: Context): ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (unresolvable, "'Nowhere' of 'params'"),
        (only_for_checkers, "'Decimal' of 'price'"),
        (unusable, "'b'"),
        (unusable_return, "'return'"),
        (positional, "a"),
        (starred, "args"),
        (generator, "yields"),
        (async_generator, "yields"),
        (two_contexts, "more than one Context"),
    ],
)
def test_a_function_that_cannot_be_a_skill_is_refused_at_decoration(function: Any, words: str):
    with pytest.raises(SkillDefinitionError) as raised:
        skill(function)
    assert function.__name__ in str(raised.value)
    assert words in str(raised.value)
    assert "test_skill.py:" in str(raised.value)


def test_a_hint_defined_below_the_skill_is_refused_at_import():
    source = "from __future__ import annotations\n@skill\ndef early(params: Below) -> None: ...\nclass Below: ...\n"
    with pytest.raises(SkillDefinitionError, match=r"early.*'Below' of 'params'"):
        exec(source, {"skill": skill})


@pytest.mark.parametrize(
    "options",
    [
        {"executor": "process"},
        {"executor": "thread"},
        {"timeout": 0},
        {"timeout": "1"},
        {"max_concurrent": -1},
        {"max_concurrent": True},
        {"name": ""},
        {"retry_on": (1,)},
    ],
)
def test_options_that_make_no_sense_are_refused_at_decoration(options: dict[str, Any]):
    async def work() -> None: ...

    with pytest.raises(SkillDefinitionError, match="work"):
        skill(**options)(work)


def test_other_things_are_no_skills():
    @skill
    def once() -> None: ...

    for thing in (5, "name", once, len, Model):
        with pytest.raises(SkillDefinitionError):
            skill(thing)
    with pytest.raises(SkillDefinitionError, match="cannot run"):
        skill(executor="async")(lambda: None)
