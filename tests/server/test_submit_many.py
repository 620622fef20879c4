"""Many jobs in one request: each is accepted or refused by itself."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator_lite.api.creation import AT_ONCE, MOST
from orchestrator_lite.store import SqliteStore, StoreUnavailable
from tests._support.house import House, serving
from tests.conftest import run
from tests.server.flows import bare, greet

GREET = {"endpoint": "/jobs/greet"}


async def submitted(house: House, *jobs: dict[str, Any], path: str = "/jobs:submit", **shared: Any) -> list[Any]:
    reply = await house.api("POST", path, json={**shared, "jobs": jobs})
    assert reply.status_code == 200, reply.text
    results: list[Any] = reply.json()["results"]
    assert len(results) == len(jobs)
    return results


def test_every_job_has_its_result_in_the_order_of_the_request():
    async def body():
        async with serving(greet(), bare()) as house:
            results = await submitted(
                house,
                {"blueprint": "greet", "initial_data": {"n": 1}},
                {"endpoint": "/jobs/bare", "initial_data": {"n": 2}, "priority": 3},
                {"blueprint": "none"},
                {"endpoint": "/jobs/none"},
                {"blueprint": "greet", "initial_data": [1]},
                {"blueprint": "greet", "max_transitions": 0},
                {"blueprint": "greet", "endpoint": "/jobs/greet"},
                {},
                {"blueprint": 7},
                {"blueprint": "greet", "delay": 60},
            )
            assert [result["status"] for result in results] == ["accepted"] * 2 + ["error"] * 7 + ["accepted"]
            assert [result.get("code") for result in results[2:9]] == [404, 404, 400, 400, 400, 400, 400]
            said = [result["error"] for result in results[2:9]]
            words = ["'none'", "/api/v1/jobs/none", "initial_data:", "max_transitions", *["blueprint:"] * 3]
            assert [word in text for word, text in zip(words, said, strict=True)] == [True] * 7
            jobs = [await house.job(results[index]["job_id"]) for index in (0, 1, 9)]
            assert [job["blueprint_name"] for job in jobs] == ["greet", "bare", "greet"]
            assert [job["initial_data"] for job in jobs] == [{"n": 1}, {"n": 2}, {}]
            assert [job["priority"] for job in jobs] == [0, 3, 0]
            assert jobs[2]["status"] == "pending"

    run(body())


def test_what_all_have_in_common_is_said_once_and_a_job_may_say_otherwise():
    async def body():
        async with serving(greet()) as house:
            jobs = [{"initial_data": {"n": 0}}, {"initial_data": {"n": 1}, "priority": 9}]
            results = await submitted(house, *jobs, priority=2, dispatch_timeout=30, **GREET)
            found = [await house.job(result["job_id"]) for result in results]
            assert [job["priority"] for job in found] == [2, 9]
            assert [job["dispatch_timeout"] for job in found] == [30, 30]

    run(body())


def test_a_blueprint_with_a_version_is_found_under_its_version():
    async def body():
        flow = greet()
        flow.api_version = "v2"
        async with serving(flow) as house:
            (refused,) = await submitted(house, GREET)
            assert refused["code"] == 404
            for path, code in (("/api/v2", None), ("/api", 404)):
                body = {"jobs": [GREET]}
                reply = await house.http.post(f"{path}/jobs:submit", json=body, headers=house.client_headers)
                assert reply.json()["results"][0].get("code") == code

    run(body())


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, AT_ONCE + 1, MOST])
def test_as_many_as_are_allowed_are_taken(count):
    async def body():
        async with serving(greet()) as house:
            results = await submitted(house, *({"initial_data": {"n": n}} for n in range(count)), **GREET)
            ids = [result["job_id"] for result in results]
            assert len(set(ids)) == count
            assert (await house.lite._site.core.store.counts()).queued == count
            for n in (0, count - 1)[: min(count, 2)]:
                assert (await house.job(ids[n]))["initial_data"] == {"n": n}

    run(body())


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "jobs"),
        ({"jobs": None}, "jobs"),
        ({"jobs": {}}, "jobs"),
        ({"jobs": [1]}, "jobs"),
        ({"jobs": [GREET] * (MOST + 1)}, "jobs"),
        ([], "object"),
    ],
)
def test_a_request_that_holds_no_list_of_jobs_is_a_400(body, word):
    async def check():
        async with serving(greet()) as house:
            reply = await house.api("POST", "/jobs:submit", json=body)
            assert reply.status_code == 400
            assert word in reply.json()["error"]
            assert (await house.api("GET", "/jobs")).json() == []

    run(check())


def test_a_store_that_cannot_write_is_told_as_a_whole_or_job_by_job():
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
            store.refuses = 3
            reply = await house.api("POST", "/jobs:submit", json={"jobs": [GREET] * 3})
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
            store.refuses = 2
            results = await submitted(house, *[GREET] * 3)
            assert sorted(result.get("code", 0) for result in results) == [0, 503, 503]
            assert (await store.counts()).queued == 1

    run(body())


def test_without_a_token_nothing_is_created():
    async def body():
        async with serving(greet()) as house:
            reply = await house.http.post("/api/v1/jobs:submit", json={"jobs": [GREET]})
            assert reply.status_code == 401
            assert (await house.api("GET", "/jobs")).json() == []

    run(body())
