"""Files switched off: told everywhere in the words of the seeds, and not announced."""

from __future__ import annotations

import pytest

from avtomatika_client import AsyncClient, JobFailed, NotSupportedByServerError
from avtomatika_worker import Context, Worker, skill
from orchestrator_lite import Orchestrator, Settings
from tests._support.house import serving
from tests.conftest import run
from tests.server.flows import greet
from tests.server.test_files import EVERY_ROUTE, held


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
def test_every_route_says_so(method, path):
    async def body():
        async with serving(greet(), files="off") as house:
            job_id = await held(house)
            for prefix in ("/api/v1", "/api"):
                at = f"{prefix}/jobs/{job_id}/files{path}"
                reply = await house.http.request(method, at, headers=house.client_headers)
                assert (reply.status_code, reply.json()) == (501, {"error": "S3 support is not enabled"})
            assert (await house.http.get(f"/_files/{job_id}/a")).status_code == 501
            assert "files" not in (await house.http.get("/_public/status")).json()["features"]
            assert "files" not in (await house.worker("w1", "greet").register())["features"]

    run(body())


@skill(name="greet")
async def reading(ctx: Context) -> None:
    await ctx.files.read("a")


def test_client_and_worker_tell_their_users():
    async def body():
        lite = Orchestrator([greet()], store="memory", settings=Settings(files="off"))
        async with lite.listening(port=0), AsyncClient(lite.url) as client:
            job = await client.jobs.submit("greet")
            calls = [
                job.files.upload("a", b"x"),
                job.files.download("a"),
                job.files.upload_url("a"),
                job.files.list(),
                job.files.delete("a"),
                client.jobs.submit("greet", files={"a": b"x"}),
            ]
            for call in calls:
                with pytest.raises(NotSupportedByServerError):
                    await call
            async with lite.working(Worker("reader", skills=[reading])):
                with pytest.raises(JobFailed, match="keeps no files for workers"):
                    await job.result(timeout=10)
            files = lite._site.core.files
            await files.forget(job.id)
            await files.wipe()

    run(body())
