"""`avtomatika jobs approve`, `retry`, `release`: what people decide about jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from avtomatika_client._cli import _jobs, _show
from avtomatika_client._cli._failures import ENDED_OTHERWISE, Stop
from avtomatika_client._cli._options import ApiVersion, AsJson, Given, JobId, Token, Url, given
from avtomatika_client.errors import ConflictError

app = _jobs.app


@app.command()
def approve(
    context: typer.Context,
    job_id: JobId,
    decision: Annotated[str, typer.Argument(help="One of those the job knows.")] = "approved",
    api_version: ApiVersion = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Decide what a job waits for."""
    said = given(context, url, token, as_json)
    with _jobs.found(said, job_id, api_version) as (_, job):
        try:
            job.approve(decision)
        except ConflictError as error:
            raise Stop(ENDED_OTHERWISE, f"job {job_id} does not wait for a decision") from error
        _told(said, job_id, "approval_received")


@app.command()
def retry(
    context: typer.Context,
    job_id: JobId,
    api_version: ApiVersion = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Have a quarantined job try its task again."""
    said = given(context, url, token, as_json)
    with _jobs.found(said, job_id, api_version) as (_, job):
        try:
            job.retry()
        except ConflictError as error:
            raise Stop(ENDED_OTHERWISE, f"job {job_id} is not quarantined") from error
        _told(said, job_id, "retried")


@app.command()
def release(
    context: typer.Context,
    job_id: JobId,
    state: Annotated[
        str | None,
        typer.Option(help="Where a quarantined job goes on; without it it ends as failed.", show_default=False),
    ] = None,
    api_version: ApiVersion = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Let a quarantined job out, or a held one start."""
    said = given(context, url, token, as_json)
    with _jobs.found(said, job_id, api_version) as (_, job):
        try:
            job.release(state)
        except ConflictError as error:
            raise Stop(ENDED_OTHERWISE, f"job {job_id} is neither held nor quarantined") from error
        _told(said, job_id, "released")


def _told(said: Given, job_id: str, status: str) -> None:
    if _show.as_table(said.as_json):
        _show.line(status)
    else:
        _show.document({"id": job_id, "status": status})
