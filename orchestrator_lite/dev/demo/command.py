"""`orchestrator-lite demo`: server, worker process and client count the words of real texts (`examples/wordcount`)."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from avtomatika_client import AsyncClient, AvtomatikaError, JobFailed
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite import Orchestrator, Settings
from orchestrator_lite.dev.demo import _wordcount
from orchestrator_lite.dev.demo._progress import Bar
from orchestrator_lite.dev.demo._texts import DemoInputError, Text, checked_texts, licence_file, unreadable
from orchestrator_lite.dev.demo._worker_process import WorkerEndedError, worker_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from avtomatika_client import AsyncJobHandle

Results = list[dict[str, Any]]

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
LOOK_EVERY_SECONDS = 0.1


def run_demo(files: Sequence[Path], top: int = 10) -> int:
    """Count the words of `files` and print, for each, the `top` commonest with their counts, one per line.

    Args:
        files: UTF-8 text files; none: the licence text that ships with the Python interpreter.
        top: How many words of each file.

    Returns:
        The exit code: 0, 1 when the count failed, 2 for a file that cannot be counted, 130 when interrupted.
        Server and worker have ended by then.
    """
    try:
        texts = checked_texts(files or [licence_file()])
        results = asyncio.run(_count(texts, top))
    except DemoInputError as error:
        return _refuse(str(error), WRONG_INPUT)
    except (AvtomatikaError, WorkerEndedError) as error:
        return _refuse(str(error), FAILED)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _refuse("interrupted", INTERRUPTED)
    report = _wordcount.load("client").report
    for text, result in zip(texts, results, strict=True):
        _say(*report(text.name, result))
    return DONE


async def _count(texts: Sequence[Text], top: int) -> Results:
    blueprint = _wordcount.load("blueprint")
    with _ended_by_sigterm(), tempfile.TemporaryDirectory(prefix="orchestrator-lite-demo-") as folder:
        scratch = Path(folder)
        orchestrator = Orchestrator([blueprint.wordcount], settings=_settings(scratch))
        async with (
            orchestrator.listening(port=0) as lite,
            worker_process(lite.url, lite.worker_token, scratch) as worker,
            AsyncClient(lite.url, client_token=lite.client_token) as client,
        ):
            work = _collect(client, texts, top)
            return await _unless(asyncio.ensure_future(work), asyncio.ensure_future(worker.ended()))


def _settings(scratch: Path) -> Settings:
    """Everything that the user's own environment could set otherwise, set."""
    return Settings(
        store=f"sqlite:///{scratch / 'demo.db'}",
        durability="process",
        host="127.0.0.1",
        client_token=SecretStr(token_urlsafe()),
        worker_token=SecretStr(token_urlsafe()),
        development=False,
    )


async def _unless(work: asyncio.Future[Results], ended: asyncio.Future[WorkerEndedError]) -> Results:
    """What `work` returns, unless the worker ends first."""
    try:
        await SYSTEM_CLOCK.wait_any((work, ended), None)
        if not work.done():
            raise ended.result()
        return work.result()
    finally:
        for future in (work, ended):
            future.cancel()
        await asyncio.gather(work, ended, return_exceptions=True)


async def _collect(client: AsyncClient, texts: Sequence[Text], top: int) -> Results:
    with Bar() as bar:
        jobs: list[AsyncJobHandle] = []
        watching = asyncio.ensure_future(_watch(client, jobs, len(texts), bar)) if bar.visible else None
        try:
            for text in texts:
                jobs.append(await _submit(client, text, top))  # noqa: PERF401 - what is there already is watched
            results = await _results(client, jobs, texts)
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        total = sum(result["parts"] for result in results)
        bar.show(total, total)
    return results


async def _submit(client: AsyncClient, text: Text, top: int) -> AsyncJobHandle:
    try:
        return await client.jobs.submit("wordcount", {"top": top}, files={"text": text.path})
    except (OSError, ValueError) as error:  # it has changed, or gone, since it was looked at
        raise unreadable(text.path, error) from error


async def _results(client: AsyncClient, jobs: Sequence[AsyncJobHandle], texts: Sequence[Text]) -> Results:
    """What the jobs return, in their order; the first one that fails ends the wait for the others."""
    results: dict[str, dict[str, Any]] = {}
    names = {job.id: text.name for job, text in zip(jobs, texts, strict=True)}
    async for job in client.jobs.as_completed(jobs):
        try:
            results[job.id] = await job.result()
        except JobFailed as error:
            raise JobFailed(f"{names[job.id]}: {error.message}") from error
    return [results[job.id] for job in jobs]


async def _watch(client: AsyncClient, jobs: Sequence[AsyncJobHandle], count: int, bar: Bar) -> None:
    while True:
        states = [await _parts(client, job) for job in jobs]
        known = len(states) == count and all(total for _, total in states)
        bar.show(sum(done for done, _ in states), sum(total for _, total in states) if known else None)
        await SYSTEM_CLOCK.sleep(LOOK_EVERY_SECONDS)


async def _parts(client: AsyncClient, job: AsyncJobHandle) -> tuple[int, int]:
    """How many parts of a job's text are counted, and of how many; 0 while that is not known."""
    state = (await client.jobs.get(job.id)).state
    total = ((state and state.state_history) or {}).get("parts", 0)
    counting = state is not None and state.current_state == "count"
    done = len(((state and state.model_extra) or {}).get("aggregation_results") or ()) if counting else total
    return done, total


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does, where loops can take signals at all."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    with suppress(NotImplementedError, RuntimeError):
        loop.add_signal_handler(signal.SIGTERM, lambda: task and task.cancel())
    try:
        yield
    finally:
        with suppress(NotImplementedError, RuntimeError):
            loop.remove_signal_handler(signal.SIGTERM)


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _refuse(line: str, code: int) -> int:
    sys.stderr.write(f"orchestrator-lite demo: {line}\n")
    return code
