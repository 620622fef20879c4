"""`avtomatika jobs …`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from avtomatika_client._cli import _show
from avtomatika_client._cli._failures import ENDED_OTHERWISE, INTERRUPTED, NOT_FOUND, TIMED_OUT, Stop
from avtomatika_client._cli._options import (
    ApiVersion,
    AsJson,
    Given,
    JobId,
    Timeout,
    Token,
    Url,
    Wait,
    connected,
    given,
    seconds,
)
from avtomatika_client.errors import APIStatusError, ConflictError, NotFoundError, WaitTimeout
from avtomatika_client.protocol.errors import AvtomatikaError

if TYPE_CHECKING:
    from avtomatika_client._client import Client
    from avtomatika_client._resources._handle import JobHandle
    from avtomatika_client.protocol.jobs import Job

ABSENT = frozenset({404, 405})
"""How servers say that something is not there; the second one where an id is no part of a path."""

_LONGEST_PAGE = 500
_LAST_LOOK = 2.0
"""Seconds for what is said of a job whose wait has ended."""

app = typer.Typer(help="Submit jobs, look at them, cancel them.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def submit(
    context: typer.Context,
    blueprint: Annotated[str, typer.Argument(help="Which blueprint to run.", show_default=False)],
    data: Annotated[
        str | None,
        typer.Argument(metavar="JSON|@FILE|-", help="A JSON object: as it stands, from a file, from standard input."),
    ] = None,
    wait: Wait = False,
    timeout: Timeout = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="Where the job's end is reported.", show_default=False)
    ] = None,
    dispatch_timeout: Annotated[
        float | None,
        typer.Option(
            parser=seconds, metavar="SECONDS", help="How long a task may wait for a worker.", show_default=False
        ),
    ] = None,
    result_timeout: Annotated[
        float | None,
        typer.Option(
            parser=seconds, metavar="SECONDS", help="Within what time it must have ended.", show_default=False
        ),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="The blueprint's path, where it is not /jobs/BLUEPRINT.", show_default=False)
    ] = None,
    api_version: ApiVersion = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Create a job. With --wait: show its progress, print its result."""
    from avtomatika_client._cli._input import initial_data

    said = given(context, url, token, as_json)
    _only_with_wait(wait, timeout)
    body = initial_data(data)
    with connected(said) as client:
        with _known(f"this server has no blueprint {blueprint!r}"):
            job = client.jobs.submit(
                blueprint,
                body,
                endpoint=endpoint,
                api_version=api_version,
                webhook_url=webhook_url,
                dispatch_timeout=dispatch_timeout,
                result_timeout=result_timeout,
            )
        if wait:
            _wait_for_result(job, timeout, said)
        elif _show.as_table(said.as_json):
            _show.line(job.id)
            _show.note(f"Wait for it: {said.command(f'jobs wait {job.id}')}")
        else:
            _show.document({"id": job.id})


