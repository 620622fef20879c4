"""What a worker's answer does: transitions, retries, branches, and answers that come too late."""

from __future__ import annotations

import pytest

from tests.engine.life import Life

ALL = {"success": "finished", "failure": "failed", "odd": "rejected", "cancelled": "rejected", "MY_CODE": "middle"}


def test_a_dispatched_task_is_queued_under_its_own_id():
    life = Life()
    first = life.dispatches(transitions={"success": "start"}, params={"x": 1}, priority=3)
    assert life.job.status == "waiting_for_worker"
    (queued,) = life.step.enqueue
    assert (queued.task_id, queued.attempt, queued.spec.params, queued.spec.priority) == (first, 1, {"x": 1}, 3)
    life.lease(first)
    life.result(first)
    assert life.dispatches() != first


@pytest.mark.parametrize(
    ("status", "state", "transition"),
    [
        ("success", "finished", "success_transition"),
        ("odd", "rejected", "odd_transition"),
        ("cancelled", "rejected", "cancelled_handled"),
    ],
)
def test_a_status_takes_its_transition(status, state, transition):
    life = Life()
    step = life.result(life.leased(transitions=ALL), status)
    assert life.job.current_state == state
    assert step.verdict is not None
    assert (step.verdict.transition, step.verdict.reason) == (transition, None)


def test_cancelled_without_a_transition_cancels_the_job():
    life = Life()
    life.result(life.leased(), "cancelled")
    assert life.job.status == "cancelled"


def test_a_status_without_a_transition_fails_the_job():
    life = Life()
    step = life.result(life.leased(), "unheard of", data={"a": 1})
    assert life.job.status == "failed"
    assert step.verdict is not None
    assert step.verdict.transition == "unhandled_status_failure"
    assert life.job.error is not None
    assert "unheard of" in life.job.error["message"]


@pytest.mark.parametrize("code", ["TRANSIENT_ERROR", "TIMEOUT_ERROR", "RESOURCE_EXHAUSTED_ERROR", "MADE_UP", None])
@pytest.mark.parametrize(
    ("transitions", "end"),
    [
        ({"success": "finished"}, ("quarantined", "start")),
        ({"success": "finished", "failure": "failed"}, ("running", "failed")),
        ({"failure": "failed", "MADE_UP": "middle", "TIMEOUT_ERROR": "middle"}, None),
    ],
)
def test_a_failure_that_may_pass_is_tried_three_times_more(code, transitions, end):
    life = Life()
    task_id = life.leased(transitions=transitions)
    for attempt in range(1, 4):
        step = life.failure(task_id, code)
        assert step.verdict is not None
        assert step.verdict.transition == "failure_handled"
        assert task_id not in life.queue
        assert life.job.retry_count == attempt
        life.fire(f"retry:{task_id}")
        assert life.queue[task_id].attempt == attempt + 1
        life.lease(task_id)
    life.failure(task_id, code)
    wanted = end or ("running", transitions.get(code, "failed"))
    assert (life.job.status, life.job.current_state) == wanted
    assert life.job.error is not None
    assert life.job.error["code"] == (code or "TRANSIENT_ERROR")
    assert (life.types.count("task_finished"), life.types.count("worker_event:task_retry")) == (1, 3)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("PERMANENT_ERROR", "quarantined"),
        ("SECURITY_ERROR", "quarantined"),
        ("DEPENDENCY_ERROR", "quarantined"),
        ("CONTRACT_VIOLATION_ERROR", "quarantined"),
        ("INVALID_INPUT_ERROR", "failed"),
        ("INTEGRITY_MISMATCH_ERROR", "failed"),
    ],
)
def test_a_failure_that_cannot_pass_ends_the_job_at_once_with_its_evidence(code, status):
    life = Life()
    life.failure(life.leased(), code, details={"why": 1})
    assert life.job.status == status
    assert life.job.error == {"code": code, "message": "boom", "details": {"why": 1}}


def test_retries_wait_longer_each_time_and_at_least_as_long_as_the_worker_asks():
    life = Life()
    task_id = life.leased()
    waits = []
    for asked in (None, {"retry_after": 30}, {"retry_after": -5}):
        life.failure(task_id, details=asked)
        waits.append(life.timers[f"retry:{task_id}"] - life.now)
        life.fire(f"retry:{task_id}")
        life.lease(task_id)
    assert waits == [0.5, 30, 2.0]


@pytest.mark.parametrize("asked", ["soon", None, float("inf"), [1], 10**9, True])
def test_a_worker_cannot_put_off_a_retry_for_ever(asked):
    life = Life()
    task_id = life.leased()
    life.failure(task_id, details={"retry_after": asked})
    assert life.timers[f"retry:{task_id}"] - life.now <= 86_400


def test_an_interruption_is_handed_out_again_at_once_and_costs_no_retry():
    life = Life()
    task_id = life.leased()
    for attempt in range(2, 12):
        life.failure(task_id, "INTERRUPTED")
        assert life.lease(task_id) == attempt
    assert life.job.retry_count == 0
    for _ in range(3):
        life.failure(task_id)
        life.fire(f"retry:{task_id}")
        life.lease(task_id)
    assert life.job.status == "waiting_for_worker"


