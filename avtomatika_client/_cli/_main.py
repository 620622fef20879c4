"""The command itself: its parts put together, and every failure told in one line."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from avtomatika_client._cli import _decisions, _overview, _schedules, _server, _skills, _webhooks
from avtomatika_client._cli._failures import INTERRUPTED, USAGE, one_line, told
from avtomatika_client._cli._options import AsJson, Given, Token, Url
from avtomatika_client.protocol.errors import AvtomatikaError

_CLICK_ERROR: type[Any] = typer.BadParameter.__mro__[2]
"""Click's own root of errors, wherever this release of typer keeps it."""

app = typer.Typer(
    name="avtomatika",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would be loaded for `--help`
)
app.add_typer(_decisions.app, name="jobs")
app.add_typer(_schedules.app, name="schedules")
app.add_typer(_skills.app, name="skills")
app.add_typer(_webhooks.app, name="webhooks")
app.command()(_server.workers)
app.command()(_server.status)
app.command()(_overview.dashboard)
app.command()(_overview.graph)


def _version(wanted: bool) -> None:
    if wanted:
        from avtomatika_client._version import __version__

        typer.echo(f"avtomatika {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Submit jobs to an Avtomatika orchestrator, watch them, look at workers.

    On a terminal answers are tables; piped, or with --json, standard output is one JSON document. Everything else is
    said on standard error. --url, --token and --json stand anywhere.

    \b
    Exit codes:
      0    done; a job that was waited for finished
      1    the job ended otherwise, or can no longer be cancelled
      2    wrong usage or input, also where the server refuses it
      3    no useful answer from the server: not running, failing, too old
      4    there is no such job or blueprint
      5    --timeout was up before the job ended
      6    the server refuses the token
      130  interrupted; a job that was submitted goes on

    \b
    Environment:
      AVTOMATIKA_URL           the orchestrator, by default http://127.0.0.1:8080
      AVTOMATIKA_CLIENT_TOKEN  the token; towards this machine dev-client-token is the default
      NO_COLOR                 no colours
    """  # noqa: D301 - click's mark for lines to be left as they are
    context.obj = Given(url=url, token=token, as_json=as_json)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    raise SystemExit(_run())


def _run() -> int:
    try:
        code = app(prog_name="avtomatika", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except _CLICK_ERROR as error:
        return _misused(error)
    except (AvtomatikaError, ValueError, OSError) as error:
        stop = told(error)
        sys.stderr.write(f"avtomatika: {one_line(stop.text)}\n")
        return stop.code
    return code if isinstance(code, int) else 0


def _misused(error: Any) -> int:
    """A command line that cannot be understood: one line, or the help where nothing was asked."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return USAGE
    path = "avtomatika" if context is None else context.command_path
    sys.stderr.write(f"avtomatika: {one_line(error.format_message()).rstrip('.')}. Try: {path} --help\n")
    return USAGE
