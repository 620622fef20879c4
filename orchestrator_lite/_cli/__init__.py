"""`orchestrator-lite`: the command line of the server."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; what goes wrong is one line and exit code 2."""
    if sys.argv[1:2] == ["dev"] and len(sys.argv) > 2 and "--help" not in sys.argv:
        from orchestrator_lite.dev.develop.command import begin_ahead

        begin_ahead()
    from orchestrator_lite._cli._main import main as run

    run()


__all__ = ["main"]
