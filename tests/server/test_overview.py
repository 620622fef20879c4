"""What a server tells of itself: metrics, documents, graphs, dashboard, readiness."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import httpx
import pytest
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Mount

from avtomatika_client import AsyncClient
from avtomatika_client.errors import NotFoundError
from orchestrator_lite import Blueprint, BlueprintError, Orchestrator, Settings
from tests._support.house import House, serving
from tests.conftest import run
from tests.server.flows import bare, fan, greet


def client_of(house: House) -> AsyncClient:
    return AsyncClient(house.lite.url, client_token=house.lite.client_token)


async def sampled(house: House) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    async with client_of(house) as client:
        text = await client.metrics()
    families = text_string_to_metric_families(text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_count_what_happened():
    async def body():
        async with serving(greet(), bare()) as house:
            worker = await house.registered("w1", "greet")
            for _ in range(2):
                job_id = await house.create("/jobs/greet")
                await worker.answer(await worker.task())
                await house.ended(job_id)
            waiting = await house.create("/jobs/bare")
            found = await sampled(house)
            assert found["avtomatika_jobs_created_total", (("blueprint", "greet"),)] == 2
            assert found["avtomatika_jobs_ended_total", (("blueprint", "greet"), ("status", "finished"))] == 2
            assert found["avtomatika_task_results_total", (("skill", "greet"), ("status", "success"))] == 2
            assert found["avtomatika_jobs", (("status", "waiting_for_worker"),)] == 1
            assert found["avtomatika_queue_tasks", ()] == 1
            assert found["avtomatika_workers", (("status", "idle"),)] == 1
            assert found["avtomatika_job_seconds_count", ()] == 2
            assert found["avtomatika_job_seconds_bucket", (("le", "+Inf"),)] == 2
            assert found["avtomatika_task_seconds_count", ()] == 2
            assert found["avtomatika_store_commits_total", ()] > 3
            assert found["process_resident_memory_bytes", ()] > 0
            await worker.answer(await worker.task())
            await house.ended(waiting)
            assert (await sampled(house))["avtomatika_queue_tasks", ()] == 0

    run(body())


def test_made_up_names_do_not_grow_the_metrics_without_end():
    async def body():
        flow = Blueprint("many", api_endpoint="/jobs/many")

        @flow.handler(is_start=True)
        async def start(initial_data, actions):
            tasks = [{"type": f"skill-{number}"} for number in range(initial_data["from"], initial_data["from"] + 100)]
            actions.dispatch_parallel(tasks, "gather")

        @flow.aggregator
        async def gather(): ...

        async with serving(flow) as house:
            for number in range(0, 1000, 100):
                await house.create("/jobs/many", {"from": number})
            queued = {key: n for key, n in (await sampled(house)).items() if key[0] == "avtomatika_tasks_queued_total"}
            assert sum(queued.values()) == 1000
            assert len(queued) <= 501

    run(body())


def test_the_openapi_document_is_valid_and_names_the_blueprints_endpoints():
    async def body():
        async with serving(greet(), bare()) as house:
            reply = await house.http.get("/openapi.json")
            found = reply.json()
            assert found["openapi"].startswith("3.1")
            validate(found)
            assert "/api/v1/jobs/greet" in found["paths"]
            assert not any("{endpoint}" in path or "{api_version}" in path for path in found["paths"])
            create = found["paths"]["/api/v1/jobs/greet"]["post"]
            assert create["security"] == [{"ClientToken": []}]
            assert "202" in create["responses"]
            operations = [op for item in found["paths"].values() for op in item.values()]
            names = [operation["operationId"] for operation in operations]
            assert len(names) == len(set(names))
            assert all(operation["summary"] and operation["tags"] for operation in operations)

    run(body())


def test_two_servers_of_a_process_document_their_own_blueprints():
    async def body():
        async with serving(greet()) as one, serving(bare()) as two:
            first, second = [(await house.http.get("/openapi.json")).json()["paths"] for house in (one, two)]
            assert "/api/v1/jobs/greet" in first
            assert "/api/v1/jobs/greet" not in second
            assert "/api/v1/jobs/bare" in second

    run(body())


def test_the_documentation_loads_nothing_from_elsewhere():
    async def body():
        async with serving(greet()) as house, client_of(house) as client:
            page = await house.http.get(client.docs_url)
            assert page.headers["content-type"].startswith("text/html")
            assert "//cdn" not in page.text
            links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
            assert links
            for link in links:
                assert link.startswith("/_public/docs/"), link
                loaded = await house.http.get(link)
                assert (loaded.status_code, len(loaded.content) > 100) == (200, True)
            assert (await house.http.get("/_public/docs/../secret")).status_code == 404
            assert (await house.http.get("/_public/docs/passwd")).status_code == 404
            assert "/openapi.json" in page.text

    run(body())


def test_the_dashboard_tells_how_much_there_is():
    async def body():
        async with serving(greet()) as house, client_of(house) as client:
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            await house.create("/jobs/greet")
            await worker.answer(await worker.task())
            await house.ended(job_id)
            found = await client.dashboard()
            assert (found.workers.total, found.jobs.queued, found.jobs.finished) == (1, 1, 1)
            assert found.tasks is not None
            assert (found.tasks.queued, found.tasks.leased) == (1, 0)

    run(body())


def odd() -> Blueprint:
    flow = Blueprint('odd "name" <&>', api_endpoint="/jobs/odd")

    @flow.handler(is_start=True)
    async def start(actions):
        actions.dispatch_task("scan", {}, {"success": 'state "x" <&>', "failure": "failed"})

    @flow.handler('state "x" <&>')
    async def asks(actions):
        actions.await_human_approval("mail", "?", {"approved": "finished", "again": "start"})

    @flow.handler(is_end=True)
    async def finished(): ...

    @flow.handler(is_end=True)
    async def failed(): ...

    return flow


def test_a_blueprint_is_drawn_in_three_formats():
    async def body():
        async with serving(odd()) as house, client_of(house) as client:
            name = 'odd "name" <&>'
            dot = await client.blueprints.graph(name)
            assert dot.startswith('digraph "odd \\"name\\" <&>" {')
            assert '"start" -> "failed" [label="scan: failure"];' in dot
            assert '"state \\"x\\" <&>" -> "start" [label="decided: again"];' in dot
            mermaid = await client.blueprints.graph(name, format="mermaid")
            assert mermaid.startswith("flowchart LR\n")
            assert 's0 -- "scan: success" --> s1' in mermaid
            assert "<&>" not in mermaid
            drawn = ET.fromstring(await client.blueprints.graph(name, format="svg"))
            texts = {element.text for element in drawn.iter() if element.tag.endswith("text")}
            assert {"start", "finished", "failed", "scan: failure"} <= texts
            with pytest.raises(NotFoundError, match="Blueprint not found"):
                await client.blueprints.graph("none")
            reply = await house.api("GET", "/blueprints/odd%20%22name%22%20%3C%26%3E/graph")
            assert reply.headers["content-type"].startswith("text/vnd.graphviz")
            assert (await house.api("GET", "/blueprints/x/graph", params={"format": "png"})).status_code in {400, 404}

    run(body())


def test_parallel_ways_lead_into_the_aggregator():
    async def body():
        async with serving(fan()) as house, client_of(house) as client:
            assert '"start" -> "gather" [label="all done"];' in await client.blueprints.graph("fan")

    run(body())


def test_a_server_says_whether_it_is_ready():
    async def body():
        async with serving(greet()) as house:
            ready = await house.http.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (200, "ready")
            assert (await house.http.get("/livez")).json() == {"status": "alive"}
            status = await house.http.get("/_public/status")
            assert status.headers["x-rxon-version"] == "1.0b17"
            house.lite._site.core.let_go()
            stopping = await house.http.get("/readyz")
            assert (stopping.status_code, stopping.json()["status"]) == (503, "stopping")

    run(body())


def test_the_dashboard_tells_a_client_what_is_left_of_its_quota(tmp_path):
    clients = tmp_path / "clients.toml"
    clients.write_text('[me]\ntoken = "a-token-of-mine-0123"\nmonthly_attempts = 5\n')

    async def body():
        async with serving(greet(), clients_file=clients, worker_token="a-worker-token-0123") as house:
            async with AsyncClient(house.lite.url, client_token="a-token-of-mine-0123") as client:
                await client.jobs.submit("greet")
                quota = (await client.dashboard()).quota
            assert quota is not None
            assert (quota.limit, quota.remaining) == (5, 4)

    run(body())


def test_a_mounted_server_is_documented_where_it_is():
    async def body():
        lite = Orchestrator([greet()], store="memory", settings=Settings(development=True))
        app = Starlette(routes=[Mount("/under/here", app=lite.asgi)])
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
        async with lite, httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1/under/here") as http:
            document = (await http.get("/openapi.json")).json()
            assert document["servers"] == [{"url": "/under/here"}]
            validate(document)
            page = (await http.get("/_public/docs")).text
            found = re.findall(r'(?:href|src)="([^"]+)"', page)
            assert len(found) == 3
            for link in found:
                assert link.startswith("/under/here/")
                assert (await http.get(link.removeprefix("/under/here"))).status_code == 200

    run(body())


def test_names_that_are_no_text_are_refused_where_the_blueprint_stands():
    flow = Blueprint("odd", api_endpoint="/jobs/odd")

    @flow.handler("half \ud800", is_start=True)
    async def start(actions): ...

    with pytest.raises(BlueprintError, match=r"test_overview.py:\d+: blueprint 'odd': .* is no text"):
        Orchestrator([flow], store="memory")
