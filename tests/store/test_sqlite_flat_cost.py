"""What a verb costs does not grow with the backlog: counted in steps of SQLite's machine, not in time."""

from __future__ import annotations

import asyncio

from orchestrator_lite.store import Change, Renewal, SqliteStore, Timer
from tests.conftest import run
from tests.store.rows import NOW, event, in_memory, is_open, job, lease, ref, task

SORTS_ITS_LEASES = "INDEXED BY tasks_leased"


@in_memory
async def test_no_statement_scans_a_table_or_sorts(store):
    statements: list[str] = []
    connection = store._thread.tx._connection
    connection.set_trace_callback(statements.append)
    await asyncio.gather(
        *(
            store.commit(
                Change(
                    job=job(f"j{n}"),
                    enqueue=[task(f"t{n}", f"j{n}")],
                    events=[event(job_id=f"j{n}")],
                    set_timers=[Timer(f"k{n}", f"j{n}", "n", NOW)],
                )
            )
            for n in range(9)
        )
    )
    await lease(store, "w", "s", "s2", limit=3)
    await store.renew([Renewal(task_id="t0", attempt=1, worker_id="w", until=NOW)])
    await store.hand_back([ref("t0")])
    await store.take_over("w", "i2", [("t1", 1)], NOW)
    await store.grace(NOW + 1)
    await store.leases("w")
    await store.leases()
    await store.due(NOW)
    await store.events_after("j1")
    await store.runnable()
    for narrower in ({}, {"status": "running"}, {"blueprint": "b"}, {"status": "running", "before": "j5", "offset": 1}):
        await store.jobs_of("c", **narrower)
    await store.commit(Change(job=job("j1", 2), requeue=[ref("t1")], clear_timers=["k1"]))
    await store.commit(Change(job=job("j1", 3), drop=[ref("t1")]))
    await store.load("j1")
    connection.set_trace_callback(None)
    asked = {one for one in statements if one.split()[0] in ("SELECT", "UPDATE", "INSERT", "DELETE")}
    assert len(asked) > 25
    assert len([one for one in asked if SORTS_ITS_LEASES in one]) == 1
    for statement in asked:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
        scans = [line for line in plan if line.startswith("SCAN") and "USING" not in line and "CONSTANT" not in line]
        sorts = [line for line in plan if "TEMP B-TREE" in line and SORTS_ITS_LEASES not in statement]
        assert (scans, sorts) == ([], []), statement


async def cost_of_a_job(store: SqliteStore, name: str) -> dict[str, int]:
    """Steps of SQLite's machine for each verb of one job's way."""
    steps: dict[str, int] = {}
    connection = store._tx._connection

    async def measured(verb, call):
        steps[verb] = 0

        def step():
            steps[verb] += 1
            return 0

        connection.set_progress_handler(step, 1)
        outcome = await call
        connection.set_progress_handler(None, 1)
        return outcome

    timer = Timer(f"k-{name}", name, "n", NOW + 60)
    new = Change(job=job(name), enqueue=[task(f"t-{name}", name, priority=1.0)], events=[event(job_id=name)])
    await measured("commit", store.commit(new))
    (row,) = await measured("lease", lease(store, "me", "s", "s2", "s3"))
    await measured("renew", store.renew([Renewal(task_id=row.task_id, attempt=1, worker_id="me", until=NOW + 20)]))
    await measured("leases", store.leases("me"))
    await measured("due", store.due(NOW))
    await measured("load", store.load(name))
    await measured("events_after", store.events_after(name))
    await measured("runnable", store.runnable(5, after=name))
    await measured("jobs_of", store.jobs_of("c", limit=5))
    await measured("jobs_of status", store.jobs_of("c", "pending", limit=5))
    await measured("jobs_of before", store.jobs_of("c", "waiting", "b", before="j000050", limit=5))
    last = Change(job=job(name, 2, "finished"), drop=[ref(row.task_id)], set_timers=[timer], clear_timers=["x"])
    await measured("finish", store.commit(last))
    return steps


def test_a_backlog_of_twenty_thousand_costs_no_more_steps_than_one_of_a_hundred():
    async def promise(store):
        costs = []
        done = 0
        for backlog in (100, 20_000):
            for number in range(done, backlog):
                name = f"j{number:06}"
                waiting = Change(
                    job=job(name, status="waiting"),
                    enqueue=[task(f"t-{name}", name, skill=["s", "s2"][number % 2])],
                    events=[event(job_id=name)],
                    set_timers=[Timer(f"k-{name}", name, "n", NOW + 60)],
                )
                await store.commit(waiting)
            done = backlog
            await lease(store, "other", limit=50)
            costs.append(await cost_of_a_job(store, f"k{backlog}"))
        few, many = costs
        assert {verb: many[verb] for verb in many if many[verb] > few[verb] * 1.2} == {}

    run(is_open(lambda: SqliteStore(None, inline=True), promise))
