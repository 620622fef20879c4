"""Held jobs: nothing runs before the release, and nothing is left when it never comes."""

from __future__ import annotations

import pytest

from tests.engine.life import Life


def test_a_held_job_starts_with_its_release():
    life = Life(hold="held")
    assert (life.job.status, life.job.is_held, life.job.is_runnable) == ("pending", True, False)
    assert life.types == ["job_created", "worker_event:held"]
    life.release()
    assert (life.job.status, life.job.is_held, life.job.is_runnable) == ("pending", False, True)
    assert life.types[2:] == ["worker_event:released", "state_started"]
    life.goes_to("finished")
    life.ends()
    assert life.job.status == "finished"


def test_a_release_again_changes_nothing():
    life = Life(hold="held")
    life.release()
    before = life.job
    assert not life.release().changed
    assert life.job == before


@pytest.mark.parametrize("ended", [False, True])
def test_a_job_that_was_never_held_is_not_released(ended):
    life = Life()
    if ended:
        life.cancel()
    assert not life.release().changed
    assert life.job.hold is None


def test_a_handler_that_comes_for_a_held_job_counts_for_nothing():
    life = Life(hold="held")
    life.goes_to("middle")
    assert (life.job.current_state, life.job.step) == ("start", 1)


def test_the_dispatch_timeout_counts_while_a_job_is_held():
    life = Life(hold="held", dispatch_timeout=60)
    assert life.timers == {"hold": life.now + 60}
    life.fire("hold")
    assert (life.job.status, life.timers) == ("failed", {})
    assert life.job.error == {
        "code": "TIMEOUT_ERROR",
        "message": "The job was held and not released in time (dispatch timeout).",
        "details": None,
    }
    assert not life.release().changed


def test_after_the_release_the_dispatch_timeout_counts_for_the_task_alone():
    life = Life(hold="held", dispatch_timeout=60)
    life.now += 50
    life.release()
    assert "hold" not in life.timers
    task_id = life.dispatches()
    assert life.timers == {f"dispatch:{task_id}": life.now + 60}
    life.fire("hold")
    assert life.job.status == "waiting_for_worker", "a timer that fires late means nothing any more"


def test_the_result_timeout_counts_while_a_job_is_held():
    life = Life(hold="held", result_timeout=90, dispatch_timeout=600)
    life.fire("result")
    assert (life.job.status, life.timers) == ("failed", {})
    assert life.job.error["message"] == "The job's result did not come in time (result timeout)."


def test_a_held_job_is_cancelled_at_once():
    life = Life(hold="held", dispatch_timeout=60)
    life.cancel()
    assert (life.job.status, life.job.is_held, life.timers) == ("cancelled", False, {})
    assert not life.release().changed
