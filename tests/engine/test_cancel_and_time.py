"""Cancel in every status, leases that end, timers that fire."""

from __future__ import annotations

import pytest

from tests.engine.life import Life


def test_a_job_whose_handler_runs_is_cancelled_at_once():
    for life in (Life(), Life()):
        if life.job.status == "pending":
            life.cancel()
            assert life.job.status == "cancelled"
    life = Life()
    life.goes_to("middle")
    life.cancel()
    assert life.job.status == "cancelled"
    assert life.job.result is None


def test_a_queued_task_leaves_the_queue_with_its_cancel():
    life = Life(dispatch_timeout=60)
    life.dispatches()
    life.cancel()
    assert (life.job.status, life.queue, life.timers) == ("cancelled", {}, {})


def test_a_task_that_waits_for_its_retry_is_cancelled_at_once():
    life = Life()
    life.failure(life.leased())
    life.cancel()
    assert (life.job.status, life.timers) == ("cancelled", {})


def test_a_leased_task_is_told_and_the_job_waits_for_its_worker():
    life = Life()
    task_id = life.leased()
    step = life.cancel()
    assert step.cancel == [task_id]
    assert (life.job.status, life.job.cancel_requested_at) == ("waiting_for_worker", life.now)
    assert life.types.count("worker_event:cancel_requested") == 1
    step = life.cancel()
    assert step.cancel == [task_id], "asked again, it is told again"
    assert life.types.count("worker_event:cancel_requested") == 1
    life.result(task_id, "cancelled")
    assert life.job.status == "cancelled"


def test_an_ended_job_cannot_be_cancelled():
    life = Life()
    life.goes_to("finished")
    life.ends()
    before = life.job
    assert life.cancel().cancel == []
    assert life.job == before


@pytest.mark.parametrize("code", ["TRANSIENT_ERROR", "INTERRUPTED", "PERMANENT_ERROR"])
def test_a_failure_after_the_cancel_ends_it(code):
    life = Life()
    task_id = life.leased(transitions={"success": "finished", "failure": "failed"})
    life.cancel()
    life.failure(task_id, code)
    assert life.job.status == "cancelled"


def test_a_success_that_comes_first_finishes_the_job_despite_the_cancel():
    life = Life()
    task_id = life.leased()
    life.cancel()
    life.result(task_id, data={"a": 1})
    life.ends()
    assert (life.job.status, life.job.result) == ("finished", {"a": 1})
    assert life.events[-1]["context_snapshot"]["completed_despite_cancel"] is True


@pytest.mark.parametrize("next_step", ["task", "branches"])
def test_a_success_after_the_cancel_starts_no_new_work(next_step):
    life = Life()
    task_id = life.leased(transitions={"success": "middle"})
    life.cancel()
    life.result(task_id)
    if next_step == "task":
        life.handler(lambda actions, _: actions.dispatch_task("greet"))
    else:
        life.handler(lambda actions, _: actions.dispatch_parallel([{"type": "greet"}], "gather"))
    assert (life.job.status, life.queue) == ("cancelled", {})


def test_a_lost_lease_is_handed_out_again():
    life = Life()
    task_id = life.leased()
    life.lose(task_id)
    assert life.queue[task_id].leased is False
    assert life.job.status == "waiting_for_worker"
    lost = life.events[-1]
    assert (lost["event_type"], lost["worker_id"], lost["attempt_number"]) == ("worker_event:lease_lost", "w1", 1)


def test_a_lost_lease_ends_a_job_that_is_to_be_cancelled():
    life = Life(dispatch_timeout=60, result_timeout=600)
    task_id = life.leased()
    life.cancel()
    life.lose(task_id)
    assert (life.job.status, life.queue, life.timers) == ("cancelled", {}, {})


def test_a_task_that_never_arrived_ends_a_job_that_is_to_be_cancelled():
    life = Life()
    task_id = life.leased()
    life.cancel()
    life.comes_back(task_id)
    assert (life.job.status, life.queue) == ("cancelled", {})


def test_a_task_that_never_arrived_waits_on_without_a_word():
    life = Life()
    task_id = life.leased()
    before = life.job
    life.comes_back(task_id)
    assert life.job == before


def test_branches_end_cancelled_when_the_last_lease_has_ended():
    life = Life()
    first, second, third = life.fans_out(3)
    life.lease(first), life.lease(second)
    life.cancel()
    assert third not in life.queue
    life.lose(first)
    assert life.job.status == "waiting_for_parallel_tasks"
    life.lose(second)
    assert (life.job.status, life.queue) == ("cancelled", {})


@pytest.mark.parametrize("order", [("cancelled", "success"), ("success", "cancelled"), ("failure", "success")])
def test_branches_end_cancelled_whatever_order_they_answer_in(order):
    life = Life()
    tasks = life.fans_out(2)
    for task_id in tasks:
        life.lease(task_id)
    life.cancel()
    for task_id, status in zip(tasks, order, strict=True):
        life.result(task_id, status)
    assert life.job.status == "cancelled"


def test_branches_of_which_some_were_dropped_end_cancelled_though_the_others_succeed():
    life = Life()
    first, _ = life.fans_out(2)
    life.lease(first)
    life.cancel()
    life.result(first)
    assert life.job.status == "cancelled"


