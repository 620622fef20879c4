"""`Worker`: what a team writes down about its worker, and the ways to run it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from avtomatika_worker._definition import Definition, RunOptions
from avtomatika_worker._identity import check_worker_id
from avtomatika_worker._run import Run, running
from avtomatika_worker._skill import Skill
from avtomatika_worker.errors import SkillDefinitionError, WorkerConfigError


class Default(Enum):
    """Tells "not given" from None."""

    JOURNAL = "beside the identity"


class Worker:
    """A worker's definition; constructing it touches no file, thread, environment or loop.

    Any number of runs, in any number of event loops, may use one definition.
    """

    def __init__(
        self,
        worker_type: str | None = None,
        max_concurrent_tasks: int = 10,
        *,
        worker_id: str | None = None,
        skills: Iterable[Skill[..., Any]] = (),
        orchestrators: str | Sequence[str] | None = None,
        token: str | None = None,
        journal: str | PathLike[str] | Default | None = Default.JOURNAL,
    ) -> None:
        """Write down what the worker is.

        Args:
            worker_type: What kind of worker this is; the ids of workers without `worker_id` begin with it.
            max_concurrent_tasks: Tasks at once, over all orchestrators.
            worker_id: A fixed id (letters, digits, `_`, `-`); None: the first free one of this machine.
            skills: Functions decorated with `@skill`.
            orchestrators: One URL or several; None: `AVTOMATIKA_URL`, else `http://127.0.0.1:8080`.
            token: The worker token; None: `AVTOMATIKA_WORKER_TOKEN`, towards this machine else the development token.
            journal: File for results not yet acknowledged; by default one in the state folder; None: memory only.

        Raises:
            SkillDefinitionError: Something in `skills` is no skill, or two have one name.
            WorkerConfigError: An argument cannot work.
        """
        self._type = _checked_type(worker_type)
        self._limit = _checked_limit(max_concurrent_tasks)
        self._worker_id = None if worker_id is None else check_worker_id(worker_id)
        self._orchestrators = [orchestrators] if isinstance(orchestrators, str) else orchestrators
        self._token = token
        self._journal = journal
        self._skills: dict[str, Skill[..., Any]] = {}
        self._embedded: dict[asyncio.AbstractEventLoop, list[AbstractAsyncContextManager[Run]]] = {}
        self.add(*skills)

    @property
    def worker_type(self) -> str:
        """What kind of worker this is."""
        return self._type

    @property
    def skills(self) -> tuple[Skill[..., Any], ...]:
        """What it offers."""
        return tuple(self._skills.values())

    def add(self, *skills: Skill[..., Any]) -> None:
        """Offer more skills from the next run on.

        Raises:
            SkillDefinitionError: Something is no skill, or its name is taken.
        """
        for skill in skills:
            given: object = skill
            if not isinstance(given, Skill):
                raise SkillDefinitionError(f"{given!r} is no skill; put @skill above the function.")
            if self._skills.setdefault(skill.name, skill) is not skill:
                raise SkillDefinitionError(f"Two skills named {skill.name!r}: {self._skills[skill.name]!r}, {skill!r}.")

    async def main(self) -> None:
        """Work until cancelled; cancelling ends it in a hurry, with every result kept.

        Raises:
            WorkerConfigError: The settings cannot work, or another process has this identity.
            SupersededError: A newer start of this worker has taken over.
        """
        await Run(self.definition(), RunOptions()).serve()

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then drain; a second signal hurries.

        Raises:
            SystemExit: With code 1, after one line in the log, when the worker cannot start or is superseded.
        """
        from avtomatika_worker._process import run_process

        if code := run_process(self.definition()):
            raise SystemExit(code)

    async def __aenter__(self) -> Self:
        """Work beside the caller's own code."""
        beside = running(self.definition(), RunOptions())
        await beside.__aenter__()
        self._embedded.setdefault(asyncio.get_running_loop(), []).append(beside)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain and end."""
        loop = asyncio.get_running_loop()
        beside = self._embedded[loop].pop()
        if not self._embedded[loop]:
            del self._embedded[loop]
        await beside.__aexit__(kind, error, trace)

    def definition(self) -> Definition:
        """What one run needs, as it stands now."""
        journal = self._journal
        return Definition(
            worker_type=self._type,
            worker_id=self._worker_id,
            skills=dict(self._skills),
            limit=self._limit,
            orchestrators=self._orchestrators,
            token=self._token,
            journal=None if journal is None or isinstance(journal, Default) else Path(journal),
            durable=journal is not None,
        )

    def __repr__(self) -> str:
        return f"<Worker {self._type!r}: {', '.join(self._skills) or 'no skills'}>"


_DEFAULT_TYPE: Final = "worker"


def _checked_type(worker_type: object) -> str:
    if worker_type is None:
        return _DEFAULT_TYPE
    if not isinstance(worker_type, str) or not worker_type.strip():
        raise WorkerConfigError(f"worker_type={worker_type!r} is no name.")
    return worker_type


def _checked_limit(limit: object) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise WorkerConfigError(f"max_concurrent_tasks={limit!r} must be a whole number above 0.")
    return limit
