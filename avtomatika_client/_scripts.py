"""The console scripts: each says in one line what is missing before anything of it is loaded."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

from avtomatika_client._clash import PackageClashError, check_clash

_EXTRAS = {
    "fast_magic_filter": "server",
    "fastapi": "server",
    "obstore": "server",
    "pydantic_settings": "server",
    "rich": "cli",
    "starlette": "server",
    "typer": "cli",
    "uvicorn": "server",
    "watchfiles": "cli",
}
"""Which extra brings a module that a script may miss; anything else that is missing is the user's own."""


def client() -> None:
    """The command `avtomatika`."""
    _run("avtomatika", "avtomatika_client._cli", "cli")


def worker() -> None:
    """The command `avtomatika-worker`."""
    _run("avtomatika-worker", "avtomatika_worker._cli", "cli")


def orchestrator() -> None:
    """The command `orchestrator-lite`."""
    _run("orchestrator-lite", "orchestrator_lite._cli", "server,cli")


def _run(command: str, module: str, extras: str) -> None:
    try:
        check_clash()
        import_module(module).main()
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in _EXTRAS:
            raise
        _stop(f"{command} needs {name}, which is not installed: pip install 'avtomatika-sdk[{extras}]'")
    except PackageClashError as error:
        _stop(str(error))
    except KeyboardInterrupt:  # before the command itself could say what that means
        sys.exit(130)


def _stop(message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(2)
