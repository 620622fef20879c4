"""The commands; each only reads its arguments and hands them on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite._cli._flags import Given, with_settings

app = typer.Typer(
    name="orchestrator-lite",
    help="A real, lightweight orchestrator for Avtomatika jobs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would be loaded for `--help`, and a mistake would fill a box
)


@app.callback()
def _root() -> None:
    """A real, lightweight orchestrator for Avtomatika jobs."""


@app.command()
@with_settings()
def serve(
    sources: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Python files that define blueprints, or folders of them.")
    ],
    given: Given,
) -> None:
    """Serve the blueprints of some files until stopped."""
    import asyncio

    from orchestrator_lite._cli._loop import fast_loop
    from orchestrator_lite._cli._options import settings_of
    from orchestrator_lite._cli._serve import serve_files

    settings = settings_of(given)
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(serve_files([str(source) for source in sources], settings))


@app.command()
@with_settings(store="sqlite:///path, or memory; default: .orchestrator-lite/dev.db beside the file.")
def dev(
    sources: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Python files that define blueprints and workers.")
    ],
    given: Given,
) -> None:
    """Serve the blueprints and run the workers of some files, and reload them whenever they are saved."""
    from orchestrator_lite.dev.develop.command import run_dev

    raise typer.Exit(run_dev([str(source) for source in sources], given))


@app.command()
@with_settings()
def config(given: Given) -> None:
    """Print every setting that `serve` would go by with these flags, and what sets it; secrets are masked."""
    from orchestrator_lite._cli._config import config_lines

    typer.echo("\n".join(config_lines(given)))


@app.command()
@with_settings(store="Whose copy to make: sqlite:///path; a server may be running on it.")
def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to make; there must be none yet.")],
    given: Given,
) -> None:
    """Copy the store into one file, consistently, while a server may be running on it."""
    from orchestrator_lite._cli._backup import back_up

    typer.echo(back_up(target, given))


@app.command()
def demo(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Text files; default: Python's licence.")
    ] = None,
) -> None:
    """Run the main job, whole: server, worker process and client count the words of text files."""
    from orchestrator_lite.dev.demo.command import run_demo

    raise typer.Exit(run_demo(files or []))


@app.command("hash-password")
def hash_password() -> None:
    """Ask for a password, or read it from a pipe, and print its argon2 hash for the setting `users`."""
    from orchestrator_lite._cli._password import asked_password
    from orchestrator_lite.access import hash_password as hashed

    typer.echo(hashed(asked_password()))


def main() -> None:
    """Run the command line; what goes wrong is one line and exit code 2."""
    try:
        app()
    except AvtomatikaError as error:
        typer.echo(f"orchestrator-lite: {' '.join(str(error).splitlines())}", err=True)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
