"""`avtomatika webhooks …`."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from avtomatika_client._cli import _show
from avtomatika_client._cli._failures import NOT_FOUND, Stop
from avtomatika_client._cli._options import AsJson, Token, Url, connected, given
from avtomatika_client.errors import NotFoundError

_LONGEST_PAGE = 500

app = typer.Typer(help="See what webhooks were told, tell them again.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def deliveries(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    job: Annotated[str | None, typer.Option(metavar="ID", help="Only those of this job.", show_default=False)] = None,
    status: Annotated[
        str | None, typer.Option(help="Only pending, delivered or failed ones.", show_default=False)
    ] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List what webhooks of your jobs were told, or are to be, newest first."""
    from avtomatika_client._cli._words import dumped, of_delivery

    said = given(context, url, token, as_json)
    with connected(said) as client:
        pager = client.webhooks.deliveries(limit=min(limit, _LONGEST_PAGE), job_id=job, status=status)
        found = list(islice(pager, limit))
    if not _show.as_table(said.as_json):
        _show.document([dumped(delivery) for delivery in found])
    elif found:
        columns = ("id", "event", "job", "status", "tries", "next", "why")
        _show.table(columns, [of_delivery(delivery) for delivery in found], whole="job", status="status")
    else:
        _show.note("No deliveries.")


@app.command()
def redeliver(
    context: typer.Context,
    delivery: Annotated[int, typer.Argument(metavar="ID", help="The delivery's id.", show_default=False)],
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Send a delivery again at once, whether or not it arrived."""
    from avtomatika_client._cli._words import dumped

    said = given(context, url, token, as_json)
    with connected(said) as client:
        try:
            sent = client.webhooks.redeliver(delivery)
        except NotFoundError as error:
            raise Stop(NOT_FOUND, f"there is no delivery {delivery} of yours here") from error
    if _show.as_table(said.as_json):
        _show.line(sent.status)
    else:
        _show.document(dumped(sent))
