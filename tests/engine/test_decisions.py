"""Approvals, and jobs that go into quarantine and come out again."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator_lite.engine.events import Decided, LetOut, Retried
from tests.engine.life import Life

ASKED = {"approved": "middle", "rejected": "rejected"}


def asks(life: Life, transitions: dict[str, str] | None = None, **options: Any) -> str:
    tokens: list[str] = []
    life.handler(
        lambda actions, _: tokens.append(
            actions.await_human_approval("slack", "Ship it?", transitions or ASKED, **options)
        )
    )
    return tokens[0]


def decides(life: Life, decision: str, metadata: Any = None) -> str | None:
    verdict = life.happens(Decided(at=life.now, decision=decision, metadata=metadata)).verdict
    assert verdict is not None
    return verdict.reason


def test_a_job_pauses_until_somebody_decides():
    life = Life()
    token = asks(life)
    assert life.job.status == "waiting_for_human"
    assert life.job.approval is not None
    assert life.job.approval.token == token
    assert decides(life, "approved", {"by": "Ada"}) is None
    assert (life.job.current_state, life.job.status, life.job.approval) == ("middle", "running", None)
    assert life.job.state_history["start"] == {"decision": "approved", "metadata": {"by": "Ada"}}
    assert "worker_event:approval_received" in life.types


def test_a_decision_that_is_none_changes_nothing():
    life = Life()
    assert decides(life, "approved") == "not_waiting"
    asks(life)
    assert decides(life, "perhaps") == "invalid_decision"
    assert life.job.status == "waiting_for_human"


def test_a_second_decision_comes_too_late():
    life = Life()
    asks(life)
    assert decides(life, "approved") is None
    assert decides(life, "rejected") == "not_waiting"
    assert life.job.current_state == "middle"


def test_an_answer_to_an_earlier_question_is_none_to_the_next():
    life = Life()
    token = asks(life)
    assert decides(life, "approved") is None
    asks(life)
    late = life.happens(Decided(at=life.now, decision="approved", token=token)).verdict
    assert late is not None
    assert late.reason == "not_waiting"
    assert life.job.status == "waiting_for_human"


def test_a_token_is_in_no_representation():
    life = Life()
    token = asks(life)
    assert token not in repr(life.job)
    assert token not in repr(Decided(at=0, decision="approved", token=token))


def test_a_cancelled_wait_ends_at_once():
    life = Life()
    asks(life, timeout_seconds=60)
    life.cancel()
    assert (life.job.status, life.timers) == ("cancelled", {})
    assert decides(life, "approved") == "not_waiting"


@pytest.mark.parametrize("with_transition", [True, False])
def test_nobody_decides_in_time(with_transition: bool):
    life = Life()
    asks(life, {**ASKED, "timeout": "failed"} if with_transition else None, timeout_seconds=60)
    assert life.timers["approval"] == life.now + 60
    life.fire("approval")
    assert life.timers == {}
    if with_transition:
        assert (life.job.current_state, life.job.status) == ("failed", "running")
    else:
        assert (life.job.status, life.job.error["code"]) == ("failed", "TIMEOUT_ERROR")


def test_an_approval_ends_with_the_jobs_own_time():
    life = Life(result_timeout=30)
    asks(life)
    life.fire("result")
    assert (life.job.status, life.job.approval) == ("failed", None)


def exhausted(life: Life) -> str:
    """A task that failed until nothing was left to try."""
    task_id = life.dispatches()
    for _ in range(4):
        life.lease(task_id)
        life.failure(task_id)
        if f"retry:{task_id}" in life.timers:
            life.fire(f"retry:{task_id}")
    assert life.job.status == "quarantined"
    return task_id


def test_quarantine_keeps_how_each_attempt_failed():
    life = Life()
    task_id = exhausted(life)
    kept = life.job.quarantine
    assert (kept["task_id"], kept["skill"]) == (task_id, "greet")
    assert [(failure["attempt"], failure["code"]) for failure in kept["failures"]] == [
        (number, "TRANSIENT_ERROR") for number in (1, 2, 3, 4)
    ]


def test_a_quarantined_job_tries_again_with_all_its_tries():
    life = Life(result_timeout=100)
    first = exhausted(life)
    life.now += 1000
    assert life.happens(Retried(at=life.now)).verdict.reason is None
    assert life.job.status == "waiting_for_worker"
    assert (life.job.error, life.job.quarantine) == (None, None)
    assert life.timers["result"] == life.now + 100, "its time begins anew"
    (second,) = life.job.tasks
    assert second != first
    life.lease(second)
    life.failure(second)
    assert f"retry:{second}" in life.timers
    life.fire(f"retry:{second}")
    life.lease(second)
    life.result(second, data={"ok": True})
    assert (life.job.current_state, life.job.status) == ("finished", "running")


def test_a_quarantined_job_is_let_out_into_a_state():
    life = Life()
    exhausted(life)
    life.happens(LetOut(at=life.now, state="middle"))
    assert (life.job.current_state, life.job.status, life.job.error) == ("middle", "running", None)


def test_a_quarantined_job_is_let_out_as_failed():
    life = Life()
    exhausted(life)
    life.happens(LetOut(at=life.now))
    assert (life.job.status, life.job.error["code"]) == ("failed", "TRANSIENT_ERROR")
    assert life.happens(Retried(at=life.now)).verdict.reason == "not_quarantined"


def test_a_job_that_is_not_quarantined_is_left_alone():
    life = Life()
    task_id = life.leased()
    assert life.happens(Retried(at=life.now)).verdict.reason == "not_quarantined"
    assert life.happens(LetOut(at=life.now, state="middle")).verdict.reason == "not_quarantined"
    assert list(life.job.tasks) == [task_id]


def test_a_task_that_takes_three_workers_with_it_is_given_up():
    life = Life()
    task_id = life.dispatches()
    for number in range(3):
        life.lease(task_id, f"w{number}", spent=number > 0)
        life.lose(task_id)
    assert life.queue == {}
    assert (life.job.status, life.job.error["code"]) == ("quarantined", "POISON_TASK_ERROR")
    assert [failure["worker_id"] for failure in life.job.quarantine["failures"]] == ["w0", "w1", "w2"]
    assert life.result(task_id, attempt=3).verdict.reason == "job_already_terminated"


def test_a_poisoned_branch_fails_alone():
    life = Life()
    bad, good = life.fans_out(2)
    for number in range(3):
        life.lease(bad, spent=number > 0)
        life.lose(bad)
    assert life.job.status == "waiting_for_parallel_tasks"
    life.lease(good)
    life.result(good, data=1)
    answers = life.job.aggregation_results
    assert (answers[bad]["error"]["code"], answers[good]["status"]) == ("POISON_TASK_ERROR", "success")


def test_a_failure_transition_takes_a_poisoned_task_too():
    life = Life()
    task_id = life.dispatches(transitions={"success": "finished", "POISON_TASK_ERROR": "rejected"})
    for number in range(3):
        life.lease(task_id, spent=number > 0)
        life.lose(task_id)
    assert (life.job.current_state, life.job.status) == ("rejected", "running")
