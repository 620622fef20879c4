"""What the documentation's first pages show runs from the wheel: in a foreign folder, a fresh environment, offline."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.packaging._venv import answers, free_port

EXAMPLE = Path(__file__).parents[2] / "examples" / "greet"

FROM_THE_WHEEL = """
import sys
import avtomatika_client, avtomatika_worker, orchestrator_lite

for package in (avtomatika_client, avtomatika_worker, orchestrator_lite):
    assert package.__file__.startswith(sys.prefix), package.__file__
"""

CLIENT = """
from avtomatika_client import Client

with Client(client_token="dev-client-token") as client:
    job = client.jobs.submit("greet", {"name": "Ada"})
    assert job.result(timeout=10) == {"message": "Hello, Ada!"}
"""

IN_PROCESS = """
import asyncio

from greet import greet_flow, worker
from orchestrator_lite import Orchestrator


async def main():
    async with Orchestrator(blueprints=[greet_flow], store="memory") as lite:
        async with lite.client() as client, lite.working(worker):
            assert await (await client.jobs.submit("greet", {"name": "Ada"})).result() == {"message": "Hello, Ada!"}


asyncio.run(main())
"""

TESTS = """
from avtomatika_client import Client
from greet import greet_flow, worker


async def test_greets(orchestrator):                 # in-process server, virtual clock, fresh per test
    orchestrator.add(greet_flow)
    async with orchestrator.working(worker), orchestrator.client() as client:
        job = await client.jobs.submit("greet", {"name": "Ada"})
        assert await job.result() == {"message": "Hello, Ada!"}


async def test_times_out(orchestrator):
    orchestrator.add(greet_flow)
    async with orchestrator.client() as client:
        job = await client.jobs.submit("greet", {"name": "Ada"}, dispatch_timeout=3600)
        await orchestrator.clock.advance(hours=2)     # no real waiting
        assert (await job.refresh()).status == "failed"


def test_over_a_real_socket(live_orchestrator):      # a real server on a free port, its state fresh per test
    with Client(live_orchestrator.url, client_token=live_orchestrator.client_token) as client:
        assert client.status().status == "ok"


async def test_survives_a_bad_network(orchestrator):
    orchestrator.add(greet_flow)
    orchestrator.faults.drop_response("POST /_worker/tasks/result", times=2)
    async with orchestrator.working(worker), orchestrator.client() as client:
        job = await client.jobs.submit("greet", {"name": "Ada"})
        assert await job.result() == {"message": "Hello, Ada!"}


def test_the_plugin_was_found(request):
    assert request.config.pluginmanager.hasplugin("avtomatika")
"""


@pytest.fixture
def site(installed):
    """The environment with the tour's file in its folder, and nothing else there."""
    shutil.rmtree(installed.outside)
    installed.outside.mkdir()
    shutil.copy(EXAMPLE / "greet.py", installed.outside)
    return installed


def _program(site, text, **environment):
    (site.outside / "program.py").write_text(FROM_THE_WHEEL + text)
    return site.run("program.py", **environment)


def test_blueprint_worker_and_client(site):
    url = f"http://127.0.0.1:{free_port()}"
    serve = ("serve", "greet.py", "--port", url.rpartition(":")[2], "--store", "sqlite:///./lite.db")
    with site.running(*serve, script="orchestrator-lite") as log:
        assert answers(url), log.read_text()
        with site.running("run", "greet:worker", script="avtomatika-worker", AVTOMATIKA_URL=url) as worker_log:
            done = _program(site, CLIENT, AVTOMATIKA_URL=url)
            assert done.returncode == 0, done.stderr + log.read_text() + worker_log.read_text()
    assert (site.outside / "lite.db").exists()
    assert "Traceback" not in log.read_text() + worker_log.read_text()


def test_a_worker_that_runs_itself(site):
    url = f"http://127.0.0.1:{free_port()}"
    with site.running("serve", "greet.py", "--port", url.rpartition(":")[2], script="orchestrator-lite") as log:
        assert answers(url), log.read_text()
        with site.running("-c", "from greet import worker; worker.run()", AVTOMATIKA_URL=url) as worker_log:
            done = _program(site, CLIENT, AVTOMATIKA_URL=url)
            assert done.returncode == 0, done.stderr + log.read_text() + worker_log.read_text()


def test_dev_and_the_command_line(site):
    url = f"http://127.0.0.1:{free_port()}"
    with site.running("dev", "greet.py", "--port", url.rpartition(":")[2], script="orchestrator-lite") as log:
        assert answers(url), log.read_text()
        submit = ("jobs", "submit", "greet", '{"name": "Ada"}', "--wait")
        done = site.run(*submit, script="avtomatika", AVTOMATIKA_URL=url)
        assert done.returncode == 0, done.stderr + log.read_text()
        assert "Hello, Ada!" in json.dumps(json.loads(done.stdout))
    assert "Traceback" not in log.read_text()


def test_in_process(site):
    done = _program(site, IN_PROCESS)
    assert done.returncode == 0, done.stderr


def test_plain_pytest_runs_the_tours_tests(site):
    (site.outside / "test_greet.py").write_text(FROM_THE_WHEEL + TESTS)
    done = _pytest(site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


def test_the_plugin_costs_those_nothing_who_do_not_use_it(site):
    heavy = {"avtomatika_worker", "fastapi", "httpx", "pydantic", "uvicorn"}
    test = f"import sys\n\ndef test_it():\n    assert not sys.modules.keys() & {heavy!r}\n"
    (site.outside / "test_light.py").write_text(test)
    done = _pytest(site, "-pno:respx", "-pno:anyio")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("gone", ["fastapi", "pydantic_settings"])
def test_the_plugin_without_its_extra_says_what_to_install(built, venv, gone):
    venv.install(built.wheel)
    venv.borrow_dependencies()
    venv.forget(gone)
    (venv.outside / "test_it.py").write_text("def test_one(live_orchestrator): ...\n\ndef test_two(): ...\n")
    done = _pytest(venv)
    assert "1 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert f"`live_orchestrator` needs {gone}, which is not installed: pip install 'avtomatika-sdk[all]'" in done.stdout
    assert "Traceback" not in done.stdout


def _pytest(venv, *options):
    # Those of this project's own environment that a reader does not have.
    strangers = [f"-pno:{name}" for name in ("asyncio", "randomly", "hypothesispytest", "timeout", "xdist")]
    return venv.run("-m", "pytest", "-W", "error", "-p", "no:cacheprovider", *strangers, *options)
