"""Files of jobs that are no more: all of them go, and none comes back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from orchestrator_lite.files import FileMissingError, Files
from tests.conftest import run
from tests.server.test_files_whole import below

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def content(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def test_a_forgotten_jobs_files_are_gone_and_others_stay(tmp_path):
    async def body():
        files = Files(tmp_path)
        for job_id, name in [("a", "1"), ("a", "deep/er/2"), ("b", "1"), ("c", "1")]:
            await files.put(job_id, name, content(b"x"))
        await files.forget("a", "b", "never")
        await files.forget("a")
        assert below(tmp_path) == ["jobs/c/1"]
        assert not (tmp_path / "jobs" / "a").exists()
        await files.wipe()
        assert below(tmp_path) == []
        await files.put("c", "again", content(b"x"))
        assert below(tmp_path) == ["jobs/c/again"]
        await files.close()

    run(body())


@pytest.mark.parametrize("everything", [False, True], ids=["forgotten", "wiped"])
def test_an_upload_under_way_does_not_bring_a_forgotten_job_back(tmp_path, everything):
    async def body():
        files = Files(tmp_path)
        on_its_way, go_on = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"x"
            on_its_way.set()
            await go_on.wait()

        upload = asyncio.create_task(files.put("job", "a", slow()))
        await on_its_way.wait()
        await (files.wipe() if everything else files.forget("job"))
        go_on.set()
        with pytest.raises(FileMissingError, match="Job not found"):
            await upload
        await files.close()
        assert below(tmp_path) == []
        assert list((tmp_path / "jobs").iterdir()) == []

    run(body())


def test_whatever_uploads_do_meanwhile_a_forgotten_job_has_no_files(tmp_path):
    async def body():
        files = Files(tmp_path)
        for _ in range(30):
            uploads = [asyncio.create_task(files.put("job", f"a/{n}", content(b"x"))) for n in range(4)]
            await files.clock.sleep(0)
            await files.forget("job")
            await asyncio.gather(*uploads, return_exceptions=True)
            assert below(tmp_path) == []
        await files.close()

    run(body())


def test_forgetting_creates_nothing(tmp_path):
    async def body():
        files = Files(tmp_path / "none")
        await files.forget("job")
        await files.wipe()
        await files.close()

    run(body())
    assert list(tmp_path.iterdir()) == []
