"""Whole or not at all: uploads that end early, collide, find no room or are too large leave nothing behind."""

from __future__ import annotations

import asyncio
import logging
import resource
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from orchestrator_lite.api._file_answers import SILENCE, STANDSTILL
from orchestrator_lite.files import FileClashError, FileMissingError, Files, _disk
from orchestrator_lite.files._disk import Disk
from orchestrator_lite.files._door import Door
from tests._support.house import House, serving, until
from tests.conftest import run
from tests.server.flows import greet
from tests.server.test_files import CONTENT, held, link, names, put

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

MIB = 1024 * 1024


def below(root: Path) -> list[str]:
    """Every file under a folder but the server's key and lock, as paths from there."""
    known = {".key", ".lock"}
    found = [
        file.relative_to(root) for file in root.rglob("*") if file.is_file() and not {file.name, file.suffix} & known
    ]
    return sorted(str(path) for path in found)


def sizes(root: Path) -> list[int]:
    """Bytes of each file under a folder."""
    found = []
    for name in below(root):
        with suppress(FileNotFoundError):
            found.append((root / name).stat().st_size)
    return found


def open_below(root: Path) -> list[str]:
    """The files under a folder that this process has open, those too that were taken away; [] where none can tell."""
    descriptors = Path("/proc/self/fd")
    links = []
    for entry in descriptors.iterdir() if descriptors.exists() else ():
        with suppress(FileNotFoundError):
            links.append(str(entry.readlink()))
    return [link for link in links if link.startswith(str(root)) and not link.endswith(".lock")]


