"""`avtomatika schedules …`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from avtomatika_client._cli import _show
from avtomatika_client._cli._failures import NOT_FOUND, Stop
from avtomatika_client._cli._options import (
    AsJson,
    DispatchTimeout,
    Given,
    ResultTimeout,
    Token,
    Url,
    WebhookUrl,
    connected,
    given,
    seconds,
)
from avtomatika_client.errors import NotFoundError

if TYPE_CHECKING:
    from avtomatika_client._client import Client
    from avtomatika_client.protocol.schedules import Schedule

app = typer.Typer(help="Have jobs begin by themselves.", no_args_is_help=True, rich_markup_mode=None)

Which: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="The schedule's name or id.", show_default=False)]


def _option(text: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(help=text, metavar=metavar, show_default=False, **more)


@app.command("list")
def list_schedules(context: typer.Context, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """List your schedules, and when each is due next."""
    from avtomatika_client._cli._words import dumped, of_schedule

    said = given(context, url, token, as_json)
    with connected(said) as client:
        found = client.schedules.list()
    if not _show.as_table(said.as_json):
        _show.document([dumped(schedule) for schedule in found])
    elif found:
        columns = ("name", "blueprint", "when", "next", "last")
        _show.table(columns, [of_schedule(schedule) for schedule in found], whole="name")
    else:
        _show.note("No schedules.")


@app.command()
def get(context: typer.Context, name: Which, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Show a schedule: what it says, when it is due, what became of its last times."""
    with _one(given(context, url, token, as_json), name) as client:
        _shown(client.schedules.get(name))


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is to be called.", show_default=False)],
    blueprint: Annotated[str, typer.Argument(help="Which blueprint its jobs run.", show_default=False)],
    data: Annotated[
        str | None,
        typer.Argument(metavar="JSON|@FILE|-", help="A JSON object: as it stands, from a file, from standard input."),
    ] = None,
    every: Annotated[float | None, _option("Due every so often, at once first.", "SECONDS", parser=seconds)] = None,
    daily_at: Annotated[str | None, _option("Due every day at this time.", "HH:MM")] = None,
    weekly: Annotated[list[str] | None, _option("Due on this day of the week; may be repeated.", "DAY")] = None,
    monthly: Annotated[list[int] | None, _option("Due on this day of the month; may be repeated.", "DATE")] = None,
    time: Annotated[str | None, _option("The time of day for --weekly and --monthly.", "HH:MM")] = None,
    cron: Annotated[str | None, _option("Due as a cron expression says.", "EXPRESSION")] = None,
    timezone: Annotated[str | None, _option("Whose times these are: an IANA name.", "ZONE")] = None,
    catch_up: Annotated[str | None, _option("What was missed runs: latest, all, none.", "WORD")] = None,
    overlap: Annotated[str | None, _option("Beside its last job: allow, skip.", "WORD")] = None,
    webhook_url: WebhookUrl = None,
    dispatch_timeout: DispatchTimeout = None,
    result_timeout: ResultTimeout = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Keep a new schedule; the same one again changes nothing."""
    from avtomatika_client._cli._input import initial_data

    fields: dict[str, Any] = {
        "interval_seconds": every,
        "daily_at": daily_at,
        "weekly_days": weekly or None,
        "monthly_dates": monthly or None,
        "time": time,
        "cron": cron,
        "timezone": timezone,
        "catch_up": catch_up,
        "overlap": overlap,
        "webhook_url": webhook_url,
        "dispatch_timeout": dispatch_timeout,
        "result_timeout": result_timeout,
    }
    body = initial_data(data)
    with _one(given(context, url, token, as_json), blueprint, "blueprint") as client:
        said = {field: value for field, value in fields.items() if value is not None}
        _shown(client.schedules.create(name, blueprint, body, **said))


@app.command()
def run(context: typer.Context, name: Which, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Begin a job of a schedule now; print its id."""
    said = given(context, url, token, as_json)
    with _one(said, name) as client:
        job = client.schedules.run(name)
    if _show.as_table(said.as_json):
        _show.line(job.id)
    else:
        _show.document({"id": job.id})


@app.command()
def pause(context: typer.Context, name: Which, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Let a schedule rest."""
    with _one(given(context, url, token, as_json), name) as client:
        _shown(client.schedules.pause(name))


@app.command()
def resume(context: typer.Context, name: Which, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Let a schedule go on."""
    with _one(given(context, url, token, as_json), name) as client:
        _shown(client.schedules.resume(name))


@app.command()
def delete(context: typer.Context, name: Which, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Forget a schedule; its jobs stay."""
    with _one(given(context, url, token, as_json), name) as client:
        client.schedules.delete(name)


def _shown(schedule: Schedule) -> None:
    from avtomatika_client._cli._words import dumped

    _show.document(dumped(schedule))


@contextmanager
def _one(said: Given, name: str, what: str = "schedule") -> Iterator[Client]:
    """A client; what it does not find is told by its name.

    Raises:
        Stop: The command ends here.
    """
    with connected(said) as client:
        try:
            yield client
        except NotFoundError as error:
            raise Stop(NOT_FOUND, f"this server has no {what} {name!r}") from error
