"""The same verbs in the same order: SQLite answers what plain dicts answer."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings, strategies as st

from orchestrator_lite.store import Change, Conflict, Renewal, SqliteStore, TaskRef, Timer, WorkerRow
from tests.conftest import run
from tests.store.dict_store import DictStore
from tests.store.rows import NOW, event, job, task
from tests.store.test_sqlite_groups import all_waiting, busy

if TYPE_CHECKING:
    from orchestrator_lite.store import Store

# Few names, so that verbs meet the same rows again and again.
jobs = st.sampled_from(["j1", "j2", "j3"])
tasks = st.sampled_from(["t1", "t2", "t3", "t4", "t5"])
workers = st.sampled_from(["w1", "w2"])
starts = st.sampled_from(["i1", "i2", None])
skills = st.sampled_from(["a", "b", "c"])
attempts = st.integers(1, 3)
times = st.integers(0, 9).map(lambda seconds: NOW + seconds)
limits = st.integers(0, 4)
refs = st.builds(TaskRef, tasks, attempts, st.sampled_from([None, None, True, False]))
queued_tasks = st.builds(
    task, tasks, jobs, skill=skills, priority=st.sampled_from([0.0, 1.0, -2.5]), attempt=attempts, spent=st.booleans()
)
leased_tasks = st.builds(task, tasks, jobs, skill=skills, worker_id=workers, incarnation=starts, until=times)
timers = st.builds(Timer, st.sampled_from(["k1", "k2", "k3"]), jobs, st.just("n"), times)
states = st.sampled_from(["pending", "running", "finished"])


def few(strategy: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, max_size=most)


# The version is relative to the stored one, so that most commits get past that check: usually 1, sometimes wrong.
commits = st.tuples(
    st.just("commit"),
    jobs,
    st.sampled_from([1, 1, 1, 1, 0, 2]),
    states,
    st.fixed_dictionaries(
        {
            "events": few(st.builds(event, st.binary(max_size=2), jobs, times)),
            "enqueue": few(queued_tasks | leased_tasks),
            "drop": few(refs, 1),
            "requeue": few(refs, 1),
            "set_timers": few(timers),
            "clear_timers": few(st.sampled_from(["k1", "k2", "k3"])),
        }
    ),
)
renewals = st.builds(Renewal, task_id=tasks, attempt=attempts, worker_id=workers, until=times)
others = st.one_of(
    st.tuples(st.just("lease"), workers, starts, few(skills, 3), times, limits),
    st.tuples(st.just("renew"), few(renewals, 3)),
    st.tuples(st.just("hand_back"), few(refs, 3)),
    st.tuples(st.just("take_over"), workers, st.sampled_from(["i1", "i2"]), few(st.tuples(tasks, attempts), 3), times),
    st.tuples(st.just("grace"), times),
    st.tuples(st.just("leases"), st.none() | workers),
    st.tuples(st.just("due"), times, limits),
    st.tuples(st.just("events_after"), jobs, st.integers(0, 9), limits),
    st.tuples(st.just("runnable"), limits, st.sampled_from(["", "j1", "j2"])),
    st.tuples(st.just("put_worker"), st.builds(WorkerRow, workers, times, st.binary(max_size=2))),
    st.tuples(st.just("workers")),
    st.tuples(st.just("drop_worker"), workers),
    st.tuples(st.just("counts")),
    st.tuples(st.just("load"), jobs),
    st.tuples(st.sampled_from(["wipe", *["counts"] * 20])),
)
sequences = st.lists(st.one_of(commits, commits, others), max_size=40)


async def do(store: Store, verb: tuple[Any, ...]) -> object:
    name, *arguments = verb
    if name == "commit":
        job_id, step, status, rest = arguments
        loaded = await store.load(job_id)
        version = (loaded.job.version if loaded else 0) + step
        arguments = [Change(job=job(job_id, version, status), **rest)]
    try:
        return await getattr(store, name)(*arguments)
    except Conflict:
        return Conflict


async def state(store: Store) -> list[object]:
    names = ["j1", "j2", "j3"]
    jobs_and_events = [(await store.load(name), await store.events_after(name)) for name in names]
    return [*jobs_and_events, await store.due(NOW + 99), await store.workers(), await store.counts()]


@settings(max_examples=150, deadline=None)
@given(sequences)
def test_sqlite_and_dicts_answer_alike(sequence: list[tuple[Any, ...]]) -> None:
    async def body() -> None:
        sqlite, dicts = SqliteStore(None, inline=True), DictStore()
        async with AsyncExitStack() as stack:
            for store in (sqlite, dicts):
                await store.open()
                stack.push_async_callback(store.close)
            for verb in sequence:
                assert await do(sqlite, verb) == await do(dicts, verb), verb
            assert await state(sqlite) == await state(dicts)

    run(body())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(commits, others), max_size=40))
def test_a_group_answers_like_one_verb_after_another(sequence: list[tuple[Any, ...]]) -> None:
    async def body() -> None:
        sqlite, dicts = SqliteStore(None), DictStore()
        async with AsyncExitStack() as stack:
            for store in (sqlite, dicts):
                await store.open()
                stack.push_async_callback(store.close)
            calls, expected, versions = [], [], dict.fromkeys(["j1", "j2", "j3"], 0)
            for name, *arguments in sequence:
                if name == "commit":
                    job_id, step, status, rest = arguments
                    arguments = [Change(job=job(job_id, versions[job_id] + step, status), **rest)]
                calls.append((name, arguments))
                try:
                    expected.append(await getattr(dicts, name)(*arguments))
                except Conflict:
                    expected.append(Conflict)
                    continue
                if name == "commit":
                    versions[job_id] = arguments[0].job.version
                if name == "wipe":
                    versions = dict.fromkeys(versions, 0)
            async with busy(sqlite):
                answers = [asyncio.ensure_future(getattr(sqlite, name)(*arguments)) for name, arguments in calls]
                await all_waiting(sqlite, len(calls))
            outcomes = await asyncio.gather(*answers, return_exceptions=True)
            assert [Conflict if isinstance(one, Conflict) else one for one in outcomes] == expected
            assert await state(sqlite) == await state(dicts)

    run(body())
