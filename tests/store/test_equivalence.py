"""The same verbs in the same order: SQLite answers what plain dicts answer."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import given, settings, strategies as st

from orchestrator_lite.store import (
    Change,
    Checkpoint,
    Conflict,
    Keyed,
    KeyTaken,
    Renewal,
    SqliteStore,
    TaskRef,
    Timer,
    WorkerRow,
)
from tests.conftest import run
from tests.store.dict_store import DictStore
from tests.store.rows import NOW, event, job, task
from tests.store.test_outgoing import message
from tests.store.test_sqlite_groups import all_waiting, busy

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator_lite.store import Store, TaskRow

# Few names, so that verbs meet the same rows again and again.
jobs = st.sampled_from(["j1", "j2", "j3"])
tasks = st.sampled_from([f"t{number}" for number in range(12)])
workers = st.sampled_from(["w1", "w2"])
starts = st.sampled_from(["i1", "i2", None])
skills = st.sampled_from(["a", "b", "c"])
attempts = st.integers(1, 3)
times = st.integers(0, 9).map(lambda seconds: NOW + seconds)
limits = st.integers(0, 4)


class Live(NamedTuple):
    """Stands for one of the tasks that are live when its verb's turn comes, and `make` says as what."""

    index: int
    make: Callable[[TaskRow], object]


def live(*makers: Callable[[TaskRow], object]) -> st.SearchStrategy[Live]:
    return st.builds(Live, st.integers(0, 4), st.sampled_from(makers))


# Most refer to a task as it is; the others are made up.
refs = st.one_of(
    live(lambda one: TaskRef(one.task_id, one.attempt), lambda one: TaskRef(one.task_id, one.attempt, bool(one.until))),
    live(lambda one: TaskRef(one.task_id, one.attempt), lambda one: TaskRef(one.task_id, one.attempt, bool(one.until))),
    st.builds(TaskRef, tasks, attempts, st.sampled_from([None, True, False])),
)
held = st.one_of(live(lambda one: (one.task_id, one.attempt)), st.tuples(tasks, attempts))
renewals = st.one_of(
    live(lambda one: Renewal(task_id=one.task_id, attempt=one.attempt, worker_id=one.worker_id or "w1", until=NOW + 4)),
    st.builds(Renewal, task_id=tasks, attempt=attempts, worker_id=workers, until=times),
)
queued_tasks = st.builds(
    task, tasks, jobs, skill=skills, priority=st.sampled_from([0.0, 1.0, -2.5]), attempt=attempts, spent=st.booleans()
)
leased_tasks = st.builds(task, tasks, jobs, skill=skills, worker_id=workers, incarnation=starts, until=times)
timers = st.builds(Timer, st.sampled_from(["k1", "k2", "k3"]), jobs, st.just("n"), times)
states = st.sampled_from(["pending", "running", "finished"])
names = st.sampled_from(["n1", "n2", "x"])
sending = st.sampled_from(["pending", "delivered"])
messages = st.builds(message, names, jobs, st.none() | times, status=sending)
put = st.builds(message, names, jobs, st.none() | times, status=sending, id=st.integers(1, 4))


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
            "key": st.none() | st.builds(Keyed, names, st.just("d"), jobs, times),
            "outgoing": few(messages),
            "checkpoints": few(st.builds(Checkpoint, tasks, jobs, times, st.binary(max_size=2))),
            "drop_checkpoints": few(tasks),
        }
    ),
)
others = st.one_of(
    st.tuples(st.just("lease"), workers, starts, few(skills, 3), times, limits),
    st.tuples(st.just("renew"), few(renewals, 3)),
    st.tuples(st.just("hand_back"), few(refs, 3)),
    st.tuples(st.just("take_over"), workers, st.sampled_from(["i1", "i2"]), few(held, 3), times),
    st.tuples(st.just("grace"), times),
    st.tuples(st.just("leases"), st.none() | workers),
    st.tuples(st.just("due"), times, limits),
    st.tuples(st.just("events_after"), jobs, st.integers(0, 9), limits),
    st.tuples(
        st.just("jobs_of"),
        st.sampled_from(["c", "c", "c", "nobody"]),
        st.none() | states,
        st.sampled_from([None, "b", "none"]),
        st.sampled_from([None, "j1", "j2", "j3"]),
        limits,
        st.integers(0, 2),
    ),
    st.tuples(st.just("checkpoint"), tasks),
    st.tuples(st.just("key"), names),
    st.tuples(st.just("client_events_after"), st.sampled_from(["c", "nobody"]), st.integers(0, 9), limits),
    st.tuples(st.just("last_event")),
    st.tuples(st.just("lanes")),
    st.tuples(st.just("outgoing_due"), times, limits),
    st.tuples(st.just("put_outgoing"), few(put)),
    st.tuples(st.just("outgoing_of"), st.sampled_from(["c", "nobody"])),
    st.tuples(st.just("put_notes"), st.dictionaries(names, st.none() | st.binary(max_size=2))),
    st.tuples(st.just("notes"), st.sampled_from(["", "n", "n1", "z"])),
    st.tuples(st.just("ended_before"), times, limits),
    st.tuples(st.just("forget"), few(jobs)),
    st.tuples(st.just("purge"), times),
    st.tuples(st.just("runnable"), limits, st.sampled_from(["", "j1", "j2"])),
    st.tuples(st.just("put_worker"), st.builds(WorkerRow, workers, times, st.binary(max_size=2))),
    st.tuples(st.just("workers")),
    st.tuples(st.just("drop_worker"), workers),
    st.tuples(st.just("counts")),
    st.tuples(st.just("load"), jobs),
    st.tuples(st.sampled_from(["wipe", *["counts"] * 20])),
)
# Half of the verbs commit. (`one_of` would make all kinds of verbs equally likely.)
verbs = st.booleans().flatmap(lambda commit: commits if commit else others)


