"""Why a job is not running: the reason as data, and as one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from orchestrator_lite.engine._results import MAX_RETRIES
from orchestrator_lite.engine.lanes import lane_of, wants_of
from orchestrator_lite.engine.matching import mismatch
from orchestrator_lite.engine.state import Approval, Job, Task
from orchestrator_lite.runtime.jobs import Live
from orchestrator_lite.runtime.leases import Lease, LeaseBook
from orchestrator_lite.runtime.workers import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a job waits for.

    Attributes:
        reason: `ended`, `no_blueprint`, `held`, `delayed`, `handler`, `approval`, `child`, `no_worker`, `no_match`,
            `workers_busy`, `retry`, `leased`, `cancelling` or `waiting`.
        sentence: The same for people.
        details: What the sentence speaks of, by name.
    """

    reason: str
    sentence: str
    details: dict[str, Any] = field(default_factory=dict)


def explain(live: Live, *, known: bool, workers: Collection[Worker], leases: LeaseBook, now: float) -> Explanation:
    """Why a job does not go on, or that it does.

    Args:
        live: The job with its tasks in the queue.
        known: Whether its blueprint is loaded.
        workers: Every registered worker.
        leases: Who has which task.
        now: UTC seconds.
    """
    job = live.job
    who = f"job {job.id} ({job.blueprint})"
    if job.is_final:
        return Explanation(reason="ended", sentence=f"{who} has ended in state {job.current_state!r} as {job.status}")
    if not known:
        return Explanation(reason="no_blueprint", sentence=f"{who} waits: its blueprint is not loaded")
    if job.is_held:
        return Explanation(reason="held", sentence=f"{who} is held until it is released")
    if job.starts_at is not None:
        return Explanation(
            reason="delayed",
            sentence=f"{who} starts in {max(0.0, job.starts_at - now):.0f} s, as its delay says",
            details={"starts_at": job.starts_at},
        )
    if job.is_runnable:
        return Explanation(
            reason="handler",
            sentence=f"{who} waits for the handler of its state {job.current_state!r}",
            details={"state": job.current_state},
        )
    if job.approval is not None:
        return _of_approval(who, job.approval, now)
    if job.status == "waiting_for_sub_job":
        return _of_children(who, job)
    awaited = [(task_id, task) for task_id, task in job.tasks.items() if not task.dropped]
    found = [_of_task(live, task_id, task, workers, leases, now) for task_id, task in awaited]
    if not found:
        return Explanation(reason="waiting", sentence=f"{who} is {job.status} in state {job.current_state!r}")
    worst = min(found, key=lambda item: _ORDER.index(item.reason))
    others = f" (and {_count(len(found) - 1, 'more task')})" if len(found) > 1 else ""
    return Explanation(
        reason=worst.reason,
        sentence=f"{who} waits{_since(job)}: {worst.sentence}{others}",
        details=worst.details,
    )


_ORDER = ["no_worker", "no_match", "workers_busy", "retry", "cancelling", "leased"]
"""What is told first, where several tasks wait."""


def _since(job: Job) -> str:
    return f" in state {job.current_state!r}"


def _of_approval(who: str, approval: Approval, now: float) -> Explanation:
    choices = sorted(approval.transitions)
    until = "" if approval.deadline is None else f", at the latest in {max(0.0, approval.deadline - now):.0f} s"
    asked = f"{who} waits for approval by {approval.integration!r} since {max(0.0, now - approval.asked_at):.0f} s"
    return Explanation(
        reason="approval",
        sentence=f"{asked}{until}: {approval.message!r} (one of {', '.join(choices)})",
        details={
            "integration": approval.integration,
            "message": approval.message,
            "decisions": choices,
            "asked_at": approval.asked_at,
            "deadline": approval.deadline,
        },
    )


def _of_children(who: str, job: Job) -> Explanation:
    """It waits for jobs that its handler has begun."""
    children = {job_id: child.blueprint for job_id, child in job.children.items() if child.task_id is None}
    named = ", ".join(f"{job_id} ({blueprint})" for job_id, blueprint in list(children.items())[:3])
    sentence = f"{who} waits{_since(job)} for the end of child job {named}" if named else f"{who} goes on in a moment"
    return Explanation(reason="child", sentence=sentence, details={"children": children})


def _of_task(
    live: Live, task_id: str, task: Task, workers: Collection[Worker], leases: LeaseBook, now: float
) -> Explanation:
    skill = task.spec.type
    about: dict[str, Any] = {"task_id": task_id, "skill": skill, "attempt": task.attempt}
    lease = leases.get(task_id)
    if lease is not None:
        return _leased(lease, skill, workers, now, {**about, **_called(live.job, task_id)})
    if task.waiting_for_retry and task_id not in live.rows:
        return _of_retry(skill, task, now, about)
    active = [worker for worker in workers if worker.is_active(now)]
    able = [worker for worker in active if skill in worker.skills]
    about["workers"] = [worker.worker_id for worker in able]
    if not able:
        others = f" ({_count(len(active), 'worker')} registered)" if active else " (no worker is registered)"
        silent = [worker for worker in workers if skill in worker.skills]
        if silent:
            last = max(silent, key=lambda worker: worker.seen_at)
            word = "said good-bye" if last.status == "offline" else "was last heard"
            others += f"; {last.worker_id!r} did and {word} {max(0.0, now - last.seen_at):.0f} s ago"
        return Explanation(reason="no_worker", sentence=f"no worker offers skill {skill!r}{others}", details=about)
    refused = _refused(able, task)
    if len(refused) == len(able):
        return _unmatched(skill, refused, about)
    able = [worker for worker in able if worker.worker_id not in refused]
    about["workers"] = [worker.worker_id for worker in able]
    return _busy(able, skill, leases, now, about)


