"""`orchestrator-lite`: the command line of the server."""

from __future__ import annotations


def main() -> None:
    """Run the command line; what goes wrong is one line and exit code 2."""
    from orchestrator_lite._cli._main import main as run

    run()


__all__ = ["main"]
