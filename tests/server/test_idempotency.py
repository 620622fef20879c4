"""One job for all creations that name the same key."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator_lite.engine.state import Client
from orchestrator_lite.runtime import keys
from orchestrator_lite.store import SqliteStore, StoreUnavailable
from tests._support.clocks import JumpingClock
from tests._support.house import House, serving
from tests.conftest import run
from tests.server.flows import bare, greet
from tests.server.test_hold import counting

DAY = 24 * 3600


async def posted(house: House, key: str, body: Any = None, path: str = "/jobs/greet") -> Any:
    """The answer to a creation with a key."""
    return await house.api("POST", path, json={} if body is None else body, headers={"Idempotency-Key": key})


async def jobs(house: House) -> int:
    return len((await house.api("GET", "/jobs")).json())


def test_a_repeated_creation_is_answered_with_the_same_job_also_when_that_has_ended():
    async def body():
        ran: list[str] = []
        async with serving(counting(ran)) as house:
            replies = [await posted(house, "order-17", {"initial_data": {"n": 1}}, "/jobs/counting") for _ in range(2)]
            await house.ended(replies[0].json()["job_id"])
            replies.append(await posted(house, "order-17", {"initial_data": {"n": 1}}, "/jobs/counting"))
            assert {reply.status_code for reply in replies} == {202}
            assert len({reply.content for reply in replies}) == 1
            assert ran == [replies[0].json()["job_id"]]

    run(body())


def test_the_same_key_with_another_body_is_a_conflict():
    async def body():
        async with serving(greet()) as house:
            first = await posted(house, "order-17", {"initial_data": {"a": 1, "b": 2}})
            for other in ({"initial_data": {"a": 1}}, {"initial_data": {"a": 1, "b": 2}, "priority": 1}):
                reply = await posted(house, "order-17", other)
                assert reply.status_code == 409
                assert first.json()["job_id"] in reply.json()["error"]
            same = await posted(house, "order-17", {"unheard_of": 1, "initial_data": {"b": 2, "a": 1}, "delay": None})
            assert same.content == first.content
            assert await jobs(house) == 1

    run(body())


def test_creations_at_the_same_time_make_one_job_and_run_its_handler_once():
    async def body():
        ran: list[str] = []
        async with serving(counting(ran)) as house:
            replies = await asyncio.gather(*(posted(house, "k", {}, "/jobs/counting") for _ in range(30)))
            (job_id,) = {reply.json()["job_id"] for reply in replies}
            await house.ended(job_id)
            assert ran == [job_id]

    run(body())


def test_a_key_means_something_for_one_client_and_blueprint():
    async def body():
        async with serving(greet(), bare()) as house:
            one = await posted(house, "k")
            other = await posted(house, "k", path="/jobs/bare")
            unversioned = await house.http.post(
                "/api/jobs/greet", json={}, headers={**house.client_headers, "Idempotency-Key": "k"}
            )
            assert one.json() == unversioned.json()
            assert one.json() != other.json()
            core, blueprint = house.lite._site.core, house.lite._site.blueprints.named("greet")
            job_id = await core.submit(blueprint, Client(name="bob"), {"initial_data": {}}, keys.Key("bob", "k", ""))
            assert job_id not in (one.text, other.text)

    run(body())


def test_a_key_is_kept_for_a_day():
    async def body():
        clock = JumpingClock()
        async with serving(greet(), clock=clock) as house:
            first = await posted(house, "k")
            clock.jump(DAY - 60)
            assert (await posted(house, "k")).json() == first.json()
            clock.jump(120)
            second = await posted(house, "k", {"initial_data": {"other": 1}})
            assert second.status_code == 202
            assert second.json() != first.json()
            assert (await posted(house, "k", {"initial_data": {"other": 1}})).json() == second.json()

    run(body())


def test_a_key_outlives_the_server_and_no_handler_runs_for_a_repetition(tmp_path):
    async def body():
        ran: list[str] = []
        store = f"sqlite:///{tmp_path / 'lite.db'}"
        async with serving(counting(ran), store=store) as house:
            first = await posted(house, "k", path="/jobs/counting")
            await house.ended(first.json()["job_id"])
        async with serving(counting(ran), store=store) as house:
            assert (await posted(house, "k", path="/jobs/counting")).json() == first.json()
            assert (await posted(house, "k", {"a": 1}, "/jobs/counting")).status_code == 409
        assert len(ran) == 1

    run(body())


def test_a_key_that_memory_has_forgotten_is_still_known(monkeypatch):
    monkeypatch.setattr(keys, "REMEMBERED", 3)

    async def body():
        ran: list[str] = []
        async with serving(counting(ran)) as house:
            made = {key: (await posted(house, key, path="/jobs/counting")).json() for key in map(str, range(8))}
            for key, answer in made.items():
                assert (await posted(house, key, path="/jobs/counting")).json() == answer
            assert len(ran) == 8

    run(body())


def test_a_creation_the_store_could_not_take_leaves_its_key_free():
    class Full(SqliteStore):
        refuses = 0

        async def commit(self, *changes: Any) -> None:
            if self.refuses > 0:
                self.refuses -= 1
                raise StoreUnavailable("the disk is full")
            await super().commit(*changes)

    async def body():
        store = Full(None)
        async with serving(greet(), store=store) as house:
            store.refuses = 1
            refused = await posted(house, "k")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert (await posted(house, "k")).status_code == 202
            assert await jobs(house) == 1

    run(body())


@pytest.mark.parametrize("key", ["", "\xe9", "k" * 256])
def test_what_is_no_key_is_refused(key):
    async def body():
        async with serving(greet()) as house:
            headers = {**house.client_headers, "Idempotency-Key": key.encode("latin-1")}
            reply = await house.http.post("/api/v1/jobs/greet", json={}, headers=headers)
            assert reply.status_code == 400
            assert reply.json()["error"].startswith("Idempotency-Key: ")
            assert await jobs(house) == 0

    run(body())


def test_each_of_many_jobs_has_a_key_of_its_own_or_one_by_its_place():
    async def body():
        async with serving(greet()) as house:
            alone = (await posted(house, "a", {"initial_data": {"n": 1}})).json()["job_id"]
            many = {
                "endpoint": "/jobs/greet",
                "jobs": [
                    {"idempotency_key": "a", "initial_data": {"n": 1}},
                    {"idempotency_key": "a", "initial_data": {"n": 2}},
                    {"initial_data": {"n": 3}},
                    {"initial_data": {"n": 3}},
                    {"idempotency_key": "b"},
                    {"idempotency_key": "b"},
                    {"idempotency_key": 7},
                ],
            }
            results = (await posted(house, "all", many, "/jobs:submit")).json()["results"]
            assert [result.get("code") for result in results] == [None, 409, None, None, None, None, 400]
            ids = [result.get("job_id") for result in results]
            assert ids[0] == alone
            assert ids[2] != ids[3]
            assert ids[4] == ids[5]
            again = (await posted(house, "all", many, "/jobs:submit")).json()["results"]
            assert again == results
            assert await jobs(house) == 4

    run(body())


def test_a_key_of_all_stands_in_the_header():
    async def body():
        async with serving(greet()) as house:
            reply = await house.api("POST", "/jobs:submit", json={"idempotency_key": "k", "jobs": []})
            assert reply.status_code == 400
            assert "Idempotency-Key" in reply.json()["error"]

    run(body())
