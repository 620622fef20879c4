"""Files pass through little memory, whatever their size, to and from a disk or a bucket."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests._support.bucket import Bucket, s3
from tests.conftest import run
from tests.server.test_files_whole import MIB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory of a process from /proc")

SERVER = """
import asyncio, sys
sys.path[:0] = {path!r}
from orchestrator_lite import Orchestrator
from tests.server.flows import greet

async def main():
    async with Orchestrator([greet()], store="memory").listening(port=0) as lite:
        print(lite.url, flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


def peak(pid: int) -> int:
    """Most memory a process has had, in bytes, since it was last asked to forget."""
    with open(f"/proc/{pid}/status") as status:  # noqa: PTH123 - no file of a disk
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


@asynccontextmanager
async def server(**settings: Any) -> AsyncIterator[tuple[int, str]]:
    """A server in a process of its own: its pid and URL."""
    environment = os.environ | {f"ORCHESTRATOR_LITE_{name.upper()}": str(value) for name, value in settings.items()}
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    code = SERVER.format(path=sys.path)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=environment, **pipes)
    try:
        yield process.pid, (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


async def sent(mebibytes: int) -> AsyncIterator[bytes]:
    for number in range(mebibytes):
        yield bytes([number % 256]) * MIB


async def grown(mebibytes: int, **settings: Any) -> tuple[int, int]:
    """By how many bytes a server has grown after a file came, and after it went."""
    headers = {"X-Client-Token": "dev-client-token"}
    async with (
        server(**settings) as (pid, url),
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False) as http,
    ):
        created = await http.post("/api/v1/jobs/greet", json={"hold": True})
        at = f"/api/v1/jobs/{created.json()['job_id']}/files"
        await http.put(f"{at}/content/small", content=b"x" * MIB)
        before = peak(pid)
        reply = await http.put(f"{at}/content/large", content=sent(mebibytes))
        assert reply.json()["size"] == mebibytes * MIB
        uploaded = peak(pid)
        redirect = await http.get(f"{at}/download/large")
        got, wrong = 0, 0
        async with http.stream("GET", redirect.headers["location"]) as reply:
            async for piece in reply.aiter_bytes(MIB):
                wrong += piece != bytes([got // MIB % 256]) * MIB
                got += len(piece)
        assert (got, wrong) == (mebibytes * MIB, 0)
        return uploaded - before, peak(pid) - before


def test_two_hundred_megabytes_pass_both_ways_through_little_memory():
    up, down = run(grown(200))
    assert up < 24 * MIB
    assert down < 32 * MIB


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_gigabyte_passes_both_ways_through_little_memory(tmp_path: Path):
    up, down = run(grown(1024, files=tmp_path))
    assert up < 24 * MIB
    assert down < 32 * MIB


@contextmanager
def bucket() -> Iterator[dict[str, Any]]:
    with s3() as endpoint:
        yield Bucket(endpoint).settings


def test_so_they_do_to_and_from_a_bucket():
    with bucket() as settings:
        up, down = run(grown(100, **settings, s3_direct=False))
    assert up < 90 * MIB  # 61 of them for 100 MiB and for 300
    assert down < 90 * MIB
