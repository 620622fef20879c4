"""What people decide by the command line, and the server as a whole."""

from __future__ import annotations

from tests._support.house import serving
from tests.cli._command import piped
from tests.conftest import run
from tests.server.flows import bare
from tests.server.test_decisions import quarantined, release_flow


def test_a_decision_is_made():
    async def body():
        async with serving(release_flow()) as house:
            job_id = await house.create("/jobs/ship")
            wrong = await piped(house, "jobs", "approve", job_id, "perhaps")
            assert (wrong.code, "Invalid decision 'perhaps'" in wrong.err) == (2, True)
            done = await piped(house, "jobs", "approve", job_id, "rejected")
            assert (done.code, done.json) == (0, {"id": job_id, "status": "approval_received"})
            late = await piped(house, "jobs", "approve", job_id)
            assert (late.code, late.err) == (1, f"avtomatika: job {job_id} does not wait for a decision\n")
            assert (await piped(house, "jobs", "approve", "none")).code == 4

    run(body())


def test_quarantined_jobs_go_round_again_or_are_let_out():
    async def body():
        async with serving(bare()) as house:
            job_id = await quarantined(house)
            done = await piped(house, "jobs", "retry", job_id)
            assert (done.code, done.json["status"]) == (0, "retried")
            again = await piped(house, "jobs", "retry", job_id)
            assert (again.code, again.err) == (1, f"avtomatika: job {job_id} is not quarantined\n")
            other = await quarantined_after(house, job_id)
            done = await piped(house, "jobs", "release", other, "--state", "finished")
            assert (done.code, done.json["status"]) == (0, "released")
            assert (await house.ended(other))["status"] == "finished"

    async def quarantined_after(house, job_id):
        worker = await house.registered("w1", "greet")
        await worker.answer(await worker.task())
        await house.ended(job_id)
        return await quarantined(house)

    run(body())


def test_the_dashboard_and_graphs():
    async def body():
        async with serving(bare()) as house:
            done = await piped(house, "dashboard")
            assert (done.code, done.json["workers"]["total"]) == (0, 0)
            drawn = await piped(house, "graph", "bare", "--format", "mermaid")
            assert (drawn.code, drawn.out.startswith("flowchart LR\n")) == (0, True)
            none = await piped(house, "graph", "none")
            assert (none.code, none.err) == (4, "avtomatika: there is no blueprint 'none' here\n")

    run(body())
