"""`avtomatika`: the command line of the client. Nothing heavy is loaded before a command needs it."""

from __future__ import annotations

from avtomatika_client._cli._main import main

__all__ = ["main"]
