"""What ended long ago is forgotten whole; numbers that were given are not given again."""

from __future__ import annotations

from dataclasses import replace

from orchestrator_lite.store import Change, Checkpoint, Keyed, Store, Timer
from tests.store.rows import NOW, event, every_store, job, task
from tests.store.test_outgoing import message


def ended(name: str, at: float, **parts: object) -> Change:
    """A job that has ended, with one event."""
    plain: dict[str, object] = {"events": [event(job_id=name)]}
    row = job(name, status="finished", ended_at=at)
    return Change(job=row, **(plain | parts))  # type: ignore[arg-type]


async def seqs(store: Store, client: str = "c", seq: int = 0) -> list[int]:
    return [one.seq for one in await store.client_events_after(client, seq)]


@every_store
async def test_jobs_that_ended_are_told_the_first_to_end_first(store: Store) -> None:
    await store.commit(ended("late", NOW + 3), ended("b", NOW + 1), ended("a", NOW + 2), Change(job=job("running")))
    assert await store.ended_before(NOW + 3) == ["b", "a"]
    assert await store.ended_before(NOW + 99, limit=1) == ["b"]
    assert await store.ended_before(NOW) == []
    loaded = await store.load("a")
    assert loaded is not None
    assert loaded.job.ended_at == NOW + 2
    assert {row.id: row.ended_at for row in await store.jobs_of("c")}["running"] is None
    assert {row.id: row.ended_at for row in await store.jobs_of("c")}["late"] == NOW + 3


@every_store
async def test_a_job_that_goes_on_after_its_end_has_not_ended(store: Store) -> None:
    await store.commit(ended("j1", NOW))
    await store.commit(Change(job=job(version=2)))
    assert await store.ended_before(NOW + 99) == []
    assert await store.forget(["j1"]) == []
    assert await store.load("j1") is not None


@every_store
async def test_everything_of_a_forgotten_job_is_gone_and_nothing_of_another(store: Store) -> None:
    for name in ("j1", "j2"):
        parts = {
            "set_timers": [Timer(name, name, "n", NOW)],
            "enqueue": [task(f"t-{name}", name)],
            "checkpoints": [Checkpoint(f"t-{name}", name, NOW, b"x")],
            "outgoing": [message(name, name, None, status="delivered")],
            "key": Keyed(name, "d", name, NOW + 9),
        }
        await store.commit(ended(name, NOW, **parts))
    assert await store.forget(["j1", "unknown", "j1"]) == ["j1"]
    assert await store.load("j1") is None
    assert await store.events_after("j1") == []
    assert [await store.checkpoint("t-j1"), await store.checkpoint("t-j2")] == [None, b"x"]
    assert [row.job_id for row in await store.outgoing_of("c")] == ["j2"]
    assert len(await store.events_after("j2")) == 1
    assert [timer.key for timer in (await store.due(NOW)).timers] == ["j2"]
    counts = await store.counts()
    assert (counts.jobs, counts.queued) == ({"finished": 1}, 1)
    assert await store.key("j1") is not None  # a repetition of that request is still one
    assert await store.forget([]) == []


@every_store
async def test_timers_of_jobs_that_are_not_there_go(store: Store) -> None:
    timers = [Timer("a", "nobody", "n", NOW), Timer("b", "j1", "n", NOW)]
    await store.commit(Change(job=job(), set_timers=timers))
    assert await store.forget(["nobody", "j1"]) == []
    assert [timer.key for timer in (await store.due(NOW)).timers] == ["b"]


@every_store
async def test_a_job_with_a_message_still_to_deliver_is_passed_over(store: Store) -> None:
    await store.commit(ended("j1", NOW, outgoing=[message("e", "j1")]), ended("j2", NOW))
    assert await store.ended_before(NOW + 1) == ["j2"]
    assert await store.forget(["j1", "j2"]) == ["j2"]
    (row,), _ = await store.outgoing_due(NOW)
    await store.put_outgoing([replace(row, status="failed", due_at=None)])
    assert await store.forget(["j1"]) == ["j1"]


@every_store
async def test_numbers_of_events_grow_whatever_is_forgotten(store: Store) -> None:
    assert await store.last_event() == 0
    await store.commit(ended("j1", NOW), ended("j2", NOW))
    assert await store.last_event() == 2
    await store.forget(["j2"])
    await store.forget(["j1"])
    assert (await store.last_event(), await seqs(store)) == (2, [])
    await store.commit(ended("j3", NOW))
    assert await seqs(store) == [3]
    await store.wipe()
    assert (await store.last_event(), await seqs(store)) == (3, [])
    await store.commit(ended("j4", NOW))
    assert await seqs(store) == [4]


@every_store
async def test_the_history_of_a_client_is_that_of_all_its_jobs_in_order(store: Store) -> None:
    await store.commit(Change(job=job("j1"), events=[event(b"1")]))
    await store.commit(Change(job=job("x", client="other"), events=[event(b"2", "x")]))
    await store.commit(Change(job=job("j2"), events=[event(b"3", "j2"), event(b"4", "j2")]))
    await store.commit(Change(job=job("j1", 2), events=[event(b"5")]))
    assert [one.doc for one in await store.client_events_after("c")] == [b"1", b"3", b"4", b"5"]
    assert [one.doc for one in await store.client_events_after("c", 1, limit=2)] == [b"3", b"4"]
    assert [one.doc for one in await store.client_events_after("other")] == [b"2"]
    assert await store.client_events_after("c", 99) == []


@every_store
async def test_a_history_longer_than_one_stride_is_whole(store: Store) -> None:
    await store.commit(Change(job=job("x", client="other"), events=[event(job_id="x")] * 9000))
    await store.commit(Change(job=job("j1"), events=[event()]))
    assert await seqs(store) == [9001]
    assert len(await seqs(store, "other", 10)) == 1000


@every_store
async def test_lanes_are_the_skills_of_live_tasks(store: Store) -> None:
    assert await store.lanes() == []
    tasks = [task("a", skill="x"), task("b", skill="x"), task("c", skill="y"), task("d", skill="z", until=NOW)]
    await store.commit(Change(job=job(), enqueue=[*tasks, task("e", skill="x", until=NOW)]))
    assert sorted(await store.lanes()) == ["x", "y", "z"]


@every_store
async def test_wiping_forgets_everything(store: Store) -> None:
    await store.commit(
        ended(
            "j1",
            NOW,
            key=Keyed("k", "d", "j1", NOW),
            outgoing=[message()],
            checkpoints=[Checkpoint("t", "j1", NOW, b"x")],
        )
    )
    await store.put_notes({"n": b"x"})
    await store.wipe()
    assert [await store.key("k"), await store.checkpoint("t"), await store.load("j1")] == [None, None, None]
    assert [await store.notes(), await store.outgoing_of("c"), await store.lanes()] == [{}, [], []]
    assert (await store.counts()).outgoing == 0
