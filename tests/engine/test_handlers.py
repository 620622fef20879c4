"""What a handler's outcome does: states, ends, results."""

from __future__ import annotations

import pytest

from orchestrator_lite.engine.events import HandlerDone, HandlerFailed
from tests.engine.life import Life


def test_a_new_job_is_owed_its_start():
    life = Life()
    assert (life.job.status, life.job.current_state) == ("pending", "start")
    assert life.job.is_runnable
    assert life.types == ["job_created", "state_started"]
    assert life.timers == {}


def test_a_new_job_with_a_result_timeout_has_its_timer():
    assert Life(result_timeout=60).timers == {"result": 1_000_060.0}


def test_go_to_enters_the_state_and_owes_its_handler():
    life = Life()
    life.goes_to("middle")
    assert (life.job.current_state, life.job.status, life.job.step) == ("middle", "running", 2)
    finished = next(event for event in life.events if event["event_type"] == "state_finished")
    assert (finished["previous_state"], finished["next_state"], finished["duration_ms"]) == ("start", "middle", 5)


def test_what_a_handler_left_in_the_history_is_kept():
    life = Life()
    life.handler(lambda actions, history: (history.update(a=1), actions.go_to("middle")))
    assert life.job.state_history == {"a": 1}


@pytest.mark.parametrize(
    ("state", "declared", "status"),
    [
        ("finished", None, "finished"),
        ("rejected", None, "finished"),
        ("failed", None, "failed"),
        ("failed", "finished", "finished"),
        ("rejected", "quarantined", "quarantined"),
    ],
)
def test_an_end_state_means_its_name_or_what_it_declares(state, declared, status):
    life = Life()
    life.goes_to(state)
    life.ends(end_status=declared)
    assert (life.job.status, life.job.current_state) == (status, state)
    assert life.types[-1] == "job_completed"


@pytest.mark.parametrize(
    ("data", "returned", "result"),
    [
        (None, None, None),
        ({"a": 1}, None, {"a": 1}),
        ({"a": 1}, {"b": 2}, {"b": 2}),
        ({"a": 1}, 0, 0),
        ({"a": 1}, [], []),
        ({"a": 1}, False, False),
    ],
)
def test_the_result_is_what_the_end_returned_else_the_data_of_the_last_task_else_nothing(data, returned, result):
    life = Life()
    task_id = life.leased()
    life.result(task_id, data=data)
    life.ends(returned=returned)
    assert life.job.result == result


def test_the_data_of_the_last_applied_task_is_the_result():
    life = Life()
    life.result(life.leased(transitions={"success": "middle"}), data={"a": 1})
    life.result(life.leased(), data={"b": 2})
    life.ends()
    assert life.job.result == {"b": 2}
    assert life.job.state_history == {"a": 1, "b": 2}


def test_a_task_without_data_leaves_the_last_data_as_it_was():
    life = Life()
    life.result(life.leased(transitions={"success": "middle"}), data={"a": 1})
    life.result(life.leased(), data=None)
    life.ends()
    assert life.job.result == {"a": 1}


def test_data_that_is_no_object_is_kept_under_its_state():
    life = Life()
    life.result(life.leased(), data=[1])
    assert life.job.state_history == {"start": [1]}


def test_after_an_aggregation_the_result_is_what_the_aggregator_left_under_its_name():
    life = Life()
    for task_id in life.fans_out(2):
        life.lease(task_id)
        life.result(task_id, data={"n": task_id})
    life.handler(lambda actions, _: actions.go_to("finished"), returned={"sum": 2})
    assert life.job.state_history == {"gather": {"sum": 2}}
    life.ends()
    assert life.job.result == {"sum": 2}


def test_an_aggregator_may_leave_it_in_the_history_itself():
    life = Life()
    life.fans_out(0)
    life.handler(lambda actions, history: (history.update(gather="mine"), actions.go_to("finished")))
    life.ends()
    assert life.job.result == "mine"


def test_a_handler_that_asks_for_nothing_in_the_middle_fails_the_job():
    life = Life()
    life.handler()
    assert life.job.status == "failed"
    assert life.job.error is not None
    assert life.job.error["code"] == "HANDLER_ERROR"


def test_a_handler_that_failed_fails_the_job():
    life = Life()
    life.fails("boom")
    assert life.job.status == "failed"
    assert life.job.error == {"code": "HANDLER_ERROR", "message": "boom", "details": None}


def test_a_handler_that_comes_late_for_its_step_counts_for_nothing():
    life = Life()
    life.goes_to("middle")
    before = life.job
    life.happens(HandlerDone(at=life.now, step=1, action=None, state_history={"x": 1}, is_end=True))
    life.happens(HandlerFailed(at=life.now, step=1, message="late"))
    assert life.job == before


def test_a_handler_counts_for_nothing_once_the_job_waits():
    life = Life()
    life.dispatches()
    before = life.job
    life.happens(HandlerDone(at=life.now, step=life.job.step, action=None, state_history={}, is_end=True))
    assert life.job == before


def test_the_hundredth_transition_is_the_last():
    life = Life()
    for _ in range(99):
        life.goes_to("start")
    assert life.job.status == "running"
    life.goes_to("start")
    assert life.job.status == "failed"
    assert life.job.error is not None
    assert life.job.error["code"] == "TRANSITION_LIMIT"
