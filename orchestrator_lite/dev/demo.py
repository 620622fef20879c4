"""`orchestrator-lite demo`: server, worker process and client count the words of real texts (`examples/wordcount`)."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from avtomatika_client import AsyncClient, AvtomatikaError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite import Orchestrator, Settings
from orchestrator_lite.dev import _wordcount
from orchestrator_lite.dev._progress import Bar
from orchestrator_lite.dev._texts import LARGEST_BODY, DemoInputError, Text, licence_file, read_texts
from orchestrator_lite.dev._worker_process import WorkerEndedError, worker_process

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
        texts = read_texts(files or [licence_file()])
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


@dataclass(frozen=True, slots=True)
class _Count:
    """A submitted text: its job and how many parts the blueprint cuts it into."""

    job: AsyncJobHandle
    parts: int


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
            jobs = [await client.jobs.submit("wordcount", {"text": text.text, "top": top}) for text in texts]
            counts = [_Count(job, len(blueprint.cut(text.text))) for job, text in zip(jobs, texts, strict=True)]
            return await _unless(asyncio.ensure_future(_collect(counts)), asyncio.ensure_future(worker.ended()))


def _settings(scratch: Path) -> Settings:
    """Everything that the user's own environment could set otherwise, set."""
    return Settings(
        store=f"sqlite:///{scratch / 'demo.db'}",
        durability="process",
        host="127.0.0.1",
        client_token=SecretStr(token_urlsafe()),
        worker_token=SecretStr(token_urlsafe()),
        development=False,
        max_body=LARGEST_BODY,
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


async def _collect(counts: Sequence[_Count]) -> Results:
    total = sum(count.parts for count in counts)
    with Bar(total) as bar:
        watching = asyncio.ensure_future(_watch(counts, bar)) if bar.visible else None
        try:
            results = [await count.job.result() for count in counts]
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        bar.show(total)
    return results


async def _watch(counts: Sequence[_Count], bar: Bar) -> None:
    while True:
        bar.show(sum([await _parts_done(count) for count in counts]))
        await SYSTEM_CLOCK.sleep(LOOK_EVERY_SECONDS)


async def _parts_done(count: _Count) -> int:
    state = (await count.job.refresh()).state
    if state is None or state.is_final:
        return count.parts
    return len((state.model_extra or {}).get("aggregation_results") or ())


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
