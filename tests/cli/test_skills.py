"""Skills by the command line."""

from __future__ import annotations

import asyncio

import pytest

from tests._support.house import serving
from tests.cli._command import piped
from tests.conftest import run


def test_skills_are_listed():
    async def body():
        async with serving() as house:
            assert (await piped(house, "skills", "list")).json == []
            worker = house.worker("w1")
            worker.skills = [{"name": "greet", "version": "2.1", "input_schema": {"properties": {"name": {}}}}]
            await worker.register()
            done = await piped(house, "skills", "list")
            (listed,) = done.json
            assert (done.code, listed["name"], listed["version"], listed["workers"]) == (0, "greet", "2.1", ["w1"])

    run(body())


def test_a_call_prints_what_the_skill_returns():
    async def body():
        async with serving() as house:
            worker = await house.registered("w1", "greet")
            async with asyncio.TaskGroup() as group:
                command = group.create_task(piped(house, "skills", "call", "greet", '{"name": "Ada"}'))
                task = await worker.task()
                assert task["params"] == {"name": "Ada"}
                await worker.answer(task, data={"message": "hi"})
            done = command.result()
            assert (done.code, done.json) == (0, {"message": "hi"})

    run(body())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("dance",), 4, "no worker has ever published a skill 'dance'"),
        (("greet", "[]"), 2, "object"),
        (("greet", "--timeout", "0.2"), 5, "has not ended within 0.2 s"),
    ],
)
def test_what_goes_wrong_is_one_line_and_an_exit_code(words: tuple[str, ...], code: int, said: str):
    async def body():
        async with serving() as house:
            await house.registered("w1", "greet")
            done = await piped(house, "skills", "call", *words)
            assert done.code == code
            assert said in done.said

    run(body())
