"""`avtomatika skills …`."""

from __future__ import annotations

from typing import Annotated

import typer

from avtomatika_client._cli import _show
from avtomatika_client._cli._ending import wait_for_result
from avtomatika_client._cli._failures import NOT_FOUND, Stop
from avtomatika_client._cli._options import (
    AsJson,
    DispatchTimeout,
    ResultTimeout,
    Timeout,
    Token,
    Url,
    connected,
    given,
)
from avtomatika_client.errors import NotFoundError

app = typer.Typer(help="See what workers can do, and have it done.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_skills(context: typer.Context, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """List the skills that workers have published, and who offers them now."""
    from avtomatika_client._cli._words import dumped, of_skill

    said = given(context, url, token, as_json)
    with connected(said) as client:
        found = client.skills.list()
    if not _show.as_table(said.as_json):
        _show.document([dumped(skill) for skill in found])
    elif found:
        _show.table(("name", "version", "input", "workers"), [of_skill(skill) for skill in found], whole="name")
    else:
        _show.note("No skills: no worker has registered.")


@app.command()
def call(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The skill's name.", show_default=False)],
    params: Annotated[
        str | None,
        typer.Argument(metavar="JSON|@FILE|-", help="A JSON object: as it stands, from a file, from standard input."),
    ] = None,
    timeout: Timeout = None,
    dispatch_timeout: DispatchTimeout = None,
    result_timeout: ResultTimeout = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Have a skill run once, without a blueprint; print what it returns."""
    from avtomatika_client._cli._input import initial_data

    said = given(context, url, token, as_json)
    body = initial_data(params)
    with connected(said) as client:
        try:
            job = client.skills.submit(
                name,
                body,
                dispatch_timeout=dispatch_timeout,
                result_timeout=result_timeout,
            )
        except NotFoundError as error:
            raise Stop(NOT_FOUND, f"no worker has ever published a skill {name!r}") from error
        wait_for_result(job, timeout, said)
