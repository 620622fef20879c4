"""`job.files` and `submit(files=…)`, both faces, against the real server."""

from __future__ import annotations

import asyncio
import io
import os
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from avtomatika_client import (
    APITimeoutError,
    AsyncClient,
    ConflictError,
    NotFoundError,
    ValidationFailedError,
)
from avtomatika_client._calls.files import checked_name
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite import Blueprint
from orchestrator_lite.testing._orchestrator import VirtualOrchestrator
from tests.client.conftest import Face
from tests.conftest import run

MIB = 1024 * 1024


def blueprint() -> Blueprint:
    flow = Blueprint("flow", api_endpoint="/jobs/flow")

    @flow.handler(is_start=True)
    async def start(initial_data: Any, actions: Any, task_files: Any) -> None:
        if initial_data.get("wait"):
            actions.dispatch_task("nobody has this skill", params={}, transitions={"success": "finished"})
            return
        actions.go_to("finished")

    @flow.handler(is_end=True)
    async def finished(task_files: Any) -> list[str]:
        return [file.name for file in await task_files.list()]

    return flow


@pytest.fixture
def lite(live_orchestrator):
    live_orchestrator.add(blueprint())
    return live_orchestrator


@pytest.fixture
def client(face: Face, lite: Any) -> Any:
    return face.client(lite.url, client_token=lite.client_token)


@pytest.fixture
def job(face: Face, client: Any) -> Any:
    """A job that waits, so that its files may change."""
    return face(client.jobs.submit("flow", {"wait": True}))


def names(face: Face, job: Any) -> list[str]:
    return [file.name for file in face(job.files.list())]


def test_files_are_put_listed_fetched_and_deleted(face, job, tmp_path):
    face(job.files.upload("report.txt", b"some text"))
    face(job.files.upload("pages/1.png", b"\x00\x01"))
    found = face(job.files.list())
    assert [(file.name, file.size) for file in found] == [("pages/1.png", 2), ("report.txt", 9)]
    assert face(job.files.download("report.txt")) == b"some text"
    assert face(job.files.download("report.txt", to=tmp_path / "mine")) == tmp_path / "mine"
    assert face(job.files.download("pages/1.png", to=str(tmp_path))) == tmp_path / "1.png"
    assert (tmp_path / "mine").read_bytes() + (tmp_path / "1.png").read_bytes() == b"some text\x00\x01"
    face(job.files.delete("report.txt"))
    face(job.files.delete("report.txt"))
    assert names(face, job) == ["pages/1.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.png", "mine"]


def test_every_kind_of_source_is_taken(face, job, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe")
    os.close(writing)
    with path.open("rb") as opened, os.fdopen(reading, "rb") as pipe:
        opened.seek(4)
        sources: dict[str, tuple[Any, bytes]] = {
            "path": (path, b"0123456789"),
            "text path": (str(path), b"0123456789"),
            "bytes": (b"abc", b"abc"),
            "bytearray": (bytearray(b"abc"), b"abc"),
            "memoryview": (memoryview(b"abc")[1:], b"bc"),
            "empty": (b"", b""),
            "open file from where it stands": (opened, b"456789"),
            "memory file": (io.BytesIO(b"abc"), b"abc"),
            "pipe": (pipe, b"from a pipe"),
            "list": ([b"a", b"", b"bc"], b"abc"),
            "generator": ((piece for piece in (b"a", b"b")), b"ab"),
            "имя с пробелом & 100%.txt": (b"x", b"x"),
        }
        for name, (source, content) in sources.items():
            face(job.files.upload(name, source))
            assert face(job.files.download(name)) == content, name


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("no/such/file", FileNotFoundError, "no/such/file"),
        (Path("/"), IsADirectoryError, "/: is a directory"),
        (Path("/dev/null"), ValueError, "/dev/null: is not a regular file"),
        (io.StringIO("text"), ValueError, "open it in binary mode"),
        (["text"], ValueError, "a file is made of bytes, not of str"),
        (17, ValueError, "not int"),
        (None, ValueError, "not NoneType"),
    ],
)
def test_a_source_that_cannot_be_read_is_named_before_anything_is_created(face, client, source, error, says):
    with pytest.raises(error, match=says):
        face(client.jobs.submit("flow", {}, files={"good": b"x", "bad": source}))
    states = [job.status for job in face.list(client.jobs.list())]
    assert states in ([], ["cancelled"])
    if not isinstance(source, list):  # whose pieces are seen only when they are sent
        assert states == []


@pytest.mark.parametrize("name", ["", "/", "a//b", "../x", "a/..", "."])
def test_a_name_that_is_none_is_refused_before_anything_is_sent(face, client, job, name, tmp_path):
    for call in (job.files.download, job.files.delete, job.files.upload_url):
        with pytest.raises(ValueError, match="cannot be a file's name"):
            face(call(name))
    with pytest.raises(ValueError, match="cannot be a file's name"):
        face(job.files.upload(name, b""))
    with pytest.raises(ValueError, match="cannot be a file's name"):
        face(client.jobs.submit("flow", {}, files={name: b""}))
    assert len(face.list(client.jobs.list())) == 1
    with pytest.raises(ValueError, match="cannot be a file's name"):
        checked_name(None)  # type: ignore[arg-type]


def test_the_server_has_the_last_word_on_names(face, job):
    for name in ("x" * 2000, "a\x01b", "C:/windows"):
        with pytest.raises(ValidationFailedError):
            face(job.files.upload(name, b"x"))


