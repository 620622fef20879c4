"""What nobody needs any more goes by itself, in small steps; what somebody needs stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from avtomatika_client.errors import NotFoundError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite import Blueprint
from orchestrator_lite.runtime import housekeeping
from orchestrator_lite.runtime.aging import DOUBT, LEAP, Aging
from orchestrator_lite.store import Change, JobRow, Keyed, SqliteStore, StoreUnavailable, Timer, WorkerRow
from orchestrator_lite.testing._orchestrator import TestSettings, VirtualOrchestrator
from tests._support.clocks import JumpingClock
from tests._support.house import PATIENCE, House, serving, until
from tests.conftest import run
from tests.server.flows import greet

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HOUR = 3600.0


class Faltering(SqliteStore):
    """Cannot forget the first time."""

    def __init__(self, path: str | None = None) -> None:
        super().__init__(path)
        self.refused = 0

    async def forget(self, job_ids):
        if not self.refused:
            self.refused += 1
            raise StoreUnavailable("The disk is full.")
        return await super().forget(job_ids)


async def finished(house: House) -> str:
    """A job with a file that has ended."""
    worker = await house.registered("w1", "greet")
    job_id = await house.create("/jobs/greet")
    put = await house.api("PUT", f"/jobs/{job_id}/files/content/out.txt", content=b"x")
    assert put.status_code < 300, put.text
    await worker.answer(await worker.task())
    await house.ended(job_id)
    return job_id


async def comes(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what must come true."""
    async with SYSTEM_CLOCK.timeout(PATIENCE):
        while not await holds():
            await SYSTEM_CLOCK.sleep(0.001)


async def gone(house: House, job_id: str) -> None:
    """Wait until the server knows nothing of a job."""

    async def unknown() -> bool:
        return (await house.api("GET", f"/jobs/{job_id}")).status_code == 404

    await comes(unknown)


def old_jobs(count: int, ended_at: float) -> list[Change]:
    doc = b"{}"
    rows = (
        JobRow(
            id=f"old-{number:05}",
            version=1,
            status="finished",
            client="c",
            blueprint="greet",
            created_at=ended_at - 1,
            ended_at=ended_at,
            doc=doc,
        )
        for number in range(count)
    )
    return [Change(job=row) for row in rows]


def test_a_job_that_ended_goes_with_everything_of_it_when_its_time_is_over():
    async def body():
        async with serving(greet(), retention=HOUR) as house:
            job_id = await finished(house)
            waiting = await house.create("/jobs/greet")
            url = f"/jobs/{job_id}/files/download/out.txt"
            assert (await house.api("GET", url)).status_code < 400
            house.clock.jump(HOUR - 10)
            await house.settled()
            assert (await house.job(job_id))["status"] == "finished"
            house.clock.jump(HOUR / 2)
            await gone(house, job_id)
            for path in ("", "/history", "/files"):
                assert (await house.api("GET", f"/jobs/{job_id}{path}")).status_code == 404
            assert (await house.api("GET", url)).status_code == 404
            assert [job["id"] for job in (await house.api("GET", "/jobs")).json()] == [waiting]
            core = house.lite._site.core
            assert await core.store.events_after(job_id) == []
            assert job_id not in core._runner.jobs._live

    run(body())


def test_zero_keeps_jobs_for_ever():
    async def body():
        async with serving(greet(), retention=0) as house:
            job_id = await finished(house)
            house.clock.jump(400 * 86400)
            await house.settled()
            assert (await house.job(job_id))["status"] == "finished"

    run(body())


class SetClock(JumpingClock):
    """Can be set to another time, as by hand."""

    set_by = 0.0

    def now(self) -> float:
        return super().now() + self.set_by


def test_a_clock_that_is_set_forward_takes_nothing_away(caplog):
    async def body():
        clock = SetClock()
        async with serving(greet(), clock=clock, retention=100 * HOUR) as house:
            job_id = await finished(house)
            clock.set_by = 366 * 86400.0
            clock.jump(HOUR + 1)
            await comes(said)
            await house.settled()
            assert (await house.job(job_id))["status"] == "finished"

    async def said() -> bool:
        return "set forward by 8784.0 h" in caplog.text

    run(body())


def test_it_is_believed_when_it_stays_so_for_a_day():
    async def body():
        clock = SetClock()
        aging, began = Aging(clock), clock.now()
        clock.set_by = 366 * 86400.0
        assert aging.now() == pytest.approx(began, abs=10)
        clock.jump(DOUBT - 60)
        assert aging.now() == pytest.approx(began + DOUBT - 60, abs=10)
        clock.jump(60)
        assert aging.now() == pytest.approx(clock.now(), abs=10)

    run(body())


def test_a_clock_that_is_set_right_again_or_back_is_believed_at_once():
    async def body():
        clock = SetClock()
        aging = Aging(clock)
        for clock.set_by in (LEAP - 60, 366 * 86400.0, LEAP, -366 * 86400.0):
            aging.now()
            clock.jump(DOUBT / 2)
        assert aging.now() == pytest.approx(clock.now(), abs=10)
        clock.set_by += LEAP + 60
        assert aging.now() == pytest.approx(clock.now() - LEAP - 60, abs=10)

    run(body())


