"""The command `avtomatika-worker`."""

from __future__ import annotations

import json
import logging
from typing import Annotated

import typer

from avtomatika_client.protocol.errors import AvtomatikaError
from avtomatika_worker._cli._load import load_worker

app = typer.Typer(
    name="avtomatika-worker", help="Run skills for an orchestrator.", no_args_is_help=True, add_completion=False
)

Where = Annotated[str, typer.Argument(metavar="MODULE:WORKER", help="Where the Worker is, e.g. greet:worker.")]


@app.command()
def run(
    where: Where,
    url: Annotated[list[str] | None, typer.Option(help="An orchestrator's URL; may be given several times.")] = None,
    token: Annotated[str | None, typer.Option(help="The worker token.", show_default=False)] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run a worker until SIGTERM or Ctrl-C; the tasks it has are finished first."""
    from avtomatika_worker._process import run_process

    _log(log_level)
    definition = load_worker(where).definition()
    changes: dict[str, object] = {}
    if url:
        changes["orchestrators"] = url
    if token:
        changes["token"] = token
    if code := run_process(definition.changed(**changes)):
        raise typer.Exit(code)


@app.command()
def skills(where: Where) -> None:
    """Show what a worker offers, as JSON: names, versions and schemas."""
    worker = load_worker(where)
    typer.echo(json.dumps([skill.published for skill in worker.skills], indent=2, ensure_ascii=False))


def main() -> None:
    """Run the command; a mistake of ours or of the user's file is one line, not a traceback."""
    try:
        app()
    except AvtomatikaError as error:
        typer.echo(f"avtomatika-worker: {error}", err=True)
        raise SystemExit(2) from None


def _log(level: str) -> None:
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise typer.BadParameter(f"{level!r} is none of debug, info, warning, error.", param_hint="--log-level")
    logging.basicConfig(level=number, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    # Its lines name each URL at every poll.
    for noisy in ("httpx", "httpcore", "websockets"):
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))
