"""Jobs that begin jobs: what is written with whom, where a child's end leads, and who is stopped with whom."""

from __future__ import annotations

import re

import pytest

from orchestrator_lite.engine._children import refusal, to_stop
from orchestrator_lite.engine._limits import FAN_OUT, MAX_DEPTH
from orchestrator_lite.engine.actions import ActionError
from orchestrator_lite.engine.events import Retried
from orchestrator_lite.engine.state import Client, Parent, from_document
from tests.engine.life import Life

LEADS = {"success": "middle", "failure": "failed"}


def test_a_child_is_written_with_the_step_that_begins_it():
    life = Life(client=Client(name="ada", plan="gold"), depth=2)
    child_id = life.runs(LEADS, result_timeout=9)
    assert life.job.status == "waiting_for_sub_job"
    child = life.children[child_id]
    assert (child.blueprint, child.current_state, child.initial_data) == ("other", "begin", {"b": 2})
    assert (child.client, child.depth, child.result_timeout) == (life.job.client, 3, 9)
    assert child.parent == Parent(job_id="job")


def test_a_childs_success_leads_on_with_its_result_as_a_tasks_data():
    life = Life()
    child_id = life.runs(LEADS)
    life.child_ends(child_id, result={"found": 3}, end_state="finished")
    assert (life.job.current_state, life.job.status, life.job.children) == ("middle", "running", {})
    assert life.job.state_history["found"] == 3
    told = life.job.state_history[f"sub_job_{child_id}_result"]
    assert (told["outcome"], told["final_state"], told["error_message"]) == ("success", "finished", None)
    life.ends()
    assert life.job.result == {"found": 3}


@pytest.mark.parametrize("status", ["failed", "error", "quarantined"])
def test_a_childs_failure_takes_the_transition_for_its_code_else_for_failure(status: str):
    error = {"code": "MADE_UP", "message": "boom", "details": None}
    life = Life()
    life.child_ends(life.runs(LEADS), status, error=error)
    assert (life.job.current_state, life.job.error) == ("failed", error)
    life = Life()
    life.child_ends(life.runs({**LEADS, "MADE_UP": "rejected"}), status, error=error)
    assert life.job.current_state == "rejected"


def test_a_cancelled_child_is_a_transition_of_its_own_else_a_failure_else_the_end():
    life = Life()
    life.child_ends(life.runs({**LEADS, "cancelled": "rejected"}), "cancelled")
    assert life.job.current_state == "rejected"
    life = Life()
    life.child_ends(life.runs(LEADS), "cancelled")
    assert (life.job.current_state, life.job.error["code"]) == ("failed", "CANCELLED")
    life = Life()
    life.child_ends(life.runs({"success": "middle"}), "cancelled")
    assert life.job.status == "cancelled"


def test_a_childs_failure_without_a_transition_ends_its_parent_as_a_tasks_would():
    life = Life()
    life.child_ends(life.runs({"success": "middle"}), "failed", error={"code": "X", "message": "boom", "details": 1})
    assert (life.job.status, life.job.error) == ("quarantined", {"code": "X", "message": "boom", "details": 1})
    assert (life.job.quarantine["sub_job_id"], life.job.quarantine["failures"][0]["code"]) == ("child1", "X")
    life = Life()
    life.child_ends(life.runs({}), "failed", error={"code": "INVALID_INPUT_ERROR", "message": "", "details": None})
    assert life.job.status == "failed"


def test_a_parent_out_of_quarantine_runs_the_state_of_its_child_anew():
    life = Life()
    life.child_ends(life.runs({"success": "middle"}), "failed", error={"code": "X", "message": "boom"})
    life.happens(Retried(at=life.now))
    assert (life.job.status, life.job.current_state, life.job.step) == ("running", "start", 2)
    life.child_ends(life.runs({"success": "middle"}))
    assert life.job.current_state == "middle"


def test_a_childs_end_is_taken_once():
    life = Life()
    child_id = life.runs({"success": "start"})
    life.child_ends(child_id)
    step, before = life.job.step, life.job
    again = life.child_ends(child_id)
    assert life.job.step == step
    assert life.job is before
    assert again.clear_timers == [f"child:{child_id}"]


def test_a_cancel_is_passed_down_and_the_parent_ends_with_its_child():
    life = Life()
    child_id = life.runs(LEADS)
    life.cancel()
    assert (life.job.status, life.timers["orphans"]) == ("waiting_for_sub_job", life.now)
    assert to_stop(life.job) == [child_id]
    life.child_ends(child_id, "cancelled")
    assert life.job.status == "cancelled"


def test_a_child_that_finished_before_the_cancel_reached_it_lets_its_parent_go_on():
    life = Life()
    child_id = life.runs(LEADS)
    life.cancel()
    life.child_ends(child_id, result=1)
    assert life.job.current_state == "middle"
    life.ends(returned=2)
    assert (life.job.status, life.job.result) == ("finished", 2)
    assert life.events[-1]["context_snapshot"]["completed_despite_cancel"] is True