def test_what_is_not_there_is_not_found_and_leaves_nothing(face, client, job, tmp_path):
    with pytest.raises(NotFoundError, match="File not found"):
        face(job.files.download("nothing", to=tmp_path / "x"))
    with pytest.raises(NotFoundError, match="Job not found"):
        face(client.jobs.handle("no-such-job").files.list())
    with pytest.raises(FileNotFoundError, match=r"the folder .* is not there"):
        face(job.files.download("nothing", to=tmp_path / "no" / "x"))
    assert list(tmp_path.iterdir()) == []


def test_an_ended_job_keeps_its_files_and_takes_no_more(face, client):
    job = face(client.jobs.submit("flow", {}, files={"a": b"1", "b/c": b"2"}))
    assert face(job.result(timeout=10)) == ["a", "b/c"]
    with pytest.raises(ConflictError, match="has ended"):
        face(job.files.upload("a", b"2"))
    assert face(job.files.download("a")) == b"1"


def test_a_signed_url_takes_a_file_without_a_token(face, job):
    url = face(job.files.upload_url("from outside.bin", expires_in=60))
    request = urllib.request.Request(url, data=b"bytes", method="PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    assert face(job.files.download("from outside.bin")) == b"bytes"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(url + "0", data=b"bytes", method="PUT"), timeout=10)


def test_progress_is_told_now_and_then_and_at_the_end(face, job, tmp_path):
    told: list[tuple[int, int | None]] = []
    size = 30 * MIB
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(size)
    face(job.files.upload("large", path, on_progress=lambda *at: told.append(at)))
    assert told[-1] == (size, size)
    assert told == sorted(told)
    assert {total for _, total in told} == {size}
    assert len(told) < 60
    told.clear()
    face(job.files.download("large", to=tmp_path / "again", on_progress=lambda *at: told.append(at)))
    assert told[-1] == (size, size)
    assert told == sorted(told)
    told.clear()
    face(job.files.upload("pieces", iter([b"ab", b"c"]), on_progress=lambda *at: told.append(at)))
    assert (told[0], told[-1]) == ((0, None), (3, 3))


def test_what_on_progress_raises_ends_the_transfer(face, job, tmp_path):
    def enough(done: int, total: int | None) -> None:
        if done > MIB:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        face(job.files.upload("large", (b"x" * MIB for _ in range(500)), on_progress=enough))
    assert names(face, job) == []
    face(job.files.upload("large", [b"x" * MIB] * 30))
    with pytest.raises(KeyError, match="enough"):
        face(job.files.download("large", to=tmp_path, on_progress=enough))
    assert list(tmp_path.iterdir()) == []


def test_a_downloaded_file_has_the_usual_permissions_and_replaces_an_older_one(face, job, tmp_path):
    (tmp_path / "x").write_text("older and longer")
    plain = tmp_path / "plain"
    plain.touch()
    face(job.files.upload("x", b"new"))
    face(job.files.download("x", to=tmp_path))
    assert (tmp_path / "x").read_text() == "new"
    assert (tmp_path / "x").stat().st_mode == plain.stat().st_mode


def test_a_failed_upload_cancels_the_held_job_and_says_why(face, client):
    def failing():
        yield b"x" * MIB
        raise OSError("the disk is on fire")

    with pytest.raises(OSError, match="the disk is on fire"):
        face(client.jobs.submit("flow", {}, files={"bad": failing(), **{f"good{n}": b"x" for n in range(9)}}))
    (left,) = face.list(client.jobs.list())
    assert left.status == "cancelled"


def test_one_open_file_cannot_be_two_files(face, client):
    one = io.BytesIO(b"x")
    with pytest.raises(ValueError, match="'a' and 'b' are to be read from the same open source"):
        face(client.jobs.submit("flow", {}, files={"a": one, "b": one}))
    assert face.list(client.jobs.list()) == []


def test_many_files_go_along(face, client):
    files = {f"{number:03}": str(number).encode() for number in range(60)}
    job = face(client.jobs.submit("flow", {}, files=files))
    assert face(job.result(timeout=20)) == sorted(files)


def test_no_files_need_no_hold(face, client):
    assert face(face(client.jobs.submit("flow", {}, files={})).result(timeout=10)) == []


def test_a_submit_that_is_cancelled_cancels_the_held_job(lite):
    reading = threading.Event()

    def endless():
        while True:
            reading.set()
            yield b"x" * 1000
            SYSTEM_CLOCK.sleep_blocking(0.01)

    async def body() -> None:
        async with AsyncClient(lite.url, client_token=lite.client_token) as client:
            sending = asyncio.create_task(client.jobs.submit("flow", {}, files={"endless": endless()}))
            await asyncio.to_thread(reading.wait, 10)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert [job.status async for job in client.jobs.list()] == ["cancelled"]

    run(body())


def test_a_submit_that_is_cancelled_while_its_job_is_created_leaves_none_held():
    async def body() -> list[str]:
        orchestrator = VirtualOrchestrator()
        orchestrator.add(blueprint())
        orchestrator.faults.delay(2, "POST /api/v1/jobs/flow")
        async with orchestrator.client() as client:
            sending = asyncio.create_task(client.jobs.submit("flow", {}, files={"a": b"x"}))
            await orchestrator.clock.advance(1)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            left = [job.status async for job in client.jobs.list()]
        await orchestrator.close_in_loop()
        return left

    assert run(body()) == ["cancelled"]


def test_a_submit_that_takes_too_long_cancels_the_held_job(face, client):
    def slow():
        while True:
            yield b"x" * 1000
            SYSTEM_CLOCK.sleep_blocking(0.05)

    with pytest.raises(APITimeoutError):
        face(client.jobs.submit("flow", {}, files={"slow": slow(), "other": slow()}, timeout=0.7))
    (left,) = face.list(client.jobs.list())
    assert left.status == "cancelled"
