"""Values that all jobs of a blueprint share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator_lite import Blueprint, Orchestrator
from orchestrator_lite.blueprint import BlueprintError
from tests.conftest import run

if TYPE_CHECKING:
    from pathlib import Path


def counter() -> Blueprint:
    flow = Blueprint("count", api_endpoint="/jobs/count", data_stores={"seen": {"n": 10, "last": [1]}})

    @flow.handler(is_start=True, is_end=True)
    async def finished(data_stores):
        n = await data_stores.seen.get("n") + 1
        await data_stores.seen.set("n", n)
        return [n, await data_stores.seen.get("last"), await data_stores.seen.get("none")]

    return flow


def test_data_stores_are_shared_by_jobs_and_outlast_the_server(tmp_path: Path):
    async def body():
        for expected in ([11, 12], [13, 14]):
            store = f"sqlite:///{tmp_path / 'lite.db'}"
            async with Orchestrator([counter()], store=store) as lite, lite.client() as client:
                results = [await (await client.jobs.submit("count")).result(10) for _ in expected]
            assert results == [[n, [1], None] for n in expected]

    run(body())


@pytest.mark.parametrize(
    ("stores", "said"),
    [({"not a name": {}}, "is no identifier"), ({"odd": {"x": object()}}, "data store 'odd'")],
)
def test_a_data_store_that_cannot_be_is_refused_where_it_stands(stores, said):
    with pytest.raises(BlueprintError, match=rf"test_data_stores.py:\d+: blueprint 'x': .*{said}"):
        Blueprint("x", data_stores=stores)


def test_a_data_store_is_declared_once():
    flow = Blueprint("x", data_stores={"seen": {}})
    with pytest.raises(BlueprintError, match="exists already"):
        flow.add_data_store("seen")