def test_a_parent_that_is_to_be_cancelled_begins_no_new_child():
    life = Life()
    child_id = life.runs(LEADS)
    life.cancel()
    life.child_ends(child_id)
    life.handler(lambda actions, _: actions.run_blueprint("other", {}, LEADS))
    assert (life.job.status, list(life.children)) == ("cancelled", [child_id])


def test_a_parent_that_ends_has_its_children_stopped_and_keeps_their_names():
    life = Life(result_timeout=5)
    child_id = life.runs(LEADS)
    life.fire("result")
    assert life.job.status == "failed"
    assert "orphans" in life.timers
    assert to_stop(life.job) == [child_id]
    life.fire("orphans")
    assert life.timers == {}
    life.child_ends(child_id, "cancelled")
    assert life.job.status == "failed"


def test_a_tasks_call_is_no_business_of_the_jobs_states():
    life = Life()
    task_id = life.leased()
    life.calls(task_id, "c1")
    assert life.children["c1"].parent == Parent(job_id="job", task_id=task_id, attempt=1)
    assert life.step.born[0].key == "key of c1"
    assert life.job.status == "waiting_for_worker"
    life.child_ends("c1", "failed", error={"code": "X", "message": "no"})
    assert (life.job.status, life.job.children) == ("waiting_for_worker", {})
    life.result(task_id, data=7)
    assert life.job.current_state == "finished"


@pytest.mark.parametrize("how", ["lost", "retry", "interrupted", "success", "cancelled"])
def test_what_an_attempt_has_called_is_stopped_when_the_attempt_is_over(how: str):
    life = Life()
    task_id = life.leased()
    life.calls(task_id, "c1")
    match how:
        case "lost":
            life.lose(task_id)
        case "retry":
            life.failure(task_id)
        case "interrupted":
            life.failure(task_id, "INTERRUPTED")
        case status:
            life.result(task_id, status)
    assert life.timers["orphans"] == life.now
    assert to_stop(life.job) == ["c1"]


def test_calls_of_other_branches_go_on():
    life = Life()
    first, second, _ = life.fans_out(3)
    life.lease(first)
    life.lease(second)
    life.calls(first, "c1")
    life.calls(second, "c2")
    life.result(first)
    assert to_stop(life.job) == ["c1"]


def test_depth_fan_out_and_cancel_limit_calls():
    life = Life(depth=MAX_DEPTH)
    task_id = life.leased()
    assert "nested" in str(refusal(life.job, task_id))
    life = Life(depth=MAX_DEPTH - 1)
    task_id = life.leased()
    assert refusal(life.job, task_id) is None
    for number in range(FAN_OUT):
        life.calls(task_id, f"c{number}")
    assert str(FAN_OUT) in str(refusal(life.job, task_id))
    life.child_ends("c0")
    assert refusal(life.job, task_id) is None
    life.cancel()
    assert "cancelled" in str(refusal(life.job, task_id))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("nowhere", {}, LEADS), "'nowhere'"),
        ((["other"], {}, LEADS), "['other']"),
        (("other", {}, {"success": "nowhere"}), "nowhere"),
        (("other", [], LEADS), "initial_data"),
        (("other", {}, LEADS, 0), "dispatch_timeout"),
        (("other", {}, LEADS, None, "soon"), "result_timeout"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(arguments: tuple[object, ...], named: str):
    life = Life()
    with pytest.raises(ActionError, match=re.escape(named)):
        life.handler(lambda actions, _: actions.run_blueprint(*arguments))


def test_jobs_are_nested_eight_deep():
    Life(depth=MAX_DEPTH - 1).runs(LEADS)
    with pytest.raises(ActionError, match="nested 8 deep"):
        Life(depth=MAX_DEPTH).runs(LEADS)


def test_a_checkpoint_is_kept_over_attempts_and_dropped_with_its_task():
    life = Life()
    task_id = life.leased()
    life.checkpoint(task_id, b"1")
    life.checkpoint(task_id, b"2")
    life.failure(task_id)
    life.fire(f"retry:{task_id}")
    life.lease(task_id)
    assert life.kept == {task_id: b"2"}
    life.result(task_id)
    assert life.kept == {}


def test_a_job_that_ends_drops_the_checkpoints_of_its_tasks():
    life = Life(result_timeout=5)
    task_id = life.leased()
    life.checkpoint(task_id, b"1")
    life.fire("result")
    assert (life.job.status, life.kept) == ("failed", {})


def test_documents_from_before_children_can_be_read():
    old = (
        b'{"id":"j","blueprint":"b","client":{"name":"n"},"created_at":1,"updated_at":1,"initial_data":{},'
        b'"current_state":"s","tasks":{},"last_task":null}'
    )
    job = from_document(old)
    assert (job.parent, job.depth, job.children) == (None, 0, {})
