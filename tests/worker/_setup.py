"""Running a worker against scripted orchestrators."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from avtomatika_worker import Skill, Worker
from avtomatika_worker._definition import RunOptions
from avtomatika_worker._run import Run, running
from avtomatika_worker._settings import Target
from tests.worker._peer import Peer


def working(
    *peers: Peer, skills: list[Skill[..., Any]], limit: int = 10, **options: Any
) -> AbstractAsyncContextManager[Run]:
    """Run a worker that touches no file, for these orchestrators."""
    worker = Worker("test", limit, worker_id="w1", skills=skills)
    targets = tuple(Target(peer.url, "secret-token") for peer in peers)
    return running(worker.definition(), RunOptions(targets=targets, **({"fleeting": True} | options)))