def test_a_task_that_is_handed_back_again_and_again_does_not_go_round_without_a_pause():
    life = Life()
    task_id = life.leased()
    for _ in range(10):
        life.failure(task_id, "INTERRUPTED")
        life.lease(task_id)
    waits = []
    for _ in range(9):
        life.failure(task_id, "INTERRUPTED")
        waits.append(life.timers[f"retry:{task_id}"] - life.now)
        life.fire(f"retry:{task_id}")
        life.lease(task_id)
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert life.job.retry_count == 0
    life.result(task_id)
    assert life.job.status == "running"


def test_a_wait_longer_than_a_day_counts_as_a_day():
    life = Life()
    task_id = life.leased()
    life.failure(task_id, details={"retry_after": 100_000})
    assert life.timers[f"retry:{task_id}"] - life.now == 86_400


def test_a_result_while_the_task_waits_for_its_retry_is_stale():
    life = Life()
    task_id = life.leased()
    life.failure(task_id)
    step = life.result(task_id, attempt=1)
    assert step.verdict is not None
    assert step.verdict.reason == "stale_task"
    assert life.types[-1] == "worker_event:late_result"


def test_a_result_of_an_earlier_attempt_is_recorded_and_ignored():
    life = Life()
    task_id = life.leased()
    life.lose(task_id)
    assert life.lease(task_id, "w2", spent=True) == 2
    step = life.result(task_id, attempt=1, data={"late": 1})
    assert step.verdict is not None
    assert step.verdict.reason == "stale_task"
    assert life.job.status == "waiting_for_worker"
    late = life.events[-1]
    assert (late["event_type"], late["attempt_number"]) == ("worker_event:late_result", 1)
    assert late["context_snapshot"]["data"] == {"late": 1}
    life.result(task_id, worker="w2")
    assert life.job.current_state == "finished"


def test_a_late_result_counts_while_the_task_has_not_been_handed_out_again():
    life = Life()
    task_id = life.leased()
    life.lose(task_id)
    life.result(task_id, attempt=1)
    assert life.job.current_state == "finished"
    assert life.queue == {}


def test_an_official_answer_counts_only_from_the_worker_that_has_the_task():
    life = Life()
    task_id = life.leased()
    step = life.result(task_id, worker="w2", attempt=None)
    assert step.verdict is not None
    assert step.verdict.reason == "worker_mismatch"
    life.result(task_id, worker="w1", attempt=None)
    assert life.job.current_state == "finished"


@pytest.mark.parametrize("attempt", [1, None])
def test_the_same_result_again_is_ignored_and_not_recorded(attempt):
    life = Life()
    task_id = life.leased(transitions={"success": "start"})
    life.result(task_id)
    known = len(life.events)
    step = life.result(task_id, attempt=attempt)
    assert step.verdict is not None
    assert step.verdict.reason == "stale_task"
    life.ends()
    step = life.result(task_id, attempt=attempt)
    assert step.verdict is not None
    assert step.verdict.reason == "job_already_terminated"
    assert "worker_event:late_result" not in life.types[known:]


def test_a_result_for_a_task_that_never_was_is_ignored_and_recorded():
    life = Life()
    life.leased()
    step = life.result("job-99", attempt=1)
    assert step.verdict is not None
    assert step.verdict.reason == "stale_task"
    assert life.types[-1] == "worker_event:late_result"


def test_branches_are_joined_in_the_order_of_their_dispatch():
    life = Life()
    tasks = life.fans_out(11)
    assert life.job.status == "waiting_for_parallel_tasks"
    for task_id in reversed(tasks):
        life.lease(task_id)
        step = life.result(task_id, data=task_id)
        assert step.verdict is not None
        assert step.verdict.transition == "parallel_branch_accepted"
    assert (life.job.current_state, life.job.status) == ("gather", "running")
    assert list(life.job.aggregation_results) == tasks
    assert life.job.aggregation_results[tasks[0]] == {"status": "success", "data": tasks[0], "error": None}


def test_a_branch_that_failed_for_good_is_told_to_the_aggregator():
    life = Life()
    first, second = life.fans_out(2)
    life.lease(first), life.lease(second)
    life.failure(first, "PERMANENT_ERROR")
    assert life.job.status == "waiting_for_parallel_tasks"
    life.result(second)
    statuses = [answer["status"] for answer in life.job.aggregation_results.values()]
    assert (life.job.current_state, statuses) == ("gather", ["failure", "success"])


def test_a_branch_is_tried_again_while_the_others_go_on():
    life = Life()
    first, second = life.fans_out(2)
    life.lease(first), life.lease(second)
    life.failure(first)
    life.result(second)
    assert life.job.status == "waiting_for_parallel_tasks"
    life.fire(f"retry:{first}")
    life.lease(first)
    life.result(first)
    assert life.job.current_state == "gather"


def test_no_branches_lead_straight_to_the_aggregator():
    life = Life()
    assert life.fans_out(0) == []
    assert (life.job.current_state, life.job.status) == ("gather", "running")
    assert life.job.aggregation_results == {}


def test_a_second_round_of_branches_starts_empty():
    life = Life()
    (task_id,) = life.fans_out(1)
    life.lease(task_id)
    life.result(task_id, data=1)
    (again,) = life.fans_out(1)
    assert again != task_id
    assert life.job.aggregation_results == {}