def _busy(able: Collection[Worker], skill: str, leases: LeaseBook, now: float, about: dict[str, Any]) -> Explanation:
    """Workers that may take the task do not ask for one: what each of them has, and when it was heard."""
    stand = {worker.worker_id: _standing(worker, len(leases.of(worker.worker_id)), now) for worker in able}
    said = "; ".join(f"{worker_id!r} {_words(how)}" for worker_id, how in sorted(stand.items())[:3])
    full = all(how["at_capacity"] or how["tasks"] for how in stand.values())
    if len(able) == 1:
        who = f"the only worker that may run skill {skill!r}"
        sentence = f"{who} is at capacity" if full else f"{who} does not ask for a task"
    else:
        who = f"the {len(able)} workers that may run skill {skill!r}"
        sentence = f"{who} are all at capacity" if full else f"none of {who} asks for a task"
    return Explanation(reason="workers_busy", sentence=f"{sentence} ({said})", details={**about, "standing": stand})


def _standing(worker: Worker, tasks: int, now: float) -> dict[str, Any]:
    return {
        "tasks": tasks,
        "limit": worker.limit,
        "at_capacity": worker.limit is not None and tasks >= worker.limit,
        "status": worker.status,
        "heard_ago": round(max(0.0, now - worker.seen_at), 3),
    }


def _words(how: dict[str, Any]) -> str:
    tasks = _count(how["tasks"], "task") if how["limit"] is None else f"{how['tasks']} of {how['limit']} tasks"
    return f"has {tasks}, is {how['status']}, heard {how['heard_ago']:.0f} s ago"


def _called(job: Job, task_id: str) -> dict[str, Any]:
    """The calls a running task waits for."""
    calls = [job_id for job_id, child in job.children.items() if child.task_id == task_id and not child.dropped]
    return {"calls": calls} if calls else {}


def _of_retry(skill: str, task: Task, now: float, about: dict[str, Any]) -> Explanation:
    wait = "" if task.retry_at is None else f" in {max(0.0, task.retry_at - now):.1f} s"
    last = task.failures[-1]["code"] if task.failures else "an interruption"
    retry = f"its task for skill {skill!r} is tried again{wait} after {last} (retry {task.retries} of {MAX_RETRIES})"
    details = {**about, "retry": task.retries, "retries": MAX_RETRIES, "retry_at": task.retry_at}
    return Explanation(reason="retry", sentence=retry, details={**details, "failures": list(task.failures)})


def _refused(able: Collection[Worker], task: Task) -> dict[str, str]:
    """Why workers that offer the skill may not have the task."""
    wants = wants_of(lane_of(task.spec))
    found = {worker.worker_id: mismatch(worker.offer, wants) for worker in able}
    return {worker_id: why for worker_id, why in found.items() if why is not None}


def _unmatched(skill: str, refused: dict[str, str], about: dict[str, Any]) -> Explanation:
    """Each reason once, with how many workers it keeps out; the most frequent first."""
    said = Counter(refused.values()).most_common(3)
    reasons = "; ".join(f"{_count(number, 'worker')} {why}" for why, number in said)
    if len(refused) == 1:
        (why,) = refused.values()
        sentence = f"the only worker that offers skill {skill!r} may not take this task: it {why}"
    else:
        sentence = f"{len(refused)} workers offer skill {skill!r}, but none may take this task: {reasons}"
    return Explanation(reason="no_match", sentence=sentence, details={**about, "refused": refused})


def _leased(lease: Lease, skill: str, workers: Collection[Worker], now: float, about: dict[str, Any]) -> Explanation:
    worker_id = lease.row.worker_id or "?"
    worker = next((known for known in workers if known.worker_id == worker_id), None)
    heard = "" if worker is None else f", heard {max(0.0, now - worker.seen_at):.0f} s ago"
    said = "" if lease.progress is None else f", progress {lease.progress:.0%}"
    ago = None if worker is None else round(max(0.0, now - worker.seen_at), 3)
    details = {**about, "worker_id": worker_id, "taken_at": lease.taken_at, "progress": lease.progress}
    details.update(attempt=lease.row.attempt, heard_ago=ago)
    calls = about.get("calls")
    waits = f", waits for {_count(len(calls), 'call')} ({', '.join(calls[:3])})" if calls else ""
    running = f"skill {skill!r} has been with worker {worker_id!r} for {now - lease.taken_at:.0f} s{said}{waits}{heard}"
    if lease.cancel:
        return Explanation(reason="cancelling", sentence=f"{running}; it was told to stop", details=details)
    return Explanation(reason="leased", sentence=running, details=details)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("s" if number != 1 else "")
