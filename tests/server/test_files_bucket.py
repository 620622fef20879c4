"""Files in a bucket: as on a disk, but that bytes go to and from it without us."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from avtomatika_client import AsyncClient
from avtomatika_worker import Context, Worker, skill
from orchestrator_lite import Blueprint, Orchestrator, Settings
from orchestrator_lite.files import FilesError
from tests._support.bucket import Bucket, s3
from tests._support.house import House, serving, until
from tests.conftest import run
from tests.server.flows import greet
from tests.server.test_files import CONTENT, held, link, names, put
from tests.server.test_files_whole import MIB, _bytes, half_sent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(endpoint: str) -> Bucket:
    return Bucket(endpoint)


def test_the_seeds_routes(bucket):
    async def body():
        async with serving(greet(), **bucket.settings) as house:
            job_id = await held(house)
            at = f"{bucket.endpoint}/{bucket.name}/some/prefix/jobs/{job_id}/"
            url = (await house.api("GET", f"/jobs/{job_id}/files/upload?filename=in/page 1.pdf&expires_in=60")).json()
            assert (url["method"], url["expires_in"]) == ("PUT", 60)
            assert url["url"].startswith(f"{at}in/page%201.pdf?")
            assert (await house.http.put(url["url"], content=CONTENT)).status_code == 200
            uploaded = await put(house, job_id, "b.bin", b"abc")
            assert uploaded["s3_uri"] == f"s3://{bucket.name}/some/prefix/jobs/{job_id}/b.bin"
            assert await names(house, job_id) == ["b.bin", "in/page 1.pdf"]
            for name, content in (("b.bin", b"abc"), ("in/page 1.pdf", CONTENT)):
                where = await link(house, job_id, name)
                assert where.startswith(at)
                assert (await house.http.get(where)).content == content
            assert "SECRET" not in url["url"]
            assert (await house.api("GET", f"/jobs/{job_id}/files/download/none")).status_code == 404
            gone = await house.api("DELETE", f"/jobs/{job_id}/files/content/b.bin")
            assert gone.json() == {"status": "deleted", "existed": True}
            again = await house.api("DELETE", f"/jobs/{job_id}/files/content/b.bin")
            assert again.json() == {"status": "deleted", "existed": False}
            assert bucket.keys() == [f"some/prefix/jobs/{job_id}/in/page 1.pdf"]

    run(body())


ODD = ["a b", "ü", "100%", "x#1", "a/b?c", "q&=+", "日本.txt", "%2F", "CON", '*|<>"', "~a'()"]


def test_odd_names_and_sizes_come_back_as_they_went(bucket):
    async def body():
        async with serving(greet(), **bucket.settings) as house:
            files, job_id = house.lite._site.core.files, await held(house)
            for name in ODD:
                await files.put(job_id, name, _bytes(name.encode()))
            assert await names(house, job_id) == sorted(ODD)
            for name in ODD:
                assert (await house.http.get(await files.link(job_id, name, "GET", 60))).content == name.encode()
                assert b"".join([chunk async for chunk in (await files.get(job_id, name)).chunks]) == name.encode()
            for size in (0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 11 * MIB):
                content = (CONTENT * 10)[:size]
                pieces = [content[at : at + 700_001] for at in range(0, size, 700_001)]
                assert (await files.put(job_id, "a", _bytes(*pieces))).size == size
                opened = await files.get(job_id, "a")
                assert (opened.size, b"".join([chunk async for chunk in opened.chunks]) == content) == (size, True)
            bucket.put(f"some/prefix/jobs/{job_id}/no\\name", b"put there by others")
            assert "no\\name" not in await names(house, job_id)
            assert bucket.unfinished() == 0

    run(body())


def test_a_name_that_is_too_long_for_the_bucket_is_told(bucket):
    async def body():
        async with serving(greet(), **bucket.settings) as house:
            job_id = await held(house)
            room = 1024 - len(f"some/prefix/jobs/{job_id}/")
            name = "/".join(["x" * 99] * 10)[: room + 1]
            assert "too long for the bucket" in (await put(house, job_id, name, status=400))["error"]
            await put(house, job_id, name[:-1])
            assert await names(house, job_id) == [name[:-1]]

    run(body())


def test_bytes_pass_through_the_server_where_the_bucket_is_not_to_be_seen(bucket):
    async def body():
        async with serving(greet(), **bucket.settings, s3_direct=False) as house:
            job_id = await held(house)
            asked = await house.api("GET", f"/jobs/{job_id}/files/upload?filename=a")
            assert asked.json()["url"].startswith(f"{house.lite.url}/_files/")
            large = CONTENT * 10
            assert (await house.http.put(asked.json()["url"], content=large)).json()["size"] == len(large)
            url = await link(house, job_id, "a")
            assert url.startswith(f"{house.lite.url}/_files/")
            whole = await house.http.get(url)
            assert (whole.content == large, whole.headers["content-length"]) == (True, str(len(large)))
            part = await house.http.get(url, headers={"Range": "bytes=2000000-7000000"})
            assert (part.status_code, part.content == large[2_000_000:7_000_001]) == (206, True)
            assert (await house.http.get(url, headers={"Range": "bytes=-7"})).content == large[-7:]
            assert (await house.http.get(url, headers={"Range": f"bytes={len(large)}-"})).status_code == 416
            known = {"If-None-Match": f'"other", W/{whole.headers["etag"]}'}
            assert (await house.http.get(url, headers=known)).status_code == 304
            assert (await house.http.head(url)).headers["content-length"] == str(len(large))
            forged = url.replace("signature=", "signature=0")
            assert (await house.http.get(forged)).status_code == 403
        async with serving(greet(), **bucket.settings, s3_direct=False) as later:
            files = later.lite._site.core.files
            again = await files.link(job_id, "a", "GET", 60)
            assert again.partition("signature=")[2] != ""
            query = httpx.URL(url).params
            await files.check_link(job_id, "a", "GET", query["expires"], query["signature"])

    run(body())


def test_our_own_links_are_none_where_the_bucket_has_its_own(bucket):
    async def body():
        async with serving(greet(), **bucket.settings) as house:
            job_id = await held(house)
            reply = await house.http.get(f"/_files/{job_id}/a?expires=99999999999&signature=0&method=GET")
            assert (reply.status_code, bucket.keys()) == (403, [])

    run(body())


def test_an_upload_that_ends_early_leaves_the_older_file_and_no_parts(bucket):
    async def body():
        async with serving(greet(), **bucket.settings) as house:
            job_id = await held(house)
            await put(house, job_id, "a", b"older")
            for _ in range(2):
                async with half_sent(house, job_id, "a") as (_, writer):
                    writer.write(b"x" * (4 * MIB))
                    await writer.drain()
                    await until(lambda: bucket.unfinished() == 1)
                await until(lambda: bucket.unfinished() == 0)
            assert (await house.http.get(await link(house, job_id, "a"))).content == b"older"
            files = house.lite._site.core.files
            upload = asyncio.create_task(files.put(job_id, "a", _endless()))
            await until(lambda: bucket.unfinished() == 1)
            upload.cancel()
            await asyncio.wait({upload})
            await until(lambda: bucket.unfinished() == 0)
            assert upload.cancelled()

    run(body())


async def _endless() -> Any:
    while True:
        yield b"x" * MIB


def test_forgotten_jobs_leave_nothing_and_what_is_not_ours_stays(bucket):
    async def body():
        bucket.put("some/prefix/other", b"1")
        async with serving(greet(), **bucket.settings) as house:
            files = house.lite._site.core.files
            for job_id in ("a", "ab", "c"):
                for name in ("1", "deep/er/2"):
                    await files.put(job_id, name, _bytes(b"x"))
            go_on = asyncio.Event()

            async def slow() -> Any:
                yield b"x" * (6 * MIB)
                await go_on.wait()

            upload = asyncio.create_task(files.put("a", "late", slow()))
            await until(lambda: bucket.unfinished() == 1)
            await files.forget("a", "c", "never")
            go_on.set()
            with pytest.raises(FilesError, match="Job not found"):
                await upload
            assert bucket.keys() == ["some/prefix/jobs/ab/1", "some/prefix/jobs/ab/deep/er/2", "some/prefix/other"]
            await files.wipe()
            assert bucket.keys() == ["some/prefix/other"]

    run(body())


@skill
async def shout(name: str, ctx: Context) -> str:
    await ctx.files.upload("out/loud.txt", (await ctx.files.read(name)).upper())
    await ctx.files.delete(name)
    return ",".join(file.name for file in await ctx.files.list())


def shouting() -> Blueprint:
    flow = Blueprint("shout", api_endpoint="/jobs/shout")

    @flow.handler(is_start=True)
    async def start(actions, task_files):
        uri = await task_files.write_json("in/from handler.json", {"a": 1})
        assert uri == task_files._files.address(task_files._job_id, "in/from handler.json")
        assert await task_files.read_json(uri) == {"a": 1}
        assert "X-Amz-Signature" in task_files.generate_presigned_url("in/from handler.json")
        actions.dispatch_task("shout", params={"name": "letter.txt"}, transitions={"success": "finished"})

    @flow.handler(is_end=True)
    async def finished(task_files):
        folder = await task_files.download("out/")
        return (folder / "loud.txt").read_text()

    return flow


@asynccontextmanager
async def at_work(lite: Orchestrator) -> AsyncIterator[AsyncClient]:
    """A client, a worker and a socket between them and the server."""
    async with (
        lite.listening(port=0),
        AsyncClient(lite.url) as client,
        Worker("shouter", skills=[shout], orchestrators=lite.url, journal=None),
    ):
        yield client


@asynccontextmanager
async def at_work_inside(lite: Orchestrator) -> AsyncIterator[AsyncClient]:
    """The same in one process, whence nobody can reach the bucket but the server."""
    async with lite, lite.client() as client, lite.working(Worker("shouter", skills=[shout])):
        yield client


@pytest.mark.parametrize("around", [at_work, at_work_inside])
def test_client_worker_and_handlers_go_the_same_way_as_on_a_disk(bucket, around):
    async def body():
        lite = Orchestrator([shouting()], store="memory", settings=Settings(**bucket.settings))
        async with around(lite) as client:
            job = await client.jobs.submit("shout", files={"letter.txt": b"hello " * 400_000})
            assert await job.result(timeout=30) == "HELLO " * 400_000
            assert [file.name for file in await job.files.list()] == ["in/from handler.json", "out/loud.txt"]
            assert await job.files.download("out/loud.txt") == b"HELLO " * 400_000
            await job.files.delete("out/loud.txt")

    run(body())


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def test_a_bucket_that_cannot_be_reached_is_told_and_jobs_run(bucket, caplog):
    """At the start it is a warning: the network may be down for a while. Nothing that is told holds a key."""

    async def body():
        settings = {**bucket.settings, "s3_endpoint": f"http://127.0.0.1:{free_port()}"}
        async with serving(greet(), **settings) as house:
            job_id = await house.create("/jobs/greet")
            told = {"error": f"Files are not available: the bucket {bucket.name!r}: it cannot be reached"}
            assert await put(house, job_id, "a", b"x", status=503) == told
            for path in ("", "/download/a"):
                reply = await house.api("GET", f"/jobs/{job_id}/files{path}")
                assert (reply.status_code, reply.json()) == (503, told)

    run(body())
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings[0] == f"files are not available: the bucket {bucket.name}: it cannot be reached"
    assert "SECRET-KEY" not in caplog.text
    assert "KEY-ID" not in caplog.text


def test_a_bucket_that_is_not_there_ends_the_start(bucket):
    async def body():
        with pytest.raises(FilesError, match=r"'missing' cannot be used \(NoSuchBucket\): see the settings `files`"):
            async with serving(greet(), **{**bucket.settings, "files": "s3://missing"}):
                pass

    run(body())


def test_a_bucket_that_goes_away_is_no_missing_file(bucket):
    async def body():
        async with serving(greet(), **bucket.settings) as house:
            job_id = await held(house)
            assert (await house.http.delete(f"{bucket.endpoint}/{bucket.name}")).status_code == 204
            for method, path in (("GET", ""), ("GET", "/download/a"), ("PUT", "/content/a"), ("DELETE", "/content/a")):
                reply = await house.api(method, f"/jobs/{job_id}/files{path}", content=b"x")
                assert (reply.status_code, "NoSuchBucket" in reply.json()["error"]) == (503, True), reply.text

    run(body())


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"])
def test_keys_that_do_not_fit_end_the_start_where_no_waiting_helps(code, caplog):
    """A bucket that may not be listed may still take files: that is a warning."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        content = f"<Error><Code>{code}</Code><AWSAccessKeyId>KEY-ID</AWSAccessKeyId></Error>".encode()
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(content))
        writer.write(content)
        await writer.drain()
        writer.close()

    async def start(house: House | None = None) -> None:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            keys = {"s3_access_key": "KEY-ID", "s3_secret_key": "SECRET-KEY"}
            async with serving(greet(), files="s3://bucket", s3_endpoint=endpoint, **keys):
                pass

    if code == "AccessDenied":
        run(start())
    else:
        with pytest.raises(FilesError, match=rf"'bucket' cannot be used \({code}\)") as caught:
            run(start())
        assert "KEY" not in str(caught.value)
    assert "KEY" not in caplog.text
    warned = "files are not available: the bucket bucket: AccessDenied" in caplog.text
    assert warned is (code == "AccessDenied"), "what ends the start is told once"


@pytest.mark.parametrize(
    "where", ["s3://", "s3://b/../c", "s3://bucket//x", "s3://bucket/a?b", "gs://bucket", "s3://b"]
)
def test_an_address_of_a_bucket_that_is_none_is_told(where):
    with pytest.raises(ValueError, match="must be a folder, s3://bucket, s3://bucket/prefix, or off"):
        Settings(files=where)


def test_the_environment_of_aws_will_do(bucket, monkeypatch):
    keys = {"ACCESS_KEY_ID": "KEY-ID", "SECRET_ACCESS_KEY": "SECRET-KEY", "REGION": "us-east-1"}
    for name, value in {**keys, "ENDPOINT_URL": bucket.endpoint}.items():
        monkeypatch.setenv(f"AWS_{name}", value)

    async def body():
        async with serving(greet(), files=f"s3://{bucket.name}") as house:
            job_id = await held(house)
            assert (await put(house, job_id, "a"))["s3_uri"] == f"s3://{bucket.name}/jobs/{job_id}/a"
            assert bucket.keys() == [f"jobs/{job_id}/a"]

    run(body())
    assert "SECRET-KEY" not in repr(Settings(**bucket.settings))