def test_many_old_jobs_go_while_new_ones_pass_by(tmp_path):
    async def body():
        clock, store = JumpingClock(), SqliteStore(str(tmp_path / "lite.db"))
        await store.open()
        await store.commit(*old_jobs(1000, clock.now() - 2 * HOUR))
        await store.close()
        async with serving(greet(), store=store, clock=clock, retention=HOUR) as house:
            clock.jump(housekeeping.FIRST + 1)
            job_id = await finished(house)
            left = 1001
            while left > 1:
                clock.jump(housekeeping.PAUSE)
                left = sum((await store.counts()).jobs.values())
                assert left % housekeeping.STEP == 1
            assert (await house.job(job_id))["status"] == "finished"

    run(body())


def test_a_store_that_cannot_write_just_now_is_asked_again():
    async def body():
        store = Faltering()
        async with serving(greet(), store=store, retention=HOUR) as house:
            job_id = await finished(house)
            house.clock.jump(HOUR + 61)
            await until(lambda: store.refused == 1)
            assert (await house.job(job_id))["status"] == "finished"
            house.clock.jump(HOUR)
            await gone(house, job_id)

    run(body())


def test_files_whose_job_has_gone_before_the_server_died_go_at_the_next_start(tmp_path):
    folder = tmp_path / "files"

    async def body():
        async with serving(greet(), store=f"sqlite:///{tmp_path}/lite.db", files=folder) as house:
            job_id = await finished(house)
            store = house.lite._site.core.store
            await store.put_notes({"forgetting:1": f'["{job_id}"]'.encode()})
            await store.forget([job_id])
        assert list(folder.rglob("out.txt"))
        clock = JumpingClock()
        async with serving(
            greet(), store=f"sqlite:///{tmp_path}/lite.db", files=folder, clock=clock, retention=HOUR
        ) as house:
            await house.settled()
            clock.jump(housekeeping.FIRST + 1)
            await until(lambda: not list(folder.rglob("out.txt")))

            async def done() -> bool:
                return not await house.lite._site.core.store.notes("forgetting:")

            await comes(done)

    run(body())


def test_expired_keys_and_workers_that_stay_away_go():
    async def body():
        clock, store = JumpingClock(), SqliteStore(None)
        async with serving(greet(), store=store, clock=clock, retention=HOUR) as house:
            row = old_jobs(1, clock.now())[0].job
            await store.commit(Change(job=row, key=Keyed("k", "d", row.id, clock.now() + 2 * HOUR)))
            await house.registered("w-old", "greet")
            clock.jump(housekeeping.AWAY - HOUR)

            async def purged() -> bool:
                return await store.key("k") is None

            await comes(purged)
            await house.registered("w-new", "greet")
            workers = house.lite._site.core.desk.workers

            def forgotten() -> bool:
                clock.jump(HOUR / 10)
                return workers.get("w-old") is None

            await until(forgotten)
            assert workers.get("w-new") is not None
            assert [row.worker_id for row in await store.workers()] == ["w-new"]

    run(body())


def test_a_worker_that_was_forgotten_registers_anew_and_works(tmp_path):
    async def body():
        async with serving(greet()) as house:
            worker = await house.registered("w1", "greet", incarnation="i1")
            house.clock.jump(housekeeping.AWAY + HOUR)
            await until(lambda: house.lite._site.core.desk.workers.get("w1") is None)
            beat = await worker.send("PATCH", "/workers/w1", json={"status": "idle"})
            assert beat.json()["require_full_sync"]
            await worker.register()
            job_id = await house.create("/jobs/greet")
            await worker.answer(await worker.task())
            assert (await house.ended(job_id))["status"] == "finished"

    run(body())


def test_a_timer_of_a_job_that_is_no_more_ends():
    async def body():
        store = SqliteStore(None)
        async with serving(greet(), store=store) as house:
            row = old_jobs(1, house.clock.now())[0].job
            timers = [Timer("nobody:x", "nobody", "x", house.clock.now())]
            await store.commit(Change(job=row, set_timers=timers))
            house.lite._site.core._runner.expect(house.clock.now())

            async def ended() -> bool:
                return not (await store.due(house.clock.now())).timers

            await comes(ended)

    run(body())


def test_a_worker_row_of_a_day_before_yesterday_is_there_after_a_restart():
    async def body():
        store = SqliteStore(None)
        async with serving(greet(), store=store) as house:
            await store.put_worker(WorkerRow("w9", house.clock.now() - 2 * 86400, b'{"supported_skills": ["greet"]}'))
            house.clock.jump(housekeeping.FIRST + 1)
            await house.settled()
            assert [row.worker_id for row in await store.workers()] == ["w9"]

    run(body())


@pytest.mark.parametrize("retention", [None, 30 * 86400.0])
def test_on_a_virtual_clock_jobs_go_where_a_retention_is_set(retention):
    settings = TestSettings() if retention is None else TestSettings(retention=retention)

    async def body():
        orchestrator = VirtualOrchestrator([ended_at_once()], settings=settings)
        try:
            async with orchestrator.client() as client:
                job = await client.jobs.submit("brief", {})
                await job.result()
                await orchestrator.clock.advance(days=29)
                await job.refresh()
                await orchestrator.clock.advance(days=2)
                if retention is None:
                    await job.refresh()
                    return
                with pytest.raises(NotFoundError):
                    await job.refresh()
        finally:
            await orchestrator.close_in_loop()

    run(body())


def ended_at_once() -> Blueprint:
    flow = Blueprint("brief", api_endpoint="/jobs/brief")

    @flow.handler(is_start=True, is_end=True)
    async def only(): ...

    return flow
