"""Several folds of one job, gathered into the one change that is committed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from pydantic_core import to_json

from orchestrator_lite.engine._children import CHILD_TIMER, ORPHANS
from orchestrator_lite.engine.events import Event
from orchestrator_lite.engine.fold import fold
from orchestrator_lite.engine.lanes import lane_of
from orchestrator_lite.engine.state import Job, to_document
from orchestrator_lite.engine.step import Born, Queued, Step, Taken, Verdict
from orchestrator_lite.runtime.handling import Outcome
from orchestrator_lite.runtime.jobs import Live
from orchestrator_lite.store import Change, Checkpoint, EventRow, JobRow, Keyed, Outgoing, TaskRef, TaskRow, Timer
from orchestrator_lite.webhooks.notices import notice


class Draft:
    """What will become of a job: folds are added, then it is committed whole or not at all.

    Attributes:
        base: The job as it is stored.
        job: The job as it will be.
        verdict: The answer to a result, of the last fold that gave one.
        cancel: Tasks whose workers are to be told to stop.
        enqueue: Tasks that become queued.
        handler: A handler that was begun and has not answered yet.
        children: Drafts of the jobs it begins, written together with it.
    """

    def __init__(self, base: Live, key: Keyed | None = None) -> None:
        self.base = base
        self._key = key
        self.job = base.job
        self.verdict: Verdict | None = None
        self.cancel: list[str] = []
        self.enqueue: list[Queued] = []
        self.handler: asyncio.Task[Outcome] | None = None
        self.children: list[Draft] = []
        self._steps: list[Step] = []

    def fold(self, event: Event) -> None:
        """Add what `event` does."""
        step = fold(self.job, event)
        self._steps.append(step)
        self.job = step.job
        self.verdict = step.verdict or self.verdict
        self.cancel += step.cancel
        self.enqueue += step.enqueue

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be written."""
        return not any(step.changed or step.clear_timers or step.set_timers or step.checkpoint for step in self._steps)

    @property
    def owes_handler(self) -> bool:
        """Whether these folds have led into a state whose handler is to run; one that runs is not owed twice."""
        if not self.job.is_runnable:
            return False
        base = self.base.job
        return self.base.version == 0 or self.job.step != base.step or base.is_held or base.is_delayed

    @property
    def born(self) -> list[Born]:
        """Jobs that these folds begin."""
        return [born for step in self._steps for born in step.born]

    @property
    def family(self) -> list[Draft]:
        """This draft and those of its children, theirs included."""
        return [self, *(draft for child in self.children for draft in child.family)]

    @property
    def wakes(self) -> str | None:
        """The parent that is to learn of the job's end, if this is it."""
        parent = self.job.parent
        ended = self.job.is_final and not self.base.job.is_final
        return parent.job_id if ended and parent is not None and not parent.gone else None

    @property
    def orphans(self) -> bool:
        """Whether children of it are to be stopped."""
        return any(ORPHANS in step.set_timers for step in self._steps)

    @property
    def dropped(self) -> list[Taken]:
        """Tasks that leave the queue."""
        return [taken for step in self._steps for taken in step.drop]

    @property
    def requeued(self) -> list[Taken]:
        """Tasks that go back to the queue."""
        return [taken for step in self._steps for taken in step.requeue]

    def change(self, at: float, place: Callable[[TaskRow, str], TaskRow]) -> Change:
        """The change to commit; `place` gives a task, by its strategy, to a worker that waits, if there is one."""
        job = self.job
        set_timers, clear_timers = self._timers()
        return Change(
            job=JobRow(
                id=job.id,
                version=self.base.version + 1,
                status=job.status,
                client=job.client.name,
                blueprint=job.blueprint,
                created_at=job.created_at,
                ended_at=_ended_at(job),
                doc=to_document(job),
            ),
            events=[EventRow(0, job.id, at, to_json(event)) for step in self._steps for event in step.events],
            enqueue=[place(_queue_row(job, queued), queued.spec.dispatch_strategy) for queued in self.enqueue],
            drop=[TaskRef(taken.task_id, taken.attempt, taken.leased) for taken in self.dropped],
            requeue=[TaskRef(taken.task_id, taken.attempt, taken.leased) for taken in self.requeued],
            set_timers=[
                *(Timer(f"{job.id}:{name}", job.id, name, due) for name, due in set_timers.items()),
                *self._wake_up(at),
            ],
            clear_timers=[f"{job.id}:{name}" for name in clear_timers],
            key=self._key,
            checkpoints=[
                Checkpoint(task_id, job.id, at, doc)
                for task_id, doc in (step.checkpoint for step in self._steps if step.checkpoint is not None)
            ],
            drop_checkpoints=[task_id for step in self._steps for task_id in step.drop_checkpoints],
            outgoing=() if job.webhook_url is None else self._outgoing(at),
        )

    def _outgoing(self, at: float) -> list[Outgoing]:
        """What the webhook of a job that has ended in these folds is told."""
        job, before = self.job, self.base.job.status
        if not job.is_final or (job.status == before and not any(_ends(step) for step in self._steps)):
            return []
        message = notice(self.job, self.base.version + 1, at)
        return [] if message is None else [message]

    def live(self, change: Change) -> Live:
        """The job as it is once `change` is committed."""
        rows = dict(self.base.rows)
        for ref in change.drop:
            rows.pop(ref.task_id, None)
        for ref in change.requeue:
            rows.pop(ref.task_id, None)
        rows.update({row.task_id: row for row in change.enqueue})
        return Live(self.job, change.job.version, rows, len(change.job.doc))

    def _wake_up(self, at: float) -> list[Timer]:
        """The timer by which the parent learns of the job's end, whatever dies in between."""
        if self.wakes is None:
            return []
        name = f"{CHILD_TIMER}:{self.job.id}"
        return [Timer(f"{self.wakes}:{name}", self.wakes, name, at)]

    def _timers(self) -> tuple[dict[str, float], set[str]]:
        """Timers as the folds leave them in their order: the last word on a name counts."""
        due: dict[str, float] = {}
        cleared: set[str] = set()
        for step in self._steps:
            for name in step.clear_timers:
                due.pop(name, None)
                cleared.add(name)
            due.update(step.set_timers)
        return due, cleared - due.keys()