def test_branches_that_all_succeed_despite_the_cancel_are_joined():
    life = Life()
    tasks = life.fans_out(2)
    for task_id in tasks:
        life.lease(task_id)
    life.cancel()
    for task_id in tasks:
        life.result(task_id)
    assert life.job.current_state == "gather"


def test_a_dispatch_timeout_ends_the_job_and_takes_the_task_off_the_queue():
    life = Life(dispatch_timeout=60)
    task_id = life.dispatches()
    assert life.timers == {f"dispatch:{task_id}": life.now + 60}
    life.fire(f"dispatch:{task_id}")
    assert (life.job.status, life.queue, life.timers) == ("failed", {}, {})
    assert life.job.error is not None
    assert life.job.error["code"] == "TIMEOUT_ERROR"


def test_a_tasks_own_dispatch_timeout_comes_before_the_jobs():
    life = Life(dispatch_timeout=60)
    task_id = life.dispatches(dispatch_timeout_seconds=5)
    assert life.timers == {f"dispatch:{task_id}": life.now + 5}


def test_a_dispatch_timeout_leaves_a_leased_task_alone_and_starts_anew_when_it_is_lost():
    life = Life(dispatch_timeout=60)
    task_id = life.leased()
    life.fire(f"dispatch:{task_id}")
    assert (life.job.status, life.timers) == ("waiting_for_worker", {})
    life.now += 100
    life.lose(task_id)
    assert life.timers == {f"dispatch:{task_id}": life.now + 60}


def test_a_dispatch_timeout_goes_on_when_a_task_never_arrived():
    life = Life(dispatch_timeout=60)
    task_id = life.leased()
    due = life.timers[f"dispatch:{task_id}"]
    life.fire(f"dispatch:{task_id}")
    life.comes_back(task_id)
    assert life.timers == {f"dispatch:{task_id}": due}
    life.fire(f"dispatch:{task_id}")
    assert life.job.status == "failed"


def test_a_retry_waits_for_its_worker_as_long_as_the_first_attempt():
    life = Life(dispatch_timeout=60)
    task_id = life.leased()
    life.failure(task_id)
    assert life.timers == {f"retry:{task_id}": life.now + 0.5}
    life.fire(f"retry:{task_id}")
    assert life.timers == {f"dispatch:{task_id}": life.now + 60}


@pytest.mark.parametrize("leased", [True, False])
def test_a_result_timeout_ends_the_job_in_every_status(leased):
    life = Life(result_timeout=60)
    task_id = life.dispatches()
    if leased:
        life.lease(task_id)
    step = life.fire("result")
    assert (life.job.status, life.queue, life.timers) == ("failed", {}, {})
    assert step.cancel == ([task_id] if leased else [])
    life = Life(result_timeout=60)
    life.fire("result")
    assert life.job.status == "failed"


def test_a_job_that_ends_leaves_no_timer():
    life = Life(result_timeout=60, dispatch_timeout=5)
    life.result(life.leased())
    life.ends()
    assert life.timers == {}


def test_a_timer_of_a_job_that_has_ended_is_only_cleared():
    life = Life()
    life.goes_to("finished")
    life.ends()
    before = life.job
    for name in ("result", "dispatch:job-1", "retry:job-1", "unheard of"):
        assert life.fire(name).clear_timers == [name]
    assert life.job.status == before.status
    assert life.job.events == before.events


@pytest.mark.parametrize("leased", [True, False])
def test_a_task_whose_time_is_over_has_failed_and_is_not_tried_again(leased):
    life = Life()
    task_id = life.dispatches(
        transitions={"success": "finished", "TIMEOUT_ERROR": "rejected"}, result_timeout_seconds=9
    )
    assert life.timers == {f"overdue:{task_id}": life.now + 9}
    if leased:
        life.lease(task_id)
    step = life.fire(f"overdue:{task_id}")
    assert (life.job.current_state, life.queue, life.timers) == ("rejected", {}, {})
    assert step.cancel == ([task_id] if leased else [])
    assert [event["event_type"] for event in step.events] == ["task_finished", "state_finished", "state_started"]


def test_a_tasks_time_goes_on_over_its_retries():
    life = Life()
    task_id = life.dispatches(result_timeout_seconds=9)
    due = life.now + 9
    life.lease(task_id)
    life.failure(task_id)
    assert life.timers[f"overdue:{task_id}"] == due
    life.fire(f"overdue:{task_id}")
    assert life.timers == {}
    assert life.job.error is not None
    assert life.job.error["code"] == "TIMEOUT_ERROR"


def test_what_comes_after_a_tasks_time_is_recorded_and_ignored():
    life = Life()
    task_id = life.dispatches(result_timeout_seconds=9)
    life.lease(task_id)
    life.fire(f"overdue:{task_id}")
    step = life.result(task_id, attempt=1)
    assert step.verdict is not None
    assert step.verdict.reason is not None
    assert [event["event_type"] for event in step.events] == ["worker_event:late_result"]


def test_a_result_in_time_ends_the_tasks_timer():
    life = Life()
    task_id = life.dispatches(result_timeout_seconds=9)
    life.lease(task_id)
    life.result(task_id)
    assert life.timers == {}
