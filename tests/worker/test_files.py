"""`ctx.files`: the files of a job in skills of every kind, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from pathlib import Path
from typing import Any

import pytest

from avtomatika_client import AsyncClient, JobFailed, NotFoundError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_worker import Context, NotSupportedError, TaskCancelled, Worker, skill
from orchestrator_lite import Blueprint, Orchestrator
from tests.conftest import run
from tests.worker._peer import Peer
from tests.worker._setup import working


def blueprint() -> Blueprint:
    flow = Blueprint("flow", api_endpoint="/jobs/flow")

    @flow.handler(is_start=True)
    async def start(initial_data: Any, actions: Any) -> None:
        actions.dispatch_task("work", params=initial_data, transitions={"success": "finished", "failure": "failed"})

    @flow.handler(is_end=True)
    async def finished() -> None: ...

    @flow.handler(is_end=True)
    async def failed() -> None: ...

    return flow


@contextlib.asynccontextmanager
async def house(work: Any):
    """A server, a worker with one skill, a client."""
    async with Orchestrator([blueprint()], store="memory").listening(port=0) as lite:
        worker = Worker("w", skills=[work], orchestrators=lite.url, journal=None)
        async with worker, AsyncClient(lite.url) as client:
            yield client


def result_of(work: Any, params: Any = None, **files: Any) -> Any:
    async def body() -> Any:
        async with house(work) as client:
            return await (await client.jobs.submit("flow", params or {}, files=files)).result(timeout=20)

    return run(body())


def test_a_skill_reads_what_the_client_gave_and_gives_back():
    @skill(name="work")
    async def work(ctx: Context) -> dict[str, Any]:
        path = await ctx.files.download("input")
        content = path.read_text()
        await ctx.files.upload("out/upper.txt", content.upper().encode())
        read = await ctx.files.read("out/upper.txt")
        await ctx.files.delete("input")
        return {"read": read.decode(), "names": [file.name for file in await ctx.files.list()], "at": str(path)}

    async def body() -> None:
        async with house(work) as client:
            job = await client.jobs.submit("flow", {}, files={"input": b"some text"})
            result = await job.result(timeout=20)
            assert result["read"] == "SOME TEXT"
            assert result["names"] == ["out/upper.txt"]
            assert not Path(result["at"]).parent.exists()
            assert await job.files.download("out/upper.txt") == b"SOME TEXT"

    run(body())


def test_a_plain_function_does_the_same():
    @skill(name="work")
    def work(ctx: Context) -> dict[str, Any]:
        files = ctx.files.blocking
        path = files.download("input")
        files.upload("copy", path)
        with path.open("rb") as opened:
            files.upload("other", opened)
        content = files.read("copy") + files.read("other")
        files.delete("copy")
        return {"content": content.decode(), "names": [file.name for file in files.list()], "at": str(files.folder)}

    result = result_of(work, input=b"text")
    assert (result["content"], result["names"]) == ("texttext", ["input", "other"])
    assert not Path(result["at"]).exists()


def test_files_of_one_base_name_lie_apart_and_a_folder_of_ones_own_is_kept(tmp_path: Path):
    @skill(name="work")
    async def work(ctx: Context) -> list[str]:
        await ctx.files.upload("a/x.txt", b"a")
        await ctx.files.upload("b/x.txt", b"b")
        paths = [await ctx.files.download(name) for name in ("a/x.txt", "b/x.txt")]
        kept = await ctx.files.download("b/x.txt", tmp_path)
        return [path.read_text() for path in (*paths, kept)]

    assert result_of(work) == ["a", "b", "b"]
    assert (tmp_path / "x.txt").read_text() == "b"


@pytest.mark.parametrize("wrong", ["", "..", "../x", "/etc/passwd", "a//b", "."])
def test_a_name_cannot_lead_out_of_the_folder(wrong):
    @skill(name="work")
    async def work(ctx: Context) -> list[str]:
        said = []
        for call in (ctx.files.download(wrong), ctx.files.read(wrong), ctx.files.delete(wrong)):
            with pytest.raises(ValueError, match="cannot be a file's name") as caught:
                await call
            said.append(str(caught.value))
        with pytest.raises(ValueError, match="cannot be a file's name"):
            await ctx.files.upload(wrong, b"")
        return said

    assert len(result_of(work)) == 3


def test_a_missing_file_fails_the_task_with_the_servers_words():
    @skill(name="work", retry_on=(OSError,))
    async def work(ctx: Context) -> None:
        with pytest.raises(NotFoundError):
            await ctx.files.download("nothing")
        assert list(ctx.files.folder.iterdir()) == []
        await ctx.files.read("nothing")

    with pytest.raises(JobFailed, match="File not found"):
        result_of(work)


@pytest.mark.parametrize(("retry_on", "code"), [((), "PERMANENT_ERROR"), ((NotFoundError,), "TRANSIENT_ERROR")])
def test_a_missing_file_is_tried_again_only_where_the_skill_says_so(retry_on: Any, code: str):
    tries = []

    @skill(name="work", retry_on=retry_on)
    async def work(ctx: Context) -> None:
        tries.append(ctx.attempt)
        if len(tries) == 1:
            await ctx.files.read("nothing")

    if not retry_on:
        with pytest.raises(JobFailed) as caught:
            result_of(work)
        assert caught.value.error["code"] == code
    else:
        assert result_of(work) is None
    assert len(tries) == (2 if retry_on else 1)


def test_an_orchestrator_without_files_is_named_in_one_line():
    @skill(name="work")
    async def work(ctx: Context) -> None:
        await ctx.files.read("x")

    async def body() -> Any:
        with Peer() as peer:
            async with working(peer, skills=[work]):
                peer.hand_out()
                await peer.until(lambda: bool(peer.results))
            return peer.url, peer.results[0]["error"]

    url, error = run(body())
    assert error["code"] == "PERMANENT_ERROR"
    assert error["message"] == f"{url} keeps no files for workers"


def test_a_context_without_an_orchestrator_says_so():
    with pytest.raises(NotSupportedError, match="belongs to no orchestrator"):
        Context(task_id="t", job_id="j", skill="s").files  # noqa: B018


def test_the_two_kinds_of_skills_are_told_which_calls_are_theirs():
    @skill(name="work")
    async def work(ctx: Context) -> str:
        with pytest.raises(RuntimeError, match=r"await the calls of `ctx\.files`"):
            ctx.files.blocking.list()
        return await asyncio.to_thread(plain, ctx)

    def plain(ctx: Context) -> str:
        with pytest.raises(RuntimeError, match=r"`ctx\.files\.blocking\.read\(\.\.\.\)`"):
            ctx.files.read("x").send(None)
        return "told"

    assert result_of(work) == "told"


@pytest.mark.parametrize("plain", [True, False], ids=["plain function", "coroutine"])
def test_a_cancelled_task_ends_its_transfer(plain: bool):
    begun, ended, seen = threading.Event(), threading.Event(), []

    def endless():
        while True:
            begun.set()
            yield b"x" * 1000
            SYSTEM_CLOCK.sleep_blocking(0.01)

    if plain:

        @skill(name="work")
        def work(ctx: Context) -> None:
            try:
                ctx.files.blocking.upload("endless", endless())
            except TaskCancelled:
                seen.append("cancelled")
                raise
            finally:
                ended.set()
    else:

        @skill(name="work")
        async def work(ctx: Context) -> None:
            try:
                await ctx.files.upload("endless", endless())
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
            finally:
                ended.set()

    async def body() -> None:
        async with house(work) as client:
            job = await client.jobs.submit("flow", {})
            await asyncio.to_thread(begun.wait, 10)
            await job.cancel(wait=True, timeout=15)
            assert job.status == "cancelled"
            assert await asyncio.to_thread(ended.wait, 10)
            assert await job.files.list() == []

    run(body())
    assert seen == ["cancelled"]


def test_a_large_file_goes_through_in_pieces(tmp_path: Path):
    whole = tmp_path / "whole"
    with whole.open("wb") as file:
        file.truncate(40 * 1024 * 1024)

    @skill(name="work")
    async def work(ctx: Context) -> int:
        path = await ctx.files.download("whole")
        await ctx.files.upload("again", path)
        return path.stat().st_size

    async def body() -> None:
        async with house(work) as client:
            job = await client.jobs.submit("flow", {}, files={"whole": whole})
            assert await job.result(timeout=30) == 40 * 1024 * 1024
            assert [file.size for file in await job.files.list()] == [40 * 1024 * 1024] * 2

    run(body())


def test_the_folder_of_a_failed_task_is_removed_too():
    folders = []

    @skill(name="work", retry_on=(OSError,))
    async def work(ctx: Context) -> None:
        folders.append(ctx.files.folder)
        (ctx.files.folder / "mine").write_text("x")
        raise ValueError("no")

    with pytest.raises(JobFailed):
        result_of(work)
    assert folders
    assert not any(folder.exists() for folder in folders)
