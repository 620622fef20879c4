"""What a verb costs does not grow with the backlog: counted in steps of SQLite's machine, not in time."""

from __future__ import annotations

import pytest

from orchestrator_lite.store import Change, Renewal, SqliteStore, Timer, _batch, _jobs, _tasks
from tests.conftest import run
from tests.store.rows import NOW, event, is_open, job, lease, ref, task

FULL_READS = {"_LEASES", "_BY_STATUS"}  # what asks for all rows may read all rows
STATEMENTS = {
    f"{module.__name__}.{name}": text
    for module in (_batch, _jobs, _tasks)
    for name, text in vars(module).items()
    if name.isupper() and isinstance(text, str) and text.split()[0] in ("SELECT", "UPDATE", "DELETE")
    if name not in FULL_READS
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_scans_a_table_or_sorts(name):
    async def promise(store):
        text = STATEMENTS[name]
        plan = [row[3] for row in store._tx._connection.execute(f"EXPLAIN QUERY PLAN {text}", values_for(text))]
        assert [line for line in plan if "TEMP B-TREE" in line or ("SCAN" in line and "USING" not in line)] == []

    run(is_open(lambda: SqliteStore(None, inline=True), promise))


def values_for(text: str) -> list[None]:
    numbered = [int(part[0]) for part in text.split("?")[1:] if part[:1].isdigit()]
    return [None] * (max(numbered) if numbered else text.count("?"))


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
