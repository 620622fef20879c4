"""`task_files`: a job's files in its handlers, in the words of the official package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator_lite import Blueprint
from orchestrator_lite.files import FileMissingError, FileNameError, Files
from tests._support.house import serving
from tests.conftest import run
from tests.server.test_files import link, names, put


def doing(act: Any) -> Blueprint:
    """A blueprint whose one handler does `act(task_files)` and returns what that gives."""
    flow = Blueprint("doing", api_endpoint="/jobs/doing")

    @flow.handler(is_start=True, is_end=True)
    async def start(task_files):
        return await act(task_files)

    return flow


async def ended(act: Any, **sent: bytes) -> dict[str, Any]:
    """The job after `act`, with the files it was given and those it has in the end."""
    async with serving(doing(act)) as house:
        job_id = await house.create("/jobs/doing", hold=True)
        for name, content in sent.items():
            await put(house, job_id, f"in/{name}.txt", content)
        await house.api("POST", f"/jobs/{job_id}/release")
        job = await house.ended(job_id)
        files = {}
        for name in await names(house, job_id):
            files[name] = (await house.http.get(await link(house, job_id, name))).content
        return {**job, "files": files}


def test_a_handler_reads_and_writes_the_jobs_files():
    async def act(task_files):
        words = (await task_files.read_text("in/a.txt")).split()
        uri = await task_files.write_json("out/count.json", {"words": len(words)})
        local = await task_files.write_text("out/words.txt", "\n".join(words))
        assert local == task_files.path("out/words.txt")
        assert local.read_text() == "\n".join(words)
        assert await task_files.read_json(uri) == {"words": 2}
        return [uri, [file.name for file in await task_files.list()], await task_files.delete("in/a.txt")]

    job = run(ended(act, a="слово word".encode()))
    uri = f"lite://jobs/{job['id']}/out/count.json"
    assert job["result"] == [uri, ["in/a.txt", "out/count.json", "out/words.txt"], True]
    assert job["files"] == {"out/count.json": b'{"words":2}', "out/words.txt": "слово\nword".encode()}


def test_what_is_not_uploaded_stays_the_handlers_own():
    async def act(task_files):
        where = await task_files.write_json("a.json", [1], upload=False)
        await task_files.write_text("b.txt", "b", upload=False)
        assert where == f"file://{task_files.path('a.json')}"
        assert await task_files.read_json("a.json") == [1]
        return str(task_files.local_dir)

    job = run(ended(act))
    assert job["status"] == "finished", job["error"]
    assert job["files"] == {}
    assert not Path(job["result"]).exists(), "the local folder goes with the handler"


def test_files_and_folders_are_copied_both_ways():
    async def act(task_files):
        one = await task_files.download("in/a.txt")
        assert one == task_files.path("in/a.txt")
        other = await task_files.download(f"lite://jobs/{task_files._job_id}/in/b.txt", "copy.txt")
        folder = await task_files.download("in/", "all")
        found = sorted(path.name for path in folder.iterdir())
        (folder / "deeper").mkdir()
        (folder / "deeper" / "c.txt").write_text("c")
        return [
            *(one.read_text(), other.read_text(), other.name, found),
            await task_files.upload("copy.txt"),
            await task_files.upload("all", "out/all"),
        ]

    job = run(ended(act, a=b"A", b=b"B"))
    assert job["status"] == "finished", job["error"]
    at = f"lite://jobs/{job['id']}/"
    assert job["result"] == ["A", "B", "copy.txt", ["a.txt", "b.txt"], f"{at}copy.txt", f"{at}out/all/"]
    assert job["files"] == {
        "in/a.txt": b"A",
        "in/b.txt": b"B",
        "copy.txt": b"B",
        "out/all/a.txt": b"A",
        "out/all/b.txt": b"B",
        "out/all/deeper/c.txt": b"c",
    }


def test_streams_and_signed_urls():
    async def act(task_files):
        async def pieces():
            for n in range(3):
                yield bytes([n]) * 1000

        uri = await task_files.upload_stream("a.bin", pieces())
        return [
            uri,
            task_files.generate_presigned_url("a.bin"),
            task_files.generate_presigned_url("b", "PUT", expires_in=9),
        ]

    async def body():
        async with serving(doing(act)) as house:
            job = await house.ended(await house.create("/jobs/doing"))
            _, get, upload = job["result"]
            assert get.startswith(house.lite.url)
            assert len((await house.http.get(get)).content) == 3000
            assert (await house.http.put(upload, content=b"x")).status_code == 409, "the job has ended"

    run(body())


def test_a_cleanup_takes_all_files_away():
    async def act(task_files):
        await task_files.write_text("b.txt", "b")
        await task_files.cleanup()
        return [file.name for file in await task_files.list()]

    job = run(ended(act, a=b"A"))
    assert (job["result"], job["files"]) == ([], {})


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda files: files.read_text("none.txt"), "File not found"),
        (lambda files: files.download("none.txt"), "File not found"),
        (lambda files: files.download("none/"), "File not found"),
        (lambda files: files.upload("none.txt"), "no file 'none.txt' in the handler's local folder"),
        (lambda files: files.read_text("../../etc/passwd"), "filename: must"),
        (lambda files: files.write_text("../x", "x"), "filename: must"),
        (lambda files: files.download("s3://bucket/jobs/other/a"), "this job"),
        (lambda files: files.download("a", "../../x"), "filename: must"),
    ],
)
def test_what_goes_wrong_fails_the_job_with_the_reason(act, words):
    job = run(ended(act))
    assert job["status"] == "failed"
    assert words in job["error_message"]


def test_the_whole_context_has_them_too():
    flow = Blueprint("whole", api_endpoint="/jobs/whole")

    @flow.handler(is_start=True, is_end=True)
    async def start(context):
        await context.task_files.write_text("a.txt", "a")
        return [file.name for file in await context.task_files.list()]

    async def body():
        async with serving(flow) as house:
            assert (await house.ended(await house.create("/jobs/whole")))["result"] == ["a.txt"]

    run(body())


def test_a_handler_that_is_given_up_keeps_no_local_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    flow = Blueprint("slow", api_endpoint="/jobs/slow")

    @flow.handler(is_start=True, is_end=True)
    async def start(task_files):
        await task_files.write_text("a.txt", "a", upload=False)
        await task_files.upload_stream("b", _endless())

    async def body():
        async with serving(flow, handler_time_limit=0.2) as house:
            job = await house.ended(await house.create("/jobs/slow"))
            assert job["error"]["code"] == "HANDLER_TIMEOUT"

    run(body())
    assert list(tmp_path.iterdir()) == []


async def _endless():
    import asyncio

    yield b"x"
    await asyncio.Event().wait()


def test_errors_are_those_of_files():
    async def body():
        files = Files().of("job")
        with pytest.raises(FileMissingError):
            await files.read_bytes("a")
        with pytest.raises(FileNameError):
            files.path("")

    run(body())
