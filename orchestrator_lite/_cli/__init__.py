"""`orchestrator-lite`: the command line of the server."""

from __future__ import annotations

from orchestrator_lite._cli._main import main

__all__ = ["main"]
