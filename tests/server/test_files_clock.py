"""Files under a virtual clock: the disk's own time does not count, that of senders and readers does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator_lite import Blueprint
from orchestrator_lite.testing._orchestrator import VirtualOrchestrator
from tests.conftest import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOUR = 3600.0


def test_time_stands_still_while_the_disk_works_and_goes_on_while_a_sender_waits():
    async def body():
        orchestrator = VirtualOrchestrator()
        async with orchestrator.client():
            files, clock = orchestrator._site.core.files, orchestrator.clock
            began = clock.now()

            async def sent(pause: float) -> AsyncIterator[bytes]:
                for _ in range(3):
                    yield b"x" * 3_000_000
                    await clock.sleep(pause)

            await files.put("job", "a", sent(0))
            opened = await files.get("job", "a")
            assert sum([len(chunk) async for chunk in opened.chunks]) == 9_000_000
            assert clock.now() == began
            stored = await files.put("job", "b", sent(HOUR))
            assert clock.now() == began + 3 * HOUR
            assert stored.modified_at == clock.now()
            assert [file.modified_at for file in await files.list("job")] == [began, clock.now()]
        await orchestrator.close_in_loop()

    run(body())


def test_a_handler_may_use_files_while_timers_are_set():
    async def body():
        flow = Blueprint("words", api_endpoint="/jobs/words")

        @flow.handler(is_start=True, is_end=True)
        async def start(task_files):
            await task_files.write_text("a.txt", "a" * 5_000_000)
            return len(await task_files.read_text("a.txt"))

        orchestrator = VirtualOrchestrator()
        orchestrator.add(flow)
        async with orchestrator.client() as client:
            began = orchestrator.clock.now()
            job = await client.jobs.submit("words", {}, result_timeout=5)
            assert await job.result() == 5_000_000
            assert orchestrator.clock.now() - began < 5
        await orchestrator.close_in_loop()

    run(body())