@app.command("wait")
def wait_for(
    context: typer.Context,
    job_id: JobId,
    timeout: Timeout = None,
    api_version: ApiVersion = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Wait until a job has ended; print its result."""
    said = given(context, url, token, as_json)
    with _found(said, job_id, api_version) as (_, job):
        _wait_for_result(job, timeout, said)


@app.command()
def get(
    context: typer.Context,
    job_id: JobId,
    api_version: ApiVersion = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show a job's state."""
    from avtomatika_client._cli._words import dumped, of_job

    said = given(context, url, token, as_json)
    with _found(said, job_id, api_version) as (_, job):
        state = _state(job.refresh())
        if _show.as_table(said.as_json):
            _show.view(of_job(state))
        else:
            _show.document(dumped(state))


@app.command("list")
def list_jobs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    status: Annotated[str | None, typer.Option(help="Only jobs with this status.", show_default=False)] = None,
    blueprint: Annotated[str | None, typer.Option(help="Only jobs of this blueprint.", show_default=False)] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List your jobs, newest first."""
    from avtomatika_client._cli._words import dumped, of_listed

    said = given(context, url, token, as_json)
    wanted = None if everything else limit
    page = _LONGEST_PAGE if wanted is None else min(wanted + 1, _LONGEST_PAGE)
    with connected(said) as client:
        pager = client.jobs.list(limit=page, status=status, blueprint=blueprint)
        found = [_state(job) for job in islice(pager, None if wanted is None else wanted + 1)]
    jobs = found[:wanted]
    if not _show.as_table(said.as_json):
        _show.document([dumped(job) for job in jobs])
        return
    if jobs:
        _show.table(
            ("id", "blueprint", "status", "created"), [of_listed(job) for job in jobs], whole="id", status="status"
        )
    else:
        _show.note("No jobs.")
    if len(found) > len(jobs):
        _show.note(f"These are the newest {limit}; --limit N shows more, --all shows all.")


@app.command()
def cancel(
    context: typer.Context,
    job_id: JobId,
    wait: Wait = False,
    timeout: Timeout = None,
    api_version: ApiVersion = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a job's cancellation. With --wait: until it has ended."""
    said = given(context, url, token, as_json)
    _only_with_wait(wait, timeout)
    with _found(said, job_id, api_version) as (_, job):
        reply = _cancelled(job)
        if wait:
            _wait_for_cancellation(job, timeout, said)
        elif _show.as_table(said.as_json):
            _show.line(reply)
        else:
            _show.document({"id": job.id, "status": reply})


@app.command()
def history(
    context: typer.Context,
    job_id: JobId,
    api_version: ApiVersion = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened to a job, oldest first."""
    from avtomatika_client._cli._words import dumped, of_event

    said = given(context, url, token, as_json)
    with _found(said, job_id, api_version) as (_, job):
        events = job.history()
        if _show.as_table(said.as_json):
            columns = ("time", "event", "state", "worker", "attempt")
            _show.table(columns, [of_event(event) for event in events], whole="time")
        else:
            _show.document([dumped(event) for event in events])


@contextmanager
def _found(said: Given, job_id: str, api_version: str | None) -> Iterator[tuple[Client, JobHandle]]:
    with (
        connected(said) as client,
        _known(f"there is no job {job_id!r} of yours here; yours: {said.command('jobs list')}"),
    ):
        yield client, client.jobs.handle(job_id, api_version=api_version)


@contextmanager
def _known(otherwise: str) -> Iterator[None]:
    try:
        yield
    except APIStatusError as error:
        if error.status not in ABSENT:
            raise
        raise Stop(NOT_FOUND, otherwise) from error


def _only_with_wait(wait: bool, timeout: float | None) -> None:
    if timeout is not None and not wait:
        raise typer.BadParameter("it needs --wait.", param_hint="--timeout")


def _wait_for_result(job: JobHandle, timeout: float | None, said: Given) -> None:
    from avtomatika_client._cli._words import dumped, error_of

    _until_ended(job, timeout, said)
    state = _state(job)
    if state.end_status == "finished":
        _show.document(job.result())
        return
    if not _show.as_table(said.as_json):
        _show.document(dumped(state))
    where = f" in state {state.current_state!r}" if state.current_state else ""
    why = f": {error_of(state)}" if error_of(state) else ""
    raise Stop(ENDED_OTHERWISE, f"job {job.id} is {state.end_status}{where}{why}")


def _wait_for_cancellation(job: JobHandle, timeout: float | None, said: Given) -> None:
    from avtomatika_client._cli._words import dumped

    _until_ended(job, timeout, said)
    state = _state(job)
    if _show.as_table(said.as_json):
        _show.line(state.end_status)
    else:
        _show.document(dumped(state))
    if state.end_status != "cancelled":
        raise Stop(ENDED_OTHERWISE, f"job {job.id} ended before it could be cancelled: it is {state.end_status}")


def _until_ended(job: JobHandle, timeout: float | None, said: Given) -> None:
    """Wait; where that ends first, say that the job goes on and how to look at it."""
    from avtomatika_client._cli._follow import follow

    try:
        follow(job, timeout)
    except KeyboardInterrupt:
        raise _left(job, said, INTERRUPTED, f"interrupted; job {job.id} goes on") from None
    except WaitTimeout:
        status = _last_status(job)
        raise _left(
            job, said, TIMED_OUT, f"job {job.id} has not ended within {timeout:g} s{status} and goes on"
        ) from None


def _last_status(job: JobHandle) -> str:
    """What is known of the job's status, asked for once more."""
    with suppress(AvtomatikaError):
        job.refresh(timeout=_LAST_LOOK)
    return f" (it is {job.status})" if job.status else ""


def _left(job: JobHandle, said: Given, code: int, text: str) -> Stop:
    from avtomatika_client._cli._words import dumped

    if not _show.as_table(said.as_json):
        _show.document({"id": job.id} if job.state is None else dumped(job.state))
    return Stop(code, f"{text}; look at it: {said.command(f'jobs get {job.id}')}")


def _cancelled(job: JobHandle) -> str:
    """Ask for the cancellation; a job that has ended is told as such."""
    try:
        return job.cancel().status
    except (NotFoundError, ConflictError) as error:
        state = _state(job.refresh())
        if not state.is_final:
            raise
        raise Stop(ENDED_OTHERWISE, f"job {job.id} has ended already: it is {state.end_status}") from error


def _state(job: JobHandle) -> Job:
    assert job.state is not None  # noqa: S101 - it has just been read
    return job.state
