"""Delayed jobs: nothing runs before their time, and what their priority and their limit of transitions do."""

from __future__ import annotations

import pytest

from tests.engine.life import Life

START = 1_000_060.0


def test_a_delayed_job_starts_when_its_time_has_come():
    life = Life(starts_at=START)
    assert (life.job.status, life.job.is_delayed, life.job.is_runnable) == ("pending", True, False)
    assert life.timers == {"delay": START}
    assert life.types == ["job_created", "worker_event:delayed"]
    life.fire("delay")
    assert (life.job.is_delayed, life.job.is_runnable, life.timers) == (False, True, {})
    assert life.types[2:] == ["state_started"]
    life.ends()
    assert life.job.status == "finished"


def test_a_handler_that_comes_for_a_delayed_job_counts_for_nothing():
    life = Life(starts_at=START)
    life.ends()
    assert life.job.status == "pending"


def test_a_cancel_ends_a_delayed_job_and_its_timer():
    life = Life(starts_at=START, result_timeout=600)
    life.cancel()
    assert (life.job.status, life.timers) == ("cancelled", {})
    assert not life.fire("delay").changed


@pytest.mark.parametrize("released_first", [True, False])
def test_a_job_that_is_held_too_waits_for_both(released_first):
    life = Life(starts_at=START, hold="held", dispatch_timeout=30)
    assert life.timers == {"delay": START, "hold": START + 30}
    first, second = (life.release, lambda: life.fire("delay"))[:: 1 if released_first else -1]
    first()
    assert not life.job.is_runnable
    second()
    assert life.job.is_runnable
    assert life.types.count("state_started") == 1
    assert life.timers == {}


def test_the_dispatch_timeout_counts_from_when_the_task_is_queued():
    life = Life(starts_at=START, dispatch_timeout=30)
    life.now = START
    life.fire("delay")
    task_id = life.dispatches()
    assert life.timers == {f"dispatch:{task_id}": START + 30}


def test_the_result_timeout_counts_from_the_creation():
    life = Life(starts_at=START, result_timeout=90)
    assert life.timers == {"delay": START, "result": 1_000_090.0}


def test_a_jobs_priority_raises_that_of_all_its_tasks():
    life = Life(priority=5.0)
    life.handler(lambda actions, _: actions.dispatch_parallel([{"type": "a"}, {"type": "b", "priority": 2}], "gather"))
    assert [queued.spec.priority for queued in life.step.enqueue] == [5.0, 7.0]


def test_a_task_that_is_tried_again_keeps_its_priority():
    life = Life(priority=5.0)
    task_id = life.dispatches(priority=1)
    life.lease(task_id)
    life.failure(task_id)
    life.fire(f"retry:{task_id}")
    assert [queued.spec.priority for queued in life.step.enqueue] == [6.0]


@pytest.mark.parametrize("limit", [1, 3])
def test_a_job_fails_when_it_enters_more_states_than_it_may(limit):
    life = Life(max_transitions=limit)
    for _ in range(limit - 1):
        life.goes_to("middle")
        assert life.job.status == "running"
    life.goes_to("middle")
    assert (life.job.status, life.job.error["code"]) == ("failed", "TRANSITION_LIMIT")
    assert f"more than {limit} transitions" in life.job.error["message"]
