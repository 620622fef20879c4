"""`avtomatika dashboard` and `avtomatika graph`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from avtomatika_client._cli import _show
from avtomatika_client._cli._failures import NOT_FOUND, Stop
from avtomatika_client._cli._options import AsJson, Token, Url, connected, given
from avtomatika_client.errors import NotFoundError


class GraphFormat(StrEnum):
    """What a graph can be drawn as."""

    DOT = "dot"
    MERMAID = "mermaid"
    SVG = "svg"


def dashboard(context: typer.Context, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Say how much there is on the server: workers, jobs, tasks."""
    from avtomatika_client._cli._words import dumped

    said = given(context, url, token, as_json)
    with connected(said) as client:
        found = client.dashboard()
    if not _show.as_table(said.as_json):
        _show.document(dumped(found))
        return
    rows = [("workers", str(found.workers.total))]
    rows += [(f"jobs {status}", str(number)) for status, number in sorted(found.jobs.by_status.items())]
    if found.tasks is not None:
        rows += [("tasks queued", str(found.tasks.queued)), ("tasks leased", str(found.tasks.leased))]
    if found.quota is not None:
        rows.append(("jobs left", f"{found.quota.remaining} of {found.quota.limit}"))
    _show.view(rows)


def graph(
    context: typer.Context,
    blueprint: Annotated[str, typer.Argument(help="The blueprint's name.", show_default=False)],
    format: Annotated[  # noqa: A002
        GraphFormat, typer.Option(help="Graphviz, Mermaid or a picture.")
    ] = GraphFormat.DOT,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Draw a blueprint's states and the ways between them."""
    said = given(context, url, token, as_json)
    with connected(said) as client:
        try:
            drawn = client.blueprints.graph(blueprint, format=format.value)
        except NotFoundError as error:
            raise Stop(NOT_FOUND, f"there is no blueprint {blueprint!r} here") from error
    if said.as_json:
        _show.document({"blueprint": blueprint, "format": format.value, "graph": drawn})
    else:
        typer.echo(drawn, nl=False)
