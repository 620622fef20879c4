"""`orchestrator-lite dev`: the server and every worker of some files, reloaded whenever they are saved.

This process only watches. The files are loaded by others, which are replaced whole: no module is reloaded in place, so
helpers, threads and C extensions do no harm. A new version takes over when it has loaded; until then, and if it does
not load, the old one serves. Jobs are in a database, the listening socket stays open here, and old workers finish their
tasks beside the new ones.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from orchestrator_lite._given import present
from orchestrator_lite.dev.develop._server_options import ServerOptions
from orchestrator_lite.dev.develop._spawn import head_start, spawn_both

_NEEDED: Final = ("fast_filter", "fastapi", "obstore", "pydantic_settings", "uvicorn", "watchfiles")


def run_dev(files: list[str], given: Mapping[str, object]) -> int:
    """Serve and work until SIGINT or SIGTERM; a second signal ends everything at once.

    Args:
        files: Python files with blueprints and workers.
        given: Settings by name, as they stood on the command line. Without a store there or in the environment or the
            config file jobs are in a database in `.orchestrator-lite` beside the first file; `memory` lasts until the
            command ends.

    Returns:
        The exit code.

    Raises:
        ModuleNotFoundError: Something of the extras is not installed.
        AvtomatikaError: The server cannot be started at all: a file that is not there, address, store, settings.
    """
    for file in files:
        present(file)
    _require()
    with tempfile.TemporaryDirectory(prefix="orchestrator-lite-dev-") as scratch:
        options = ServerOptions(
            files=[str(Path(file).absolute()) for file in files], given=dict(given), scratch=scratch
        )
        spawned = spawn_both(options)
        from orchestrator_lite.dev.develop._signals import supervise

        supervise(options, spawned)
    return 0


def begin_ahead() -> None:
    """Let the processes load their libraries while the command line is still being read."""
    if not any(_missing()):
        head_start()


def _require() -> None:
    """The processes would miss it one by one; said before anything starts."""
    for name in _missing():
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _missing() -> Iterator[str]:
    return (name for name in _NEEDED if find_spec(name) is None)