def resolved(value: Any, dicts: DictStore) -> Any:
    """The value with each `Live` in it made into what it stands for, or left out when nothing is live."""
    if isinstance(value, dict):
        return {key: resolved(item, dicts) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    found = list(dicts._tasks.values())
    plain = [item for item in value if found or not isinstance(item, Live)]
    return [item.make(found[item.index % len(found)]) if isinstance(item, Live) else item for item in plain]


def called(verb: tuple[Any, ...], dicts: DictStore) -> tuple[str, list[Any]]:
    """A verb with its arguments, as the stores stand."""
    name, *arguments = verb
    arguments = [resolved(item, dicts) for item in arguments]
    if name == "commit":
        job_id, step, status, rest = arguments
        stored = dicts._jobs.get(job_id)
        ended_at = NOW + 5 if status == "finished" else None
        version = (stored.version if stored else 0) + step
        arguments = [Change(job=job(job_id, version, status, ended_at=ended_at), **rest)]
    return name, arguments


async def do(store: Store, name: str, arguments: list[Any]) -> object:
    try:
        return await getattr(store, name)(*arguments)
    except KeyTaken as refused:
        return refused.taken
    except Conflict:
        return Conflict


async def state(store: Store) -> list[object]:
    names = ["j1", "j2", "j3"]
    jobs_and_events = [(await store.load(name), await store.events_after(name)) for name in names]
    return [
        *jobs_and_events,
        await store.due(NOW + 99),
        await store.workers(),
        await store.counts(),
        *await beside(store),
    ]


async def beside(store: Store) -> list[object]:
    keys = [await store.key(name) for name in ("n1", "n2", "x")]
    checkpoints = [await store.checkpoint(f"t{number}") for number in range(12)]
    told: list[object] = [await store.client_events_after("c"), await store.last_event(), await store.lanes()]
    return [
        *keys,
        *checkpoints,
        *told,
        await store.outgoing_of("c"),
        await store.notes(""),
        await store.ended_before(NOW + 9),
    ]


@settings(max_examples=300, deadline=None)
@given(st.lists(verbs, max_size=40))
def test_sqlite_and_dicts_answer_alike(sequence: list[tuple[Any, ...]]) -> None:
    async def body() -> None:
        sqlite, dicts = SqliteStore(None, inline=True), DictStore()
        async with AsyncExitStack() as stack:
            for store in (sqlite, dicts):
                await store.open()
                stack.push_async_callback(store.close)
            for verb in sequence:
                name, arguments = called(verb, dicts)
                assert await do(sqlite, name, arguments) == await do(dicts, name, arguments)
            assert await state(sqlite) == await state(dicts)

    run(body())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(verbs, min_size=1, max_size=8), max_size=8))
def test_groups_answer_like_one_verb_after_another(groups: list[list[tuple[Any, ...]]]) -> None:
    async def body() -> None:
        sqlite, dicts = SqliteStore(None), DictStore()
        async with AsyncExitStack() as stack:
            for store in (sqlite, dicts):
                await store.open()
                stack.push_async_callback(store.close)
            for group in groups:
                expected, answers = [], []
                async with busy(sqlite):
                    for verb in group:
                        name, arguments = called(verb, dicts)
                        answers.append(asyncio.ensure_future(do(sqlite, name, arguments)))
                        expected.append(await do(dicts, name, arguments))
                    await all_waiting(sqlite, len(answers))
                assert await asyncio.gather(*answers) == expected
            assert await state(sqlite) == await state(dicts)

    run(body())