@asynccontextmanager
async def half_sent(
    house: House, job_id: str, name: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """An upload of ten MiB of which three have been sent, on a connection of its own."""
    url = httpx.URL(house.lite.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    token = house.lite.client_token
    writer.write(
        f"PUT /api/v1/jobs/{job_id}/files/content/{name} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\n"
        f"X-Client-Token: {token}\r\nContent-Length: {10 * MIB}\r\n\r\n".encode()
    )
    writer.write(b"x" * (3 * MIB))
    await writer.drain()
    try:
        yield reader, writer
    finally:
        writer.close()


def test_an_upload_whose_client_goes_leaves_the_older_file_and_nothing_else(tmp_path, caplog):
    async def body():
        async with serving(greet(), files=tmp_path) as house:
            job_id = await held(house)
            await put(house, job_id, "in/a", b"older")
            for name in ("in/a", "new/b"):
                async with half_sent(house, job_id, name):
                    await until(lambda: len(list(tmp_path.glob(".uploads/*/*"))) == 1)
                    assert await names(house, job_id) == ["in/a"], "what is half there is not there"
                await until(lambda: not list(tmp_path.glob(".uploads/*/*")))
                await until(lambda: open_below(tmp_path) == [])
            assert (await house.http.get(await link(house, job_id, "in/a"))).content == b"older"
            assert below(tmp_path) == [f"jobs/{job_id}/in/a"]
            assert not (tmp_path / "jobs" / job_id / "new").exists()

    run(body())
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the open files of a process from /proc")
def test_a_sender_who_falls_silent_is_told_after_a_while_and_leaves_nothing(tmp_path):
    async def body():
        async with serving(greet(), files=tmp_path) as house:
            job_id = await held(house)
            await put(house, job_id, "a", b"older")
            async with half_sent(house, job_id, "a") as (reader, writer):
                await until(lambda: [size for size in sizes(tmp_path / ".uploads") if size >= MIB])
                house.clock.jump(SILENCE - 1)
                writer.write(b"x" * MIB)
                await writer.drain()
                await until(lambda: [size for size in sizes(tmp_path / ".uploads") if size >= 2 * MIB])
                house.clock.jump(SILENCE - 1)
                assert not reader.at_eof()
                reading = asyncio.create_task(reader.read())  # to the end: the connection is closed
                await until(lambda: house.clock.jump(SILENCE) or reading.done())
                answer = reading.result()
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"Not a byte came for 60 s" in answer
            assert below(tmp_path) == [f"jobs/{job_id}/a"]
            assert (tmp_path / "jobs" / job_id / "a").read_bytes() == b"older"

    run(body())


def test_an_upload_that_outlasts_its_job_is_not_stored(tmp_path):
    async def body():
        async with serving(greet(), files=tmp_path) as house:
            job_id = await held(house)
            async with half_sent(house, job_id, "a") as (reader, writer):
                await until(lambda: below(tmp_path / ".uploads"))
                await house.cancel(job_id)
                writer.write(b"x" * (7 * MIB))
                answer = await reader.readuntil(b"}")
            assert answer.startswith(b"HTTP/1.1 409 ")
            assert below(tmp_path) == []

    run(body())


def test_a_reader_who_goes_leaves_no_file_open_and_no_word_in_the_log(tmp_path, caplog):
    async def body():
        async with serving(greet(), files=tmp_path) as house:
            job_id = await held(house)
            await put(house, job_id, "a", b"1" * (20 * MIB))
            async with house.http.stream("GET", await link(house, job_id, "a")) as reply:
                await anext(reply.aiter_bytes())
                assert len(open_below(tmp_path)) == 1
            await until(lambda: open_below(tmp_path) == [])

    run(body())
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_server_that_stops_in_the_middle_leaves_nothing(tmp_path):
    async def body():
        async with serving(greet(), files=tmp_path) as house:
            job_id = await held(house)
            async with half_sent(house, job_id, "a"):
                await until(lambda: len(list(tmp_path.glob(".uploads/*/*"))) == 1)
        assert below(tmp_path) == []

    run(body())


def test_a_file_is_replaced_under_its_readers_without_their_noticing():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            large = b"1" * (8 * MIB)
            await put(house, job_id, "a", large)
            async with house.http.stream("GET", await link(house, job_id, "a")) as reply:
                pieces = reply.aiter_bytes()
                got = [await anext(pieces)]
                await put(house, job_id, "a", b"2" * (8 * MIB))
                got += [piece async for piece in pieces]
            assert b"".join(got) == large

    run(body())


def test_of_uploads_at_the_same_time_one_is_kept_whole():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            contents = [bytes([n]) * MIB for n in range(8)]
            await asyncio.gather(*(put(house, job_id, "deep/er/a", content) for content in contents))
            assert (await house.http.get(await link(house, job_id, "deep/er/a"))).content in contents
            assert below(house.lite._site.core.files._kept._ready[0].root) == [f"jobs/{job_id}/deep/er/a"]

    run(body())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the open files of a process from /proc")
def test_a_reader_who_takes_nothing_is_let_go_after_a_while_and_may_ask_for_the_rest(tmp_path, caplog):
    async def body():
        async with serving(greet(), files=tmp_path) as house:
            job_id = await held(house)
            await put(house, job_id, "a", b"x" * (30 * MIB))
            url = httpx.URL(await link(house, job_id, "a"))
            reader, writer = await asyncio.open_connection(url.host, url.port, limit=2**16)
            writer.write(f"GET {url.raw_path.decode()} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\n\r\n".encode())
            await until(lambda: len(open_below(tmp_path)) == 1)
            await house.settled()
            house.clock.jump(STANDSTILL - 1)
            await house.settled()
            assert len(open_below(tmp_path)) == 1

            def is_let_go() -> bool:
                house.clock.jump(STANDSTILL)  # when it came to a standstill only the server's socket knows
                return open_below(tmp_path) == []

            await until(is_let_go)
            got = len((await reader.read()).partition(b"\r\n\r\n")[2])
            assert 0 < got < 30 * MIB
            rest = await house.http.get(await link(house, job_id, "a"), headers={"Range": f"bytes={got}-"})
            assert (rest.status_code, got + len(rest.content)) == (206, 30 * MIB)
            writer.close()

    run(body())


def test_folders_come_and_go_while_files_are_put_into_them():
    async def body():
        files = Files()
        for _ in range(30):
            await asyncio.gather(files.put("job", "a/b/c", _bytes(b"1")), files.delete("job", "a/b/c"))
            await asyncio.gather(files.put("job", "a/b/d", _bytes(b"1")), files.delete("job", "a/b/c"))
            assert (await files.list("job"))[-1].name == "a/b/d"
        await files.close()

    run(body())


def test_a_file_that_is_too_large_is_refused_before_and_while_it_comes(tmp_path):
    async def body():
        async with serving(greet(), files=tmp_path, max_file=MIB, max_body=1000) as house:
            job_id = await held(house)
            too_large = {"error": f"The file is larger than {MIB} bytes"}
            assert await put(house, job_id, "a", b"x" * (MIB + 1), status=413) == too_large
            assert await put(house, job_id, "a", _bytes(*[b"x" * 1000] * 1100), status=413) == too_large
            assert below(tmp_path) == []
            assert (await put(house, job_id, "a", b"x" * MIB))["size"] == MIB
            reply = await house.api("POST", "/jobs/greet", json={"initial_data": {"a": "x" * 1000}})
            assert reply.status_code == 413, "any other body is bounded as before"

    run(body())


def test_a_refused_upload_is_answered_however_much_was_sent():
    async def body():
        async with serving(greet()) as house:
            for _ in range(3):
                assert await put(house, "none", "a", b"x" * (20 * MIB), status=404) == {"error": "Job not found"}

    run(body())


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file grows beyond `size` bytes: as on a full disk, a write fails in the middle."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [5 * MIB, 2 * MIB + 100], ids=["in the middle", "at the end"])
def test_without_room_an_upload_fails_and_leaves_the_older_file(tmp_path, size):
    async def body():
        async with serving(greet(), files=tmp_path) as house:
            job_id = await held(house)
            await put(house, job_id, "a", b"older")
            with room_for(2 * MIB):
                full = await put(house, job_id, "a", b"x" * size, status=507)
                assert full == {"error": "There is no room left for files"}
                assert below(tmp_path) == [f"jobs/{job_id}/a"]
                assert (await put(house, job_id, "b", b"x" * MIB))["size"] == MIB, "what fits is taken"
            assert (await house.http.get(await link(house, job_id, "a"))).content == b"older"

    run(body())


def test_symbolic_links_in_the_folder_lead_nowhere(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")

    async def body():
        async with serving(greet(), files=tmp_path / "files") as house:
            job_id = await held(house)
            await put(house, job_id, "real/a", b"1")
            folder = tmp_path / "files" / "jobs" / job_id
            (folder / "way").symlink_to(outside)
            (folder / "file").symlink_to(outside / "secret")
            assert await names(house, job_id) == ["real/a"]
            for name in ("way/secret", "file"):
                assert (await house.api("GET", f"/jobs/{job_id}/files/download/{name}")).status_code == 404
                reply = await house.api("DELETE", f"/jobs/{job_id}/files/content/{name}")
                assert reply.json()["existed"] is False
            assert "is a file of this job" in (await put(house, job_id, "way/new", b"2", status=409))["error"]
            await put(house, job_id, "file", b"2")
        assert sorted(path.name for path in outside.iterdir()) == ["secret"]
        assert (outside / "secret").read_text() == "secret"

    run(body())


def test_what_a_dead_server_left_is_swept_away_at_the_next_start(tmp_path):
    """Not what another one that lives is just writing."""
    dying = "import sys, os, pathlib; from orchestrator_lite.files._disk import Disk; root = pathlib.Path(sys.argv[1]);"
    dying += "(root / Disk(root, durable=False).staged('left#1')).write_bytes(b'x'); os._exit(9)"
    living = Disk(tmp_path, durable=False)
    (tmp_path / living.staged("new#1")).write_bytes(b"x")
    assert subprocess.run([sys.executable, "-c", dying, str(tmp_path)], check=False).returncode == 9
    assert [name.rpartition("/")[2] for name in below(tmp_path)].count("left#1") == 1
    Disk(tmp_path, durable=False).close()
    assert below(tmp_path) == [living.staged("new#1")]
    living.close()
    assert list((tmp_path / ".uploads").iterdir()) == []


def test_where_case_does_not_matter_no_file_takes_anothers_place(tmp_path, monkeypatch):
    """The check alone: this disk keeps `A` and `a` apart, so what stands there is made to look as it would."""
    disk = Disk(tmp_path, durable=True)
    disk._ignores_case = True
    (tmp_path / disk.staged("u")).write_bytes(b"1")
    disk.publish("u", "job", "In/A", 1.0, Door())
    assert [(file.name, file.size, file.modified_at) for file in disk.listed("job")] == [("In/A", 1, 1.0)]
    assert disk.located("job", "In/A") == "jobs/job/In/A"
    (tmp_path / "jobs" / "job" / "in").symlink_to("In")
    (tmp_path / "jobs" / "job" / "In" / "a").symlink_to("A")
    listing = {"job": ["In"], "In": ["A"]}
    monkeypatch.setattr(_disk, "_names", lambda folder, name: name in listing.get(folder.name, [name]))
    with pytest.raises(FileMissingError):
        disk.located("job", "in/A")
    for name in ("in/b", "In/a"):
        (tmp_path / disk.staged("u")).write_bytes(b"2")
        with pytest.raises(FileClashError, match="by case alone"):
            disk.publish("u", "job", name, 2.0, Door())


def test_a_damaged_key_is_told_with_the_way_out(tmp_path):
    Disk(tmp_path, durable=False)
    (tmp_path / ".key").write_bytes(b"short")
    with pytest.raises(Exception, match=r"key of signed URLs .*\.key is damaged: delete it"):
        Disk(tmp_path, durable=False)


async def _bytes(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def test_the_contents_are_what_was_sent_in_whatever_pieces():
    async def body():
        files = Files()
        pieces = [CONTENT[at : at + 70_001] for at in range(0, len(CONTENT), 70_001)]
        stored = await files.put("job", "a", _bytes(b"", *pieces, b""))
        assert stored.size == len(CONTENT)
        opened = await files.get("job", "a")
        assert b"".join([chunk async for chunk in opened.chunks]) == CONTENT
        await files.close()

    run(body())
