"""The commands; each only reads its arguments and hands them on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite.settings import Settings

app = typer.Typer(
    name="orchestrator-lite",
    help="A real, lightweight orchestrator for Avtomatika jobs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """A real, lightweight orchestrator for Avtomatika jobs."""


@app.command()
def serve(
    files: Annotated[list[Path], typer.Argument(help="Python files that define blueprints.")],
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    store: Annotated[str | None, typer.Option(help="memory, or sqlite:///path.")] = None,
    durability: Annotated[str | None, typer.Option(help="power: survives a power cut; process: kill -9.")] = None,
) -> None:
    """Serve the blueprints of some files until stopped."""
    from orchestrator_lite._cli._serve import fast_loop, serve_files

    given = {"host": host, "port": port, "store": store, "durability": durability}
    settings = _settings({key: value for key, value in given.items() if value is not None})
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(serve_files([str(file) for file in files], settings))


@app.command()
def demo(
    files: Annotated[list[Path] | None, typer.Argument(help="Text files; default: Python's licence.")] = None,
) -> None:
    """Run the main job, whole: server, worker process and client count the words of text files."""
    from orchestrator_lite.dev.demo import run_demo

    raise typer.Exit(run_demo(files or []))


def _settings(given: dict[str, Any]) -> Settings:
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UsageError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error


class UsageError(AvtomatikaError):
    """An option that makes no sense."""


def main() -> None:
    """Run the command line; what goes wrong is one line and exit code 2."""
    try:
        app()
    except AvtomatikaError as error:
        typer.echo(f"orchestrator-lite: {' '.join(str(error).splitlines())}", err=True)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