def _ended_at(job: Job) -> float | None:
    """When a job ended; documents of earlier releases do not tell, but they tell when the job last changed."""
    return job.updated_at if job.is_final and job.ended_at is None else job.ended_at


def _ends(step: Step) -> bool:
    return any(event["event_type"] == "job_completed" for event in step.events)


def _queue_row(job: Job, queued: Queued) -> TaskRow:
    return TaskRow(
        task_id=queued.task_id,
        job_id=job.id,
        skill=lane_of(queued.spec),
        priority=queued.spec.priority,
        attempt=queued.attempt,
        spent=False,
        payload=_payload(job, queued),
    )


def _payload(job: Job, queued: Queued) -> bytes:
    """What the worker is sent, but for the attempt, which the queue decides."""
    body: dict[str, object] = {
        "job_id": job.id,
        "task_id": queued.task_id,
        "type": queued.spec.type,
        "params": queued.spec.params,
        "priority": queued.spec.priority,
        "tracing_context": job.tracing_context,
        "params_metadata": None,
    }
    if queued.spec.skill_version is not None:
        body["skill_version"] = queued.spec.skill_version
    if queued.spec.skill_type is not None:
        body["skill_type"] = queued.spec.skill_type
    if queued.spec.timeout_seconds is not None:
        body["timeout_seconds"] = queued.spec.timeout_seconds
    deadlines = [at for at in (job.result_deadline, job.tasks[queued.task_id].deadline) if at is not None]
    if deadlines:
        # whole seconds: a float stops the polling of the official worker 1.0b20 for good (pains W0, I13)
        body["deadline"] = math.ceil(min(deadlines))
    return to_json(body)


def handed_out(row: TaskRow, checkpoint: bytes | None = None) -> bytes:
    """A task as its worker gets it, with what an earlier attempt has left."""
    kept = b"" if checkpoint is None else b',"checkpoint":' + checkpoint
    return b'%b,"attempt":%d%b}' % (row.payload[:-1], row.attempt, kept)
