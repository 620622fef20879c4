"""The two faces are one: same names, same arguments, same documentation; and the package's names are what it says."""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
import subprocess
import sys

import pytest

import avtomatika_client
from avtomatika_client import AsyncClient, AsyncJobHandle, AsyncPager, Client, ClientBoundToOtherLoop, JobHandle, Pager
from avtomatika_client._resources._async_jobs import AsyncJobs
from avtomatika_client._resources._files import AsyncFiles, Files
from avtomatika_client._resources._jobs import Jobs
from avtomatika_client._resources._schedules import AsyncSchedules, Schedules
from avtomatika_client._resources._skills import AsyncSkills, Skills
from avtomatika_client._resources._webhooks import AsyncWebhooks, Webhooks
from avtomatika_client._resources._workers import AsyncWorkers, Workers
from tests.client._peer import STATUS, reply
from tests.conftest import run

PAIRS = [
    (Client, AsyncClient),
    (Jobs, AsyncJobs),
    (JobHandle, AsyncJobHandle),
    (Files, AsyncFiles),
    (Schedules, AsyncSchedules),
    (Skills, AsyncSkills),
    (Webhooks, AsyncWebhooks),
    (Workers, AsyncWorkers),
    (Pager, AsyncPager),
]
ONLY_ASYNC = {"aclose"}


def public(cls: type) -> dict[str, object]:
    return {name: member for name, member in inspect.getmembers(cls) if not name.startswith("_")}


def as_sync(annotation: object) -> str:
    return str(annotation).replace("Async", "").replace("Sync", "")


@pytest.mark.parametrize(("sync", "other"), PAIRS)
def test_both_faces_have_the_same_members(sync, other):
    assert set(public(other)) - ONLY_ASYNC == set(public(sync))


@pytest.mark.parametrize(("sync", "other"), PAIRS)
def test_both_faces_have_the_same_signatures_and_words(sync, other):
    for name, member in [("__init__", sync.__init__), *public(sync).items()]:
        twin = getattr(other, name)
        assert inspect.getdoc(member) == inspect.getdoc(twin), name
        if not callable(member):
            continue
        mine, theirs = inspect.signature(member), inspect.signature(twin)
        assert list(mine.parameters) == list(theirs.parameters), name
        for here, there in zip(mine.parameters.values(), theirs.parameters.values(), strict=True):
            assert (here.kind, here.default) == (there.kind, there.default), name
            assert as_sync(here.annotation) == as_sync(there.annotation), (name, here.name)
        assert as_sync(mine.return_annotation) == as_sync(theirs.return_annotation), name


def test_the_exported_names_are_sorted_and_there():
    names = avtomatika_client.__all__
    assert names == sorted(names)
    assert set(names) <= set(dir(avtomatika_client))
    for name in names:
        assert getattr(avtomatika_client, name) is not None
    with pytest.raises(AttributeError):
        avtomatika_client.no_such_name  # noqa: B018


def test_every_public_name_is_documented_and_typed():
    for name in avtomatika_client.__all__:
        thing = getattr(avtomatika_client, name)
        if inspect.isclass(thing):
            assert thing.__doc__, name
            for member, value in public(thing).items():
                if inspect.isfunction(value) and value.__module__.startswith("avtomatika_client"):
                    assert value.__doc__, f"{name}.{member}"
                    assert "return" in value.__annotations__, f"{name}.{member}"


def test_the_names_tools_see_are_the_names_there_are():
    tree = ast.parse(inspect.getsource(avtomatika_client))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name for line in block.body if isinstance(line, ast.ImportFrom) for alias in line.names}
    assert seen | {"__version__"} == set(avtomatika_client.__all__)


def test_an_async_client_belongs_to_its_first_loop(peer):
    peer.on("GET", STATUS, reply({"status": "ok"}))
    client = AsyncClient(peer.url)

    async def first():
        await client.status()

    async def second():
        with pytest.raises(ClientBoundToOtherLoop):
            await client.status()
        with pytest.raises(ClientBoundToOtherLoop):
            await client.with_options(timeout=1).status()

    with asyncio.Runner() as runner, asyncio.Runner() as other:
        runner.run(first())
        other.run(second())
        runner.run(client.close())


def test_a_client_that_was_never_closed_is_pointed_out(peer):
    peer.on("GET", STATUS, reply({"status": "ok"}))
    code = f"from avtomatika_client import Client; Client({peer.url!r}).status()"
    done = subprocess.run([sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, check=True)
    assert "ResourceWarning: an avtomatika client was never closed" in done.stderr


def test_a_client_that_was_never_used_needs_no_closing():
    Client()
    AsyncClient()
    gc.collect()


def test_clients_work_in_with_blocks(peer):
    peer.on("GET", STATUS, reply({"status": "ok"}))
    with Client(peer.url) as client:
        assert client.status().status == "ok"

    async def body():
        async with AsyncClient(peer.url) as client:
            assert (await client.status()).status == "ok"

    run(body())


def test_a_transport_of_ones_own_is_used_and_left_open(peer):
    class Canned:
        closed = False

        async def send(self, request, *, timeout):
            from avtomatika_client._calls._flow import Reply

            return Reply(status=200, headers={}, content=b'{"status": "canned"}')

        async def connect(self, url, *, headers, timeout):
            raise NotImplementedError

        async def aclose(self):
            self.closed = True

    canned = Canned()

    async def body():
        async with AsyncClient("http://nowhere.test", transport=canned) as client:
            return await client.status()

    assert run(body()).status == "canned"
    assert not canned.closed


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


HEAVY = [
    *("httpx", "httpcore", "pydantic", "rich", "typer", "tenacity", "websockets", "aiohttp", "anyio"),
    *("avtomatika_worker", "orchestrator_lite"),
]
LINES = ["import avtomatika_client", "from avtomatika_client import AsyncClient, Client, JobFailed"]


@pytest.mark.parametrize("line", LINES)
def test_importing_loads_nothing_heavy(line):
    assert python(f"{line}; import sys; print([name for name in {HEAVY} if name in sys.modules])") == "[]"


def test_the_package_is_imported_within_its_budget():
    code = "import time; began = time.perf_counter(); import avtomatika_client; print(time.perf_counter() - began)"
    best = min(float(python(code)) for _ in range(7))
    assert best < 0.150


def test_a_second_client_costs_next_to_nothing():
    Client()
    code = (
        "import time; from avtomatika_client import Client; Client()\n"
        "began = time.process_time()\nfor _ in range(100): Client()\nprint((time.process_time() - began) / 100)"
    )
    assert min(float(python(code)) for _ in range(3)) < 0.001
