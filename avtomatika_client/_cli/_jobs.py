"""`avtomatika jobs …`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from avtomatika_client._cli import _show
from avtomatika_client._cli._ending import leaving, state_of, wait_for_cancellation, wait_for_result
from avtomatika_client._cli._failures import ENDED_OTHERWISE, NOT_FOUND, Stop
from avtomatika_client._cli._options import (
    ApiVersion,
    AsJson,
    CreatedAfter,
    CreatedBefore,
    Delay,
    DispatchTimeout,
    Endpoint,
    Files,
    Given,
    IdempotencyKey,
    JobId,
    MaxTransitions,
    Priority,
    ResultTimeout,
    Timeout,
    Token,
    Url,
    Wait,
    WebhookUrl,
    connected,
    given,
)
from avtomatika_client.errors import APIStatusError, ConflictError, NotFoundError

if TYPE_CHECKING:
    from avtomatika_client._client import Client
    from avtomatika_client._resources._handle import JobHandle

_ABSENT = frozenset({404, 405})
"""How servers say that something is not there; the second one where an id is no part of a path."""

_LONGEST_PAGE = 500

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
    file: Files = None,
    webhook_url: WebhookUrl = None,
    dispatch_timeout: DispatchTimeout = None,
    result_timeout: ResultTimeout = None,
    delay: Delay = None,
    priority: Priority = None,
    max_transitions: MaxTransitions = None,
    idempotency_key: IdempotencyKey = None,
    endpoint: Endpoint = None,
    api_version: ApiVersion = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Create a job. With --wait: show its progress, print its result."""
    from avtomatika_client._cli._input import files, initial_data

    said = given(context, url, token, as_json)
    _only_with_wait(wait, timeout)
    body, sources = initial_data(data), files(file or [])
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
                delay=delay,
                priority=priority,
                max_transitions=max_transitions,
                idempotency_key=idempotency_key,
                files=sources,
            )
        if wait:
            wait_for_result(job, timeout, said)
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
    with found(said, job_id, api_version) as (_, job):
        wait_for_result(job, timeout, said)


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
    with found(said, job_id, api_version) as (_, job):
        state = state_of(job.refresh())
        if _show.as_table(said.as_json):
            _show.view(of_job(state))
        else:
            _show.document(dumped(state))


@app.command("list")
def list_jobs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only jobs with this status; may be repeated.", show_default=False),
    ] = None,
    blueprint: Annotated[str | None, typer.Option(help="Only jobs of this blueprint.", show_default=False)] = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
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
        pager = client.jobs.list(
            limit=page,
            status=status or None,
            blueprint=blueprint,
            created_after=created_after,
            created_before=created_before,
        )
        found = [state_of(job) for job in islice(pager, None if wanted is None else wanted + 1)]
    jobs = found[:wanted]
    if not _show.as_table(said.as_json):
        _show.document([dumped(job) for job in jobs])
        return
    if jobs:
        columns = ("id", "blueprint", "status", "created", "ended")
        _show.table(columns, [of_listed(job) for job in jobs], whole="id", status="status")
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
    with found(said, job_id, api_version) as (_, job):
        reply = _cancelled(job)
        if wait:
            wait_for_cancellation(job, timeout, said)
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
    with found(said, job_id, api_version) as (_, job):
        events = job.history()
        if _show.as_table(said.as_json):
            columns = ("time", "event", "state", "worker", "attempt")
            _show.table(columns, [of_event(event) for event in events], whole="time")
        else:
            _show.document([dumped(event) for event in events])


@app.command()
def watch(
    context: typer.Context,
    job_id: JobId,
    after: Annotated[
        str | None, typer.Option(metavar="EVENT-ID", help="Go on behind this event.", show_default=False)
    ] = None,
    timeout: Timeout = None,
    api_version: ApiVersion = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show what happens to a job until it has ended: on a terminal a line each, else a JSON document each."""
    from avtomatika_client._cli._words import dumped, of_told

    said = given(context, url, token, as_json)
    with found(said, job_id, api_version) as (_, job), leaving(job, timeout):
        for event in job.events(after=after, timeout=timeout):
            if _show.as_table(said.as_json):
                _show.line(of_told(event))
            else:
                _show.one_line(dumped(event))


@app.command()
def explain(
    context: typer.Context,
    job_id: JobId,
    api_version: ApiVersion = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Say why a job does not go on, or that it does."""
    from avtomatika_client._cli._words import dumped

    said = given(context, url, token, as_json)
    with found(said, job_id, api_version) as (_, job):
        why = job.explain()
        if _show.as_table(said.as_json):
            _show.line(why.sentence)
        else:
            _show.document(dumped(why))


@contextmanager
def found(said: Given, job_id: str, api_version: str | None) -> Iterator[tuple[Client, JobHandle]]:
    """A client and a job of it; one that the server does not know is told as such.

    Raises:
        Stop: There is no such job.
    """
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
        if error.status not in _ABSENT:
            raise
        raise Stop(NOT_FOUND, otherwise) from error


def _only_with_wait(wait: bool, timeout: float | None) -> None:
    if timeout is not None and not wait:
        raise typer.BadParameter("it needs --wait.", param_hint="--timeout")


def _cancelled(job: JobHandle) -> str:
    """Ask for the cancellation; a job that has ended is told as such."""
    try:
        return job.cancel().status
    except (NotFoundError, ConflictError) as error:
        state = state_of(job.refresh())
        if not state.is_final:
            raise
        raise Stop(ENDED_OTHERWISE, f"job {job.id} has ended already: it is {state.end_status}") from error
